"""The sparse dictionary autoencoder with alpha or the target L0 selected on held-out rows."""

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
from skdict.decomposition._selection import knee
from skdict.decomposition._sparse_dictionary_autoencoder import SparseDictionaryAutoencoder

DEFAULT_FOLDS = 5
KNEE_CANDIDATES = 3
# Attributes that not every fit sets.
CHOSEN = ("alpha_", "alphas_", "target_l0_", "target_l0s_", "path_", "dictionary_")


class SparseDictionaryAutoencoderCV(BaseDictionary):
    """Sparse dictionary autoencoder with alpha or the target L0 selected by cross-validation.

    On each fold, the dictionaries of all candidates are trained on a single reading of the rows
    per epoch and measured on held-out rows. A rule selects among the mean measures; then all are
    refitted on all rows, and `transform` uses the selected one. FVU alone cannot select, because
    it only falls as L0 rises: the rule weighs one against the other.

    The result agrees with ``GridSearchCV(SparseDictionaryAutoencoder(...), {"alpha": alphas},
    scoring=DictionaryScorer(), refit=rule)``, or that over ``{"target_l0": target_l0s}``, which
    reads the rows once for each candidate.

    Parameters
    ----------
    alphas : int, array-like of shape (n_alphas,) or None, default=None
        Weights of the L1 penalty, increasing; for activations with a penalty. An integer spans a
        grid of that many values from the rows, as `sparse_dictionary_path` does. None means 8,
        unless `target_l0s` is given.
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
    cv : int, cross-validation splitter, iterable or None, default=None
        Cross-validation splits. An integer is the number of folds, None means 5, in the order of
        the rows; if groups are known, from `groups` or because X is `Activations`, each group
        (each text) is held out as a whole. Anything else is used as in `GridSearchCV`.
    selection : callable or None, default=None
        Selection rule: a function from ``cv_results_`` to the index of a candidate, such as
        ``sparsest_within(max_fvu=0.2)`` or ``nearest_l0(20)``. None means ``knee()``.
    refit : bool, default=True
        Refit the dictionaries on all rows after the selection.
    n_jobs : int or None, default=None
        Number of folds fitted in parallel, each in its own process; -1 means one per processor.
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
        Return a CSR array from `transform`. If False, return a dense array, as `set_output`
        requires.
    device : str, default="auto"
        Device to compute on.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial directions and of the order of rows, the same for all. With an
        integer, all folds start from the same directions.
    verbose : int, default=0
        If positive, show progress bars for the first dictionary of each path.

    Attributes
    ----------
    alpha_ : float
        The alpha of the selected dictionary, 0 where codes are not penalised. For `target_l0s`
        it is known with `refit=True` only.
    alphas_ : ndarray of shape (n_alphas,)
        The alphas tried, unless `target_l0s` is given.
    target_l0_ : int or float
        The selected target, if `target_l0s` is given.
    target_l0s_ : ndarray of shape (n_targets,)
        The targets tried, if given.
    best_index_ : int
        Index of the selected candidate in `alphas_` or `target_l0s_`.
    cv_results_ : dict of str to ndarray
        Measures, laid out as in `GridSearchCV`: `params`, `param_alpha` or `param_target_l0`, and
        for each of `score` (1 - FVU), `fvu`, `fvu_inliers`, `l0`, `n_dead`, `density` and
        `n_components` the values of each fold (`split0_test_fvu`), their mean (`mean_test_fvu`),
        standard deviation (`std_test_fvu`) and rank (`rank_test_fvu`; 1 is the largest mean, good
        or not). There are no times, because the candidates share them.
    n_splits_ : int
        Number of folds.
    path_ : SparseDictionaryPath
        The dictionaries of all candidates on all rows, with `refit=True`.
    dictionary_ : SparseDictionaryAutoencoder
        The selected one of them.
    components_ : ndarray of shape (n_components, n_features_in_)
        Its directions.
    n_iter_ : int
        Its epochs.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if the rows had any.

    See Also
    --------
    sparse_dictionary_path : The dictionaries of all candidates, without a selection.
    skdict.metrics.sparsest_within : The rule for a budget of FVU.
    skdict.metrics.nearest_l0 : The rule for a number of active codes.
    skdict.metrics.one_standard_error : The rule for the noise of the folds.

    Notes
    -----
    `Activations` are read in slices, fold by fold. From an array or a memory map, the rows of a
    fold are copied, as in `GridSearchCV`.

    Examples
    --------
    >>> from skdict import SparseDictionaryAutoencoderCV
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.metrics import sparsest_within
    >>> X = make_sparse_features(2000, n_features=16, n_components=32, n_active=2, random_state=0).X
    >>> search = SparseDictionaryAutoencoderCV(
    ...     [0.05, 0.1, 0.4], n_components=32, cv=2, selection=sparsest_within(max_fvu=0.2),
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
        """Select alpha or the target L0, and fit the dictionary.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `SparseDictionaryAutoencoder.fit`.
        y : None
            Ignored.
        groups : array-like of shape (n_samples,), default=None
            Group of each row for the splitter, such as ``acts.documents``.

        Returns
        -------
        SparseDictionaryAutoencoderCV
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, the rows cannot be split as `cv` says, the rule finds no
            candidate, held-out rows do not vary, and as in `SparseDictionaryAutoencoder.fit`.
        TypeError
            If a parameter is of the wrong type or X is sparse.
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
            best = choose(self.selection or knee(), results, candidates)
            estimators = path_estimators(prototype, candidates)
            path = fit_path(estimators, X, columns) if self.refit else None
        # What an earlier fit chose does not belong to these rows.
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
        # A plain clone would unfit the dictionary that training starts from.
        copied = super().__sklearn_clone__()
        copied.dict_init = self.dict_init
        return copied

    @property
    def components_(self):
        """The selected dictionary: one unit direction per row."""
        return self._chosen().components_

    @property
    def n_iter_(self):
        """Number of epochs of the selected dictionary."""
        return self._chosen().n_iter_

    def _checked(self):
        """Return an estimator with the parameters of this one, and the candidates, all checked."""
        theirs = SparseDictionaryAutoencoder().get_params()
        mine = self.get_params(deep=False)
        prototype = SparseDictionaryAutoencoder(**{k: v for k, v in mine.items() if k in theirs})
        check_autoencoder_params(prototype)
        candidates = check_candidates(self.alphas, self.target_l0s, prototype)
        check_flag("refit", self.refit)
        if self.selection is not None and not callable(self.selection):
            raise TypeError(
                f"selection={self.selection!r} is not accepted: pass a rule, such as "
                f"sparsest_within(max_fvu=0.2), or None for knee()"
            )
        if self.selection is None and len(candidates) < KNEE_CANDIDATES:
            told = f"{candidates.name}s"
            raise ValueError(
                f"the knee of {len(candidates)} {told} is not defined; pass at least "
                f"{KNEE_CANDIDATES} {told}, or another rule as selection, such as nearest_l0(20)"
            )
        return prototype, candidates

    def _splits(self, X, groups):
        """Return the rows to train on and to hold out, for each fold."""
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
                "there is no dictionary fitted on all rows: fit the estimator, with refit=True"
            )
        return self.dictionary_


def _check_group_number(groups, n_folds):
    n_groups = len(np.unique(groups))
    if n_groups < n_folds:
        raise ValueError(
            f"the rows are of {n_groups} groups (texts, for Activations), too few for {n_folds} "
            f"folds; pass more of them, a smaller cv, or cv=KFold({n_folds}) to cut through them"
        )


def _measure_fold(dictionaries, X, columns, train, test):
    """Fit the dictionaries on some rows, and return their measures on others."""
    return fit_path(dictionaries, X[train], columns).measure(X[test])
