"""The sparse dictionary autoencoder, with alpha or the target L0 selected on held-out rows."""

import numbers

import numpy as np
from sklearn.model_selection import GroupKFold, check_cv
from sklearn.utils.parallel import Parallel, delayed

from skdict._validation import check_flag, check_number, check_rows
from skdict.activations import Activations
from skdict.decomposition._autoencoder_params import check_autoencoder_params
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._candidates import check_candidates
from skdict.decomposition._cv_results import choose, cv_results
from skdict.decomposition._dead_features import warn_of_dead_features
from skdict.decomposition._path import columns_of, fit_path, path_estimators
from skdict.decomposition._selection import selection_rule
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder

DEFAULT_FOLDS = 5
KNEE_CANDIDATES = 3
# Attributes that only some fits set.
CHOSEN = ("alpha_", "alphas_", "target_l0_", "target_l0s_", "path_", "dictionary_")


class SparseDictionaryAutoencoderCV(BaseDictionary):
    """Sparse dictionary autoencoder with alpha or the target L0 selected by cross-validation.

    On each fold, one dictionary per candidate is trained with `sparse_dictionary_path` and measured
    on the held-out rows. A rule selects a candidate from the measures averaged over folds. All
    dictionaries are then refitted on all rows, and `transform` uses the selected one. FVU alone
    cannot select, because it keeps falling as L0 rises; a rule trades one off against the other.

    The result agrees with ``GridSearchCV(SparseDictionaryAutoencoder(...), {"alpha": alphas},
    scoring=DictionaryScorer(), refit=rule)``, or with ``{"target_l0": target_l0s}``, which reads
    the rows once per candidate. See `SparseDictionaryAutoencoder` for the objective.

    Parameters
    ----------
    alphas : int, array-like of shape (n_alphas,) or None, default=None
        Increasing weights of the penalty, for activations with a penalty. An integer is the size
        of a grid derived from the rows; see `sparse_dictionary_path`. None means a grid of 8,
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
    cv : int, cross-validation splitter, iterable or None, default=None
        Cross-validation splits. An integer is the number of consecutive folds, and None means 5.
        If groups are given, by `groups` or because X is `Activations`, each group (each document)
        is held out as a whole. Splitters and iterables are used as in `GridSearchCV`.
    selection : callable or None, default=None
        Function from ``cv_results_`` to the index of a candidate, such as
        ``selection_rule(max_fvu=0.2)`` or ``selection_rule(target_l0=20)``. None means
        ``selection_rule("knee")``.
    refit : bool, default=True
        If True, refit the dictionaries on all rows after the selection.
    n_jobs : int or None, default=None
        Number of folds fitted in parallel, each in its own process; -1 means one per processor.
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
        If True, `transform` returns a CSR array; else a dense one, which `set_output` requires.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    random_state : int, RandomState instance or None, default=None
        Seed for the initial directions and the order of rows, shared by all dictionaries. Pass an
        int for reproducible results across calls and the same initial directions in all folds.
    verbose : int, default=0
        If positive, show progress bars for the first dictionary of each path.

    Attributes
    ----------
    alpha_ : float
        Alpha of the selected dictionary; 0 if the objective has no alpha. With `target_l0s`, it is
        set only if `refit` is True.
    alphas_ : ndarray of shape (n_alphas,)
        Alphas of the candidates, unless `target_l0s` is given.
    target_l0_ : int or float
        Selected target L0, if `target_l0s` is given.
    target_l0s_ : ndarray of shape (n_targets,)
        Target L0s of the candidates, if given.
    best_index_ : int
        Index of the selected candidate in `alphas_` or `target_l0s_`.
    cv_results_ : dict of str to ndarray
        Measures in the layout of `GridSearchCV`: `params`; `param_alpha` or `param_target_l0`; and
        for each of `score` (1 - FVU), `fvu`, `fvu_inliers`, `l0`, `n_dead`, `density` and
        `n_components`, the value on each fold (`split0_test_fvu`), the mean (`mean_test_fvu`), the
        standard deviation (`std_test_fvu`) and the rank (`rank_test_fvu`, where 1 is the largest
        mean, even if smaller is better). Times are omitted, because the candidates share them.
    n_splits_ : int
        Number of folds.
    path_ : SparseDictionaryPath
        Dictionaries of all candidates, fitted on all rows; set only if `refit` is True.
    dictionary_ : SparseDictionaryAutoencoder
        Selected dictionary of `path_`; set only if `refit` is True.
    components_ : ndarray of shape (n_components, n_features_in_)
        Unit decoder directions of the selected dictionary.
    n_iter_ : int
        Number of epochs of the selected dictionary.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    sparse_dictionary_path : Fit the dictionaries of all candidates, without selection.
    skdict.metrics.selection_rule : Return the rules for `selection`.

    Notes
    -----
    `Activations` are read in slices, fold by fold. Rows of an array or a memory map are copied for
    each fold, as in `GridSearchCV`.

    Examples
    --------
    >>> from skdict import SparseDictionaryAutoencoderCV
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import selection_rule
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> search = SparseDictionaryAutoencoderCV(
    ...     [0.05, 0.1, 0.4], n_components=32, cv=2, selection=selection_rule(max_fvu=0.2),
    ...     max_iter=3, random_state=0,
    ... )
    >>> search.fit(X).alpha_
    0.1
    >>> search.transform(X).shape
    (2000, 32)
    """

    def __init__(
        self,
        alphas=None,
        *,
        target_l0s=None,
        n_components=None,
        activation="relu",
        matryoshka=None,
        cv=None,
        selection=None,
        refit=True,
        n_jobs=None,
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
        self.alphas = alphas
        self.target_l0s = target_l0s
        self.n_components = n_components
        self.activation = activation
        self.matryoshka = matryoshka
        self.cv = cv
        self.selection = selection
        self.refit = refit
        self.n_jobs = n_jobs
        self.debias = debias
        self.tied_weights = tied_weights
        self.center = center
        self.rescale = rescale
        self.bias_init = bias_init
        self.dead_features = dead_features
        self.dict_init = dict_init
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.precision = precision
        self.sparse_output = sparse_output
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None, *, groups=None):
        """Select alpha or the target L0 by cross-validation, and fit the dictionary.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `SparseDictionaryAutoencoder.fit`.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, passed to the splitter, such as ``acts.documents``.

        Returns
        -------
        SparseDictionaryAutoencoderCV
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range, the rows cannot be split by `cv`, the rule selects no
            candidate or held-out rows do not vary; or see `SparseDictionaryAutoencoder.fit`.
        TypeError
            If a parameter has the wrong type or X is sparse.
        """
        prototype, candidates = self._checked()
        with width_restored_on_error(self):
            X = check_rows(self, X, reset=True, min_rows=2)
            splits = self._splits(X, groups)
            columns = columns_of(self)
            candidates = candidates.on_rows(X, prototype)
            folds = Parallel(n_jobs=self.n_jobs)(
                delayed(_measure_fold)(path_estimators(prototype, candidates), X, columns, *split)
                for split in splits
            )
            results = cv_results(candidates, folds)
            best = choose(self.selection or selection_rule("knee"), results, candidates)
            estimators = path_estimators(prototype, candidates)
            path = fit_path(estimators, X, columns) if self.refit else None
        # Remove results of an earlier fit that this one may not set.
        for name in CHOSEN:
            vars(self).pop(name, None)
        self.n_splits_, self.cv_results_, self.best_index_ = len(splits), results, best
        setattr(self, f"{candidates.name}s_", candidates.values)
        setattr(self, f"{candidates.name}_", candidates.values[best].item())
        if path is not None:
            self.path_, self.dictionary_ = path, path[best]
            self.alpha_ = self.dictionary_.alpha_
            warn_of_dead_features(self.dictionary_)
        return self

    def __sklearn_clone__(self):
        # A plain clone would replace the fitted dictionary to start from with an unfitted one.
        copied = super().__sklearn_clone__()
        copied.dict_init = self.dict_init
        return copied

    @property
    def components_(self):
        """Unit decoder directions of the selected dictionary, one per row."""
        return self._chosen().components_

    @property
    def n_iter_(self):
        """Number of epochs of the selected dictionary."""
        return self._chosen().n_iter_

    def _checked(self):
        """Return an autoencoder with these parameters, and the candidates, after checking them."""
        theirs = SparseDictionaryAutoencoder().get_params()
        mine = self.get_params(deep=False)
        prototype = SparseDictionaryAutoencoder(**{k: v for k, v in mine.items() if k in theirs})
        check_autoencoder_params(prototype)
        candidates = check_candidates(self.alphas, self.target_l0s, prototype)
        check_flag("refit", self.refit)
        if self.selection is not None and not callable(self.selection):
            raise TypeError(
                f"selection={self.selection!r} is not accepted: pass a rule such as "
                f"selection_rule(max_fvu=0.2), or None for selection_rule('knee')"
            )
        if self.selection is None and len(candidates) < KNEE_CANDIDATES:
            told = f"{candidates.name}s"
            raise ValueError(
                f"the knee of {len(candidates)} {told} is not defined; pass at least "
                f"{KNEE_CANDIDATES} {told}, or another rule as selection, such as "
                f"selection_rule(target_l0=20)"
            )
        return prototype, candidates

    def _splits(self, X, groups):
        """Return the indices of training rows and held-out rows for each fold."""
        cv = DEFAULT_FOLDS if self.cv is None else self.cv
        if isinstance(cv, numbers.Integral):
            check_number("cv", cv, low=2, integer=True)
            if groups is None and isinstance(X, Activations):
                groups = X.documents
            if groups is not None:
                _check_group_number(groups, cv)
                cv = GroupKFold(cv)
        return list(check_cv(cv).split(X, groups=groups))

    def _encode(self, X):
        return self._chosen()._encode(X)

    def _decode(self, codes):
        return self._chosen()._decode(codes)

    def _encoding_arrays(self):
        return self._chosen()._encoding_arrays()

    def _chosen(self):
        if not hasattr(self, "dictionary_"):
            raise AttributeError(
                "no dictionary has been fitted on all rows: call fit with refit=True"
            )
        return self.dictionary_


def _check_group_number(groups, n_folds):
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise ValueError(
            f"the rows belong to {n_groups} groups (documents, for Activations), too few for "
            f"{n_folds} folds; pass more groups, a smaller cv, or cv=KFold({n_folds}) to split "
            f"groups"
        )


def _measure_fold(dictionaries, X, columns, train, test):
    """Fit the dictionaries on the training rows, and measure them on the held-out rows."""
    return fit_path(dictionaries, X[train], columns).measure(X[test])
