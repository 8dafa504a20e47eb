"""Compute statistics and reconstruction error of a dictionary in one pass over the rows."""

import numpy as np
from tqdm.auto import tqdm

from skdict._core import RunningMoments
from skdict.decomposition import check_reconstructs_rows
from skdict.inspection._encoding import FeatureColumns
from skdict.inspection._statistics import FeatureStatistics
from skdict.inspection.report._tables import number


def measure(dictionary, acts, *, verbose, **options):
    """Return statistics of all codes, and measures of the reconstruction.

    Negative codes of component j count as a separate feature, numbered `n_components` + j.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    acts : Activations of shape (n_tokens, width)
        Rows to encode, read once, block by block.
    verbose : bool
        If True, show a progress bar.
    **options : dict
        Parameters of `FeatureStatistics`.

    Returns
    -------
    (FeatureStatistics, dict)
        Statistics, and the measures `fvu` and `l0`.

    Raises
    ------
    ValueError
        If the dictionary is a transcoder, which has no FVU on the rows that it encodes.
    """
    check_reconstructs_rows(dictionary)
    statistics, moments = FeatureStatistics(**options), RunningMoments(acts.shape[1])
    squared_error = 0.0

    def reconstruct(rows, codes):
        nonlocal squared_error
        rebuilt = np.asarray(dictionary.inverse_transform(codes))
        squared_error += float(np.square(rows - rebuilt, dtype=np.float64).sum())
        moments.update(rows)

    columns = FeatureColumns(dictionary, "split")
    with tqdm(total=len(acts), unit="token", delay=1, leave=False, disable=not verbose) as bar:
        for codes, block in columns.blocks(acts, observe=reconstruct):
            statistics.partial_fit(codes, block)
            bar.update(len(block))
    fvu = squared_error / moments.squared_deviations if moments.squared_deviations else np.nan
    return statistics, {"fvu": number(fvu), "l0": number(statistics.counts_.sum() / len(acts))}


def living(counts):
    """Return which components are alive, and which features to list.

    A sign for which a component has no codes is not a feature. A component that never fires is
    listed once, as a dead feature with its positive sign.

    Parameters
    ----------
    counts : ndarray of int, shape (2 * n_components,)
        Number of tokens on which each feature fires; negative codes in the second half.

    Returns
    -------
    (ndarray of bool, shape (n_components,), ndarray of bool, shape (2 * n_components,))
    """
    positive, negative = (counts > 0).reshape(2, -1)
    alive = positive | negative
    return alive, np.concatenate([positive | ~alive, negative])
