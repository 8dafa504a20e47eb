"""A scorer for searches: every measure of a dictionary from one pass."""

from skdict._validation import check_number
from skdict.decomposition import measure_dictionary


class DictionaryScorer:
    """Score a fitted dictionary, for `scoring=` of scikit-learn's searches.

    It returns all measures at once, so that each fold is encoded once. A search with several
    measures needs `refit=`: one of the rules beside this class, or ``"score"``, which is
    1 - FVU and always prefers the smallest alpha.

    Parameters
    ----------
    n_active : int or None, default=None
        If given, each row keeps only its so many strongest codes.

    See Also
    --------
    sparsest_within : The rule for a budget of FVU.
    nearest_l0 : The rule for a number of active codes.
    knee : The rule without a number.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import DictionaryScorer, sparsest_within
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> sae = SparseDictionaryAutoencoder(32, max_iter=3, random_state=0)
    >>> search = GridSearchCV(
    ...     sae, {"alpha": [0.05, 0.1, 0.4]}, cv=2,
    ...     scoring=DictionaryScorer(), refit=sparsest_within(max_fvu=0.2),
    ... )
    >>> search.fit(X).best_params_
    {'alpha': 0.1}
    """

    def __init__(self, n_active=None):
        self.n_active = n_active

    def __call__(self, estimator, X, y=None):
        """Measure an estimator.

        Parameters
        ----------
        estimator : estimator
            A fitted dictionary, or a Pipeline that ends in one. Steps up to the last that has
            no `inverse_transform` (texts to activations) only make the rows.
        X : array-like
            Rows, or what the Pipeline takes.
        y : None
            Ignored.

        Returns
        -------
        dict of str to float
            `score` (1 - FVU), `fvu`, `l0`, `n_dead`, `density`, `n_components`.

        Raises
        ------
        TypeError
            If the estimator is no dictionary.
        ValueError
            If `n_active` is below 1, or the rows do not vary or are not finite.
        """
        if self.n_active is not None:
            check_number("n_active", self.n_active, low=1, integer=True)
        dictionary, rows = split_rows(estimator, X)
        measures = measure_dictionary(dictionary, rows, self.n_active)
        return {"score": 1 - measures["fvu"], **measures}

    def __repr__(self):
        return f"DictionaryScorer(n_active={self.n_active})"


def split_rows(estimator, X):
    """Return the dictionary in an estimator, and the rows that it is about.

    Raises
    ------
    TypeError
        If the last step of a Pipeline is no dictionary.
    """
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
