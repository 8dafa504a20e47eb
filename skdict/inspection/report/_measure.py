"""Compute statistics and reconstruction error of a dictionary in one pass over the rows."""

import numpy as np
from tqdm.auto import tqdm

from skdict._core import RunningMoments
from skdict._validation import check_finite, check_targets
from skdict.decomposition import (
    check_is_dictionary,
    check_targets_given,
    is_transcoder,
    rest_of_prediction,
)
from skdict.inspection._encoding import FeatureColumns
from skdict.inspection._statistics import FeatureStatistics
from skdict.inspection.evidence import document_order
from skdict.inspection.report._tables import number


def measure(dictionary, acts, y=None, *, verbose, **options):
    """Return statistics of all codes, and measures of the reconstruction or prediction.

    Negative codes of component j count as a separate feature, numbered `n_components` + j.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    acts : Activations of shape (n_tokens, width)
        Rows to encode, read once, block by block.
    y : array-like of shape (n_tokens, n_targets), optional
        Targets of a transcoder. Without them, it has no `fvu`.
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
        If y does not match the rows, or is given for another dictionary than a transcoder.
    """
    statistics, error = FeatureStatistics(**options), _error_of(dictionary, acts, y)
    columns = FeatureColumns(dictionary, "split")
    with tqdm(total=len(acts), unit="token", delay=1, leave=False, disable=not verbose) as bar:
        for codes, block in columns.blocks(acts, observe=error and error.update):
            statistics.partial_fit(codes, block)
            bar.update(len(block))
    measures = {"l0": number(statistics.counts_.sum() / len(acts))}
    return statistics, measures if error is None else {"fvu": number(error.fvu)} | measures


def _error_of(dictionary, acts, y):
    """Return the sums for the FVU; None for a transcoder without targets."""
    if y is None:
        return None if is_transcoder(dictionary) else _Error(dictionary, acts.shape[1])
    check_targets_given(dictionary, y)
    last = check_is_dictionary(dictionary)
    width = last.components_.shape[1]
    y, order = check_targets(acts, y, type(last).__name__, width=width), document_order(acts)
    return _Error(dictionary, width, y if order is None else y[order])


class _Error:
    """Squared error and moments of rows, or of the targets of a transcoder.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary.
    width : int
        Width of the rows or targets.
    y : array-like of shape (n, width), optional
        Targets of the rows, in the order in which these come.
    """

    def __init__(self, dictionary, width, y=None):
        self._dictionary, self._y = dictionary, y
        self._moments, self._squared_error = RunningMoments(width), 0.0

    def update(self, rows, codes):
        """Update with a block of rows and their codes."""
        wanted, rest = rows, 0
        if self._y is not None:
            start = self._moments.n_rows
            wanted = check_finite(np.asarray(self._y[start : start + len(rows)]), start, "y")
            rest = rest_of_prediction(self._dictionary, rows, codes)
        rebuilt = np.asarray(self._dictionary.inverse_transform(codes)) + rest
        self._squared_error += float(np.square(wanted - rebuilt, dtype=np.float64).sum())
        self._moments.update(wanted)

    @property
    def fvu(self):
        """Fraction of variance unexplained; nan if the rows do not vary."""
        variance = self._moments.squared_deviations
        return self._squared_error / variance if variance else np.nan


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
