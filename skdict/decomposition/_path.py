"""Dictionaries over several alphas or target L0s, trained on a single reading of the rows."""

import copy

import numpy as np

from skdict._core import Stack
from skdict._validation import check_rows
from skdict.decomposition._autoencoder_params import check_autoencoder_params
from skdict.decomposition._candidates import check_candidates
from skdict.decomposition._fit import run_together
from skdict.decomposition._measure import measure_dictionary
from skdict.decomposition._measured_rows import warn_of_outlier_rows
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder
from skdict.decomposition._starts import start_of
from skdict.decomposition._training import finished_attributes, new_fit, row_attributes
from skdict.decomposition._training_rows import training_rows


class SparseDictionaryPath:
    """Dictionaries of increasing alpha or target L0, as returned by `sparse_dictionary_path`.

    A path can be iterated over and indexed like a list of fitted estimators; a slice is a path.

    Parameters
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        Fitted, with increasing `alpha` or `target_l0`.

    Attributes
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        The fitted estimators.
    alphas : ndarray of shape (n_dictionaries,)
        The alpha that each ended with, its `alpha_`; zeros where codes are not penalised.
    target_l0s : ndarray of shape (n_dictionaries,) or None
        Their target L0s; None for a path over alphas.
    """

    def __init__(self, dictionaries):
        self.dictionaries = list(dictionaries)
        self.alphas = np.array([dictionary.alpha_ for dictionary in self.dictionaries])
        targets = [dictionary.target_l0 for dictionary in self.dictionaries]
        self.target_l0s = None if None in targets else np.array(targets)

    def __len__(self):
        return len(self.dictionaries)

    def __iter__(self):
        return iter(self.dictionaries)

    def __getitem__(self, key):
        chosen = self.dictionaries[key]
        return SparseDictionaryPath(chosen) if isinstance(key, slice) else chosen

    def __repr__(self):
        shape = self.dictionaries[0].components_.shape if self.dictionaries else None
        told = f"alphas={self.alphas.tolist()}"
        if self.target_l0s is not None:
            told = f"target_l0s={self.target_l0s.tolist()}"
        return f"SparseDictionaryPath({told}, components_ of shape {shape})"

    def measure(self, X):
        """Measure each dictionary on rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, usually held out.

        Returns
        -------
        dict of str to ndarray of shape (n_dictionaries,)
            `alpha`; `target_l0`, for a path over target L0s; `n_components`; `fvu`, the fraction
            of variance unexplained; `fvu_inliers`, the same without outlier rows; `l0`, non-zero
            codes per row; `n_dead`, features that fire on no row; `density`, the median share of
            rows on which a feature fires. ``pandas.DataFrame`` accepts the dict as it is.

        Raises
        ------
        ValueError
            If X differs in width from the rows fitted, is not finite or does not vary.
        TypeError
            If X is sparse.
        """
        records = [measure_dictionary(dictionary, X) for dictionary in self.dictionaries]
        columns = {name: np.array([r[name] for r in records]) for name in records[0]}
        swept = {"alpha": self.alphas.copy()}
        if self.target_l0s is not None:
            swept["target_l0"] = self.target_l0s.copy()
        return swept | columns


