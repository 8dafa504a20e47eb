"""Fit dictionaries for several alphas or target L0s while reading the rows once per epoch."""

import copy

import numpy as np

from skdict._core import Stack, without_autocast
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

    A path can be iterated over and indexed like a list of fitted estimators. A slice is a path.

    Parameters
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        Fitted estimators, in order of increasing `alpha` or `target_l0`.

    Attributes
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        Fitted estimators.
    alphas : ndarray of shape (n_dictionaries,)
        Final alpha of each dictionary (`alpha_`); 0 if the objective has no alpha.
    target_l0s : ndarray of shape (n_dictionaries,) or None
        Target L0 of each dictionary, in active codes per row; None for a path over alphas.
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
            Rows, usually held out from training.

        Returns
        -------
        dict of str to ndarray of shape (n_dictionaries,)
            Columns of a table, which ``pandas.DataFrame`` accepts: `alpha`; `target_l0`, for a path
            over target L0s; `n_components`; `fvu`, the fraction of variance unexplained;
            `fvu_inliers`, the FVU without outlier rows; `l0`, the mean number of non-zero codes per
            row; `n_dead`, the number of features that fire on no row; `density`, the median over
            features of the share of rows on which a feature fires.

        Raises
        ------
        ValueError
            If X has another width than the training rows, contains NaN or infinity, or does not
            vary.
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
    r"""Fit one dictionary per alpha or target L0, reading the rows once per epoch for all.

    Each dictionary minimises the objective of `SparseDictionaryAutoencoder` with its own alpha or
    target. Each block of rows is read, centred, scaled and shuffled once, and all dictionaries are
    trained on the same batches from the same initial directions; `debias`, `dead_features` and the
    thresholds of "batch_topk" read additional rows for each. With an integer `random_state`, each
    dictionary is bit-identical, on the same CPU, to
    ``SparseDictionaryAutoencoder(alpha=alpha, ...).fit(X)`` or
    ``SparseDictionaryAutoencoder(target_l0=target_l0, ...).fit(X)``.

    All dictionaries and their optimisers are in memory at the same time. Dead features are common
    at the upper end of most grids and raise no warning; see `n_dead` in ``path.measure(X)``.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, as in `SparseDictionaryAutoencoder.fit`.
    alphas : int, array-like of shape (n_alphas,) or None, default=None
        Increasing weights of the penalty, for activations with a penalty. An integer is the size
        of a geometric grid from :math:`\alpha_{\max} / 25` to :math:`\alpha_{\max}`, where
        :math:`\alpha_{\max}` is twice the median, over a sample of centred and scaled rows, of the
        largest projection of a row onto the direction of another row. None means a grid of 8,
        unless `target_l0s` is given. "jumprelu" has no grid and needs a list.
    target_l0s : array-like of shape (n_targets,) or None, default=None
        Increasing target numbers of active codes per row, to be given instead of `alphas`: at most
        `n_components`, and whole numbers with "topk". With "relu", alpha starts at 0.1 and is
        adjusted to each target separately.
    n_components : int or None, default=None
        Number of features per dictionary. None means 4 times the width of the rows, or the size of
        `dict_init`.
    activation : {"relu", "topk", "batch_topk", "jumprelu"} or Nonlinearity, default="relu"
        Function from pre-activations to codes. "topk" and "batch_topk" have no penalty and need
        `target_l0s`.
    matryoshka : array-like of shape (n_prefixes,) or None, default=None
        Increasing sizes of the nested prefixes, without the full dictionary: integers below
        `n_components`, or fractions of it.
    debias : bool, default=False
        If True, refit code magnitudes and directions by least squares after training, to undo L1
        shrinkage.
    tied_weights : bool or "auto", default="auto"
        If True, the encoder is the transpose of the decoder. "auto" means True with "relu" and
        False otherwise.
    center : bool, default=True
        If True, subtract the mean before encoding.
    rescale : bool, default=True
        If True, scale rows to unit mean square norm for training.
    bias_init : {"auto", "calibrated", "zeros"}, default="auto"
        Initial encoder biases. "calibrated" makes each feature fire on 3 % of the rows. "auto"
        means "calibrated".
    dead_features : {"auto", "ignore", "resample", "auxk"}, default="auto"
        Treatment of features that were silent for an epoch. "auto" means "ignore" with "relu" and
        "auxk" otherwise.
    dict_init : fitted dictionary, array-like or None, default=None
        Dictionary or directions from which all dictionaries start. None means random directions.
    max_iter : int, default=10
        Number of epochs.
    batch_size : int, default=1024
        Number of rows per step.
    learning_rate : float or "auto", default="auto"
        Step size of Adam. "auto" means 4.5e-3 with "batch_topk" and 3e-3 otherwise.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training. "auto" and "float32" both keep the dtype of
        training.
    sparse_output : bool, default=True
        If True, `transform` of the dictionaries returns a CSR array, else a dense one.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    random_state : int, RandomState instance or None, default=None
        Seed for the initial directions and the order of rows, shared by all dictionaries. Pass an
        int for reproducible results across calls.
    verbose : int, default=0
        If positive, show a progress bar for the first dictionary.

    Returns
    -------
    SparseDictionaryPath
        Fitted estimators, with a method to measure them on any rows.

    Raises
    ------
    ValueError
        If `alphas` and `target_l0s` are both given, or the one that the activation needs is
        missing; if they are empty, not increasing or out of range; or see
        `SparseDictionaryAutoencoder.fit`.
    TypeError
        If they are not numbers, or not whole numbers with "topk"; or see
        `SparseDictionaryAutoencoder.fit`.

    Warns
    -----
    ConvergenceWarning
        With "relu" and "jumprelu", for each target L0 that is missed by more than 5 % on held-out
        rows.

    See Also
    --------
    SparseDictionaryAutoencoderCV : Select alpha or the target L0 on held-out rows.
    SparseDictionaryAutoencoder : Fit one dictionary; describes the parameters in full.

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
    """Return one unfitted copy of an estimator per candidate; only the first shows progress."""
    shared = prototype.get_params(deep=False) | {"verbose": 0}
    copies = [SparseDictionaryAutoencoder(**shared | swept) for swept in candidates.params()]
    copies[0].verbose = prototype.verbose
    return copies


def columns_of(estimator):
    """Return the attributes that `check_rows` sets: the width, and column names if any."""
    names = ("n_features_in_", "feature_names_in_")
    return {name: value for name, value in vars(estimator).items() if name in names}


def fit_path(dictionaries, X, columns):
    """Fit estimators that differ only in alpha or only in target L0 on the same batches.

    Parameters
    ----------
    dictionaries : list of SparseDictionaryAutoencoder
        Estimators from `path_estimators`, fitted in place.
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    columns : dict
        Result of `columns_of` for the estimator that `X` was checked with.

    Returns
    -------
    SparseDictionaryPath
    """
    rows = training_rows(dictionaries[0], X)
    with without_autocast(rows.device):
        fits = _fit_together(dictionaries, rows)
        fitted = [finished_attributes(*pair, X) for pair in zip(dictionaries, fits, strict=True)]
    for dictionary, attributes in zip(dictionaries, fitted, strict=True):
        vars(dictionary).update(columns, **attributes, **row_attributes(rows))
    warn_of_outlier_rows(rows.moments, rows.has_targets)
    return SparseDictionaryPath(dictionaries)


def _fit_together(dictionaries, rows):
    # Drawn once, because the start depends on neither alpha nor the target. The last dictionary
    # has the largest target, so the check against the number of features covers all targets.
    start = start_of(dictionaries[-1], rows)
    fits = [new_fit(dictionary, copy.deepcopy(start), rows) for dictionary in dictionaries]
    run_together(fits, _stack(fits))
    return fits


def _stack(fits):
    """Return a stack of the trainers on a GPU, where one small dictionary would leave it idle."""
    on_gpu = fits[0].rows.device.type == "cuda"
    return Stack([fit.trainer for fit in fits]) if on_gpu else None
