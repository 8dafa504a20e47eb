"""Scorer for searches: all measures of a dictionary from one pass over the rows."""

from skdict._validation import check_number
from skdict.decomposition import is_transcoder, measure_dictionary


class DictionaryScorer:
    """Scorer of fitted dictionaries, for `scoring` in scikit-learn's searches.

    It returns all measures at once, so that each fold is encoded only once. A search with several
    measures needs `refit`: a rule from `selection_rule`, or ``"score"``, which is 1 - FVU and
    always prefers the smallest alpha.

    Parameters
    ----------
    n_active : int or None, default=None
        Number of strongest codes to keep on each row. None keeps all codes.

    See Also
    --------
    selection_rule : Return a rule for `refit` that weighs FVU and L0.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import DictionaryScorer, selection_rule
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> sae = SparseDictionaryAutoencoder(32, max_iter=3, random_state=0)
    >>> search = GridSearchCV(
    ...     sae, {"alpha": [0.05, 0.1, 0.4]}, cv=2,
    ...     scoring=DictionaryScorer(), refit=selection_rule(max_fvu=0.2),
    ... )
    >>> search.fit(X).best_params_
    {'alpha': 0.1}
    """

    def __init__(self, n_active=None):
        self.n_active = n_active

    def __call__(self, estimator, X, y=None):
        """Measure a fitted dictionary on rows.

        Parameters
        ----------
        estimator : estimator
            Fitted dictionary, or a Pipeline that ends in one. Steps up to the last one without
            `inverse_transform` (such as texts to activations) only produce the rows.
        X : array-like
            Rows, or the input of the Pipeline.
        y : array-like of shape (n_samples, n_targets) or None, default=None
            Targets of a transcoder, which its FVU is measured on. Ignored for other dictionaries.

        Returns
        -------
        dict of str to float
            Measures `score` (1 - FVU), `fvu`, `l0`, `n_dead`, `density` and `n_components`.

        Raises
        ------
        TypeError
            If the estimator is not a dictionary.
        ValueError
            If `n_active` is below 1, targets are missing for a transcoder, or the rows or targets
            do not vary or are not finite.
        """
        if self.n_active is not None:
            check_number("n_active", self.n_active, low=1, integer=True)
        dictionary, rows = split_rows(estimator, X)
        targets = y if is_transcoder(dictionary) else None
        measures = measure_dictionary(dictionary, rows, self.n_active, targets)
        return {"score": 1 - measures["fvu"], **measures}

    def __repr__(self):
        return f"DictionaryScorer(n_active={self.n_active})"


def split_rows(estimator, X):
    """Return the dictionary in an estimator, and the rows to evaluate it on."""
    steps = getattr(estimator, "steps", [])
    making = [
        i
        for i, (_, step) in enumerate(steps)
        if step not in (None, "passthrough") and not hasattr(step, "inverse_transform")
    ]
    if not making or making[-1] == len(steps) - 1:
        return estimator, X
    first = making[-1] + 1
    return estimator[first:], estimator[:first].transform(X)