def sparse_dictionary_path(
    X,
    alphas=None,
    *,
    target_l0s=None,
    n_components=None,
    activation="relu",
    matryoshka=None,
    debias=False,
    tied_weights="auto",
    center=True,
    rescale=True,
    bias_init="auto",
    dead_features="auto",
    dict_init=None,
    max_iter=10,
    batch_size=1024,
    learning_rate="auto",
    precision="auto",
    sparse_output=True,
    device="auto",
    random_state=None,
    verbose=0,
):
    """Fit a dictionary for each alpha or target L0, reading the rows once per epoch for all.

    Each block of rows is read, centred, scaled and shuffled once, and each dictionary is
    trained on the batches in turn; `debias`, `dead_features` and the thresholds of "batch_topk"
    read further rows for each. All dictionaries start from the same directions. With an integer
    `random_state`, each is bit-identical, on the same CPU, to
    ``SparseDictionaryAutoencoder(alpha=alpha, ...).fit(X)``, or to that with
    ``target_l0=target_l0``.

    All dictionaries and their optimisers are in memory at the same time. There is no warning of
    dead features, which are common at the upper end of most grids: see `n_dead` in
    ``path.measure(X)``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, as in `SparseDictionaryAutoencoder.fit`.
    alphas : int, array-like of shape (n_alphas,) or None, default=None
        Weights of the L1 penalty, increasing; for activations with a penalty. An integer spans a
        grid of that many values from the rows: geometric, from alpha_max / 25 to alpha_max, which
        is twice the median over sampled rows of the largest projection of a row on the direction
        of another. None means 8, unless `target_l0s` is given.
    target_l0s : array-like of shape (n_targets,) or None, default=None
        Active codes per row, in place of `alphas`: increasing, at most `n_components`, and whole
        numbers with "topk". With "relu", alpha is steered to each of them separately, from 0.1.
    n_components : int or None, default=None
        Number of features per dictionary. None means 4 times the width, or as many as `dict_init`
        has.
    activation : {"relu", "topk", "batch_topk", "jumprelu"} or Nonlinearity, default="relu"
        How codes follow from pre-activations. "topk" and "batch_topk" have no penalty and need
        `target_l0s`.
    matryoshka : array-like of shape (n_prefixes,) or None, default=None
        Sizes of the nested prefixes that come before the full dictionary, increasing: integers, or
        fractions of `n_components`.
    debias : bool, default=False
        Refit code magnitudes by least squares after training, to undo L1 shrinkage.
    tied_weights : bool or "auto", default="auto"
        If True, the encoder is the transpose of the decoder. "auto" is True with "relu" only.
    center : bool, default=True
        Subtract the mean before encoding.
    rescale : bool, default=True
        Scale rows to unit mean square norm for training.
    bias_init : {"auto", "calibrated", "zeros"}, default="auto"
        Initial encoder biases.
    dead_features : {"auto", "ignore", "resample", "auxk"}, default="auto"
        What becomes of features that were silent for an epoch.
    dict_init : fitted dictionary, array-like or None, default=None
        Dictionary or directions that all start from. None means random directions.
    max_iter : int, default=10
        Number of epochs.
    batch_size : int, default=1024
        Rows per step.
    learning_rate : float or "auto", default="auto"
        Step size of Adam; "auto" is what suits the activation.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training.
    sparse_output : bool, default=True
        Return a CSR array from `transform` of the dictionaries rather than a dense one.
    device : str, default="auto"
        Device to compute on.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial directions and of the order of rows, the same for all.
    verbose : int, default=0
        If positive, show a progress bar for the first dictionary.

    Returns
    -------
    SparseDictionaryPath
        The fitted estimators, which it can measure on any rows.

    Raises
    ------
    ValueError
        If `alphas` and `target_l0s` are both given, or the one that the activation needs is not;
        if they are empty, not increasing or out of range; and as in
        `SparseDictionaryAutoencoder.fit`.
    TypeError
        If they do not hold numbers, or not whole ones with "topk", and as in
        `SparseDictionaryAutoencoder.fit`.

    Warns
    -----
    ConvergenceWarning
        With "relu", for each of `target_l0s` that is missed by more than 5 % on held-out rows.

    See Also
    --------
    SparseDictionaryAutoencoderCV : Selects alpha or the target L0 on held-out rows.
    SparseDictionaryAutoencoder : One dictionary; the parameters in full.

    Examples
    --------
    >>> from skdict import sparse_dictionary_path
    >>> from skdict.datasets import make_sparse_features
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> path = sparse_dictionary_path(X[:1500], [0.1, 0.2, 0.4], n_components=32, max_iter=2,
    ...                               random_state=0)
    >>> [sae.alpha for sae in path]
    [0.1, 0.2, 0.4]
    >>> table = path.measure(X[1500:])
    >>> bool((table["l0"][:-1] > table["l0"][1:]).all())
    True
    >>> path = sparse_dictionary_path(X[:1500], target_l0s=[1, 2, 4], activation="topk",
    ...                               n_components=32, max_iter=2, random_state=0)
    >>> bool((path.measure(X[1500:])["l0"] <= [1, 2, 4]).all())
    True
    """
    prototype = SparseDictionaryAutoencoder(
        n_components,
        activation=activation,
        matryoshka=matryoshka,
        debias=debias,
        tied_weights=tied_weights,
        center=center,
        rescale=rescale,
        bias_init=bias_init,
        dead_features=dead_features,
        dict_init=dict_init,
        max_iter=max_iter,
        batch_size=batch_size,
        learning_rate=learning_rate,
        precision=precision,
        sparse_output=sparse_output,
        device=device,
        random_state=random_state,
        verbose=verbose,
    )
    check_autoencoder_params(prototype)
    candidates = check_candidates(alphas, target_l0s, prototype)
    X = check_rows(prototype, X, reset=True, min_rows=2)
    dictionaries = path_estimators(prototype, candidates.on_rows(X, prototype))
    return fit_path(dictionaries, X, columns_of(prototype))


def path_estimators(prototype, candidates):
    """Return unfitted copies of an estimator, one per candidate; only the first shows progress."""
    shared = prototype.get_params(deep=False) | {"verbose": 0}
    copies = [SparseDictionaryAutoencoder(**shared | swept) for swept in candidates.params()]
    copies[0].verbose = prototype.verbose
    return copies


def columns_of(estimator):
    """Return what `check_rows` set on an estimator: the width, and column names if any."""
    names = ("n_features_in_", "feature_names_in_")
    return {name: value for name, value in vars(estimator).items() if name in names}


def fit_path(dictionaries, X, columns):
    """Fit estimators that differ only in alpha or only in their target L0, on the same batches.

    Parameters
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        From `path_estimators`; fitted in place.
    X : array-like of shape (n, d)
        Checked by `check_rows`.
    columns : dict
        `columns_of` the estimator that it was checked for.

    Returns
    -------
    SparseDictionaryPath
    """
    rows = training_rows(dictionaries[0], X)
    # Drawn once: the start depends on neither alpha nor the target. The last has the largest
    # target, which must not exceed the number of features.
    start = start_of(dictionaries[-1], rows)
    fits = [new_fit(dictionary, copy.deepcopy(start), rows) for dictionary in dictionaries]
    run_together(fits, _stack(fits))
    for dictionary, fit in zip(dictionaries, fits, strict=True):
        fitted = finished_attributes(dictionary, fit, X)
        vars(dictionary).update(columns, **fitted, **row_attributes(rows))
    warn_of_outlier_rows(rows.moments)
    return SparseDictionaryPath(dictionaries)


def _stack(fits):
    """Return a stack of the trainers on a GPU, which one small dictionary does not keep busy."""
    on_gpu = fits[0].rows.device.type == "cuda"
    return Stack([fit.trainer for fit in fits]) if on_gpu else None
