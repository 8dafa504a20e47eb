"""Statistics and reconstruction of a dictionary, from one pass over the rows."""

import numpy as np
from tqdm.auto import tqdm

from skdict._core import RunningMoments
from skdict.inspection._encoding import FeatureColumns
from skdict.inspection._statistics import FeatureStatistics
from skdict.inspection.report._tables import number


def measure(dictionary, acts, *, verbose, **options):
    """Return statistics of all codes, and how well they reconstruct the rows.

    Negative codes are features of their own, numbered `n_components` further on.

    Parameters
    ----------
    dictionary : estimator
        Fitted.
    acts : Activations of shape (n_tokens, width)
        Rows to encode, read once, block by block.
    verbose : bool
        If True, show a progress bar.
    **options : dict
        Parameters of `FeatureStatistics`.

    Returns
    -------
    (FeatureStatistics, dict)
        The measures are `fvu` and `l0`.
    """
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
    """Return which components ever fire, and which features to list.

    A sign of a component whose codes never have it is not a feature, but the positive sign of a
    component that never fires stands for it, as a dead feature.

    Parameters
    ----------
    counts : ndarray of int, shape (2 * n_components,)
        Tokens on which each feature fires, negative codes in the second half.

    Returns
    -------
    (ndarray of bool, shape (n_components,), ndarray of bool, shape (2 * n_components,))
    """
    positive, negative = (counts > 0).reshape(2, -1)
    alive = positive | negative
    return alive, np.concatenate([positive | ~alive, negative])
