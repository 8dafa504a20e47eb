"""The sparse dictionary autoencoder as a scikit-learn estimator."""

import numpy as np
import torch
from sklearn.utils import check_random_state

from skdict._core import L1, NONLINEARITIES, AffineDictionary, Gate, Trainer, resolve_device
from skdict._validation import check_rows, compute_dtype
from skdict.decomposition._autoencoder_params import (
    PRODUCT_DTYPES,
    check_autoencoder_params,
    check_memory,
    told_what_to_lower,
)
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._callbacks import CallbackSupportMixin, EpochCallbacks, with_callbacks
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._dead_features import warn_of_dead_features
from skdict.decomposition._debias import refit_magnitudes
from skdict.decomposition._epochs import Epochs
from skdict.decomposition._measured_rows import (
    RowScale,
    fitted_rule,
    measure_rows,
    row_scale,
    warn_of_outlier_rows,
)
from skdict.decomposition._scaled_rows import ScaledRows
from skdict.decomposition._steering import Steering, split_held_out

# With a larger share of codes active, products over all of them are faster.
MOST_ACTIVE = 0.1


class SparseDictionaryAutoencoder(CallbackSupportMixin, BaseDictionary):
    r"""Sparse dictionary of activations, learned by an autoencoder with an L1 penalty.

    Rows :math:`x` become codes :math:`c` with few non-zeros, from which a dictionary of unit
    directions D, the rows of ``components_``, rebuilds them. With
    :math:`\tilde x = (x - \mu) / s`, where :math:`\mu` is the mean row and :math:`s^2` the
    mean over rows of :math:`\|x - \mu\|^2`, the objective is

    .. math::
        \frac{1}{n} \sum_{i=1}^n \|\tilde x_i - \tilde c_i D\|_2^2
        + \alpha \frac{1}{n} \sum_{i=1}^n \|\tilde c_i\|_1,
        \qquad \tilde c = \mathrm{relu}(\tilde x E^T + b),

    with E = D where the weights are tied: sums over the width and over the components, means
    over rows (equation 4 of [1]_). The first term is then the fraction of variance
    unexplained (FVU), so one alpha means the same for any layer, model and width. What is
    fitted speaks the units of the rows given: ``codes = relu((x - mean_) @ encoder_.T +
    encoder_bias_)`` and ``x_hat = mean_ + codes @ components_``.

    Parameters
    ----------
    n_components : int or None, default=None
        Features in the dictionary. None means 4 times the width.
    alpha : float, default=0.1
        Weight of the L1 penalty. With `rescale=True` 0.1 is a start for most layers, but the useful
        range differs between layers and models: in the middle of SmolLM2-135M, 0.2 kills features
        and 0.4 nearly all. `sparse_dictionary_path` spans a grid from the rows; where one number
        must serve several layers, set `target_l0` instead. The code published with [1]_ averages
        the squared error over the width instead, so its alphas times the width are alphas here
        (8.577e-4 at width 512 is 0.439), with ``center=False, rescale=False, bias_init="zeros"``.
    target_l0 : float or None, default=None
        If given, alpha is only where training starts: it is steered until so many codes fire on
        a row, within 5 % on rows held out (the last twentieth of them, 4,096 at most). The
        alpha found is `alpha_`.
    debias : bool, default=False
        Whether, after training, what the penalty took off the codes is given back: on the
        supports that the encoder chose, a gain and an offset for each feature and then the
        directions are fitted by least squares, one pass over the rows for each. Which codes are
        active stays as it is. Needs three arrays of shape (n_components, n_components).
    tied_weights : bool, default=True
        Whether a feature is read and written along one direction.
    center : bool, default=True
        Whether the mean row is taken off first.
    rescale : bool, default=True
        Whether rows are brought to unit mean square norm for training.
    bias_init : {"calibrated", "zeros"}, default="calibrated"
        Where biases start: so that each feature fires on 3 % of the rows, or at zero. With
        zeros half of all codes fire at first, and the penalty kills many features for good.
    dead_features : {"ignore", "resample"}, default="ignore"
        Whether features that were silent for an epoch start anew, from what is missing of rows
        that are rebuilt badly, at the end of each epoch at the full learning rate.
    max_iter : int, default=10
        Epochs: passes over the rows (with less than 100 batches, as many passes an epoch
        as make up 100 steps).
    tol : float or None, default=None
        Training ends early once the FVU changes by less than this from epoch to epoch,
        after a last stretch of falling learning rate.
    batch_size : int, default=1024
        Rows in a step.
    learning_rate : float, default=3e-3
        Step size of Adam; it falls linearly to zero over the last fifth of the steps.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        What matrices are rounded to inside products while training; parameters and sums
        stay in the dtype of the rows. With "bfloat16" each product is rounded too. "auto"
        rounds nothing. `transform` never rounds.
    warm_start : bool, default=False
        Whether `fit` continues from the dictionary at hand.
    sparse_output : bool, default=True
        Whether `transform` gives a CSR array, which holds the non-zeros alone, or a dense
        one, which `set_output` needs.
    device : str, default="auto"
        Where the work is done: "auto" (a CUDA GPU where there is one), "cpu", "cuda",
        "cuda:0".
    random_state : int, RandomState instance or None, default=None
        Seed of the first directions and of the order of rows. One seed gives equal bits on
        one CPU.
    verbose : int, default=0
        Whether a progress bar shows loss, FVU, L0 and dead features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        The dictionary: one unit direction a row, in the dtype of the rows fitted.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Directions that codes are read along; equal to `components_` when tied.
    encoder_bias_ : ndarray of shape (n_components,)
        Added before the relu, in units of the rows.
    alpha_ : float
        The alpha of the last step: `alpha`, or what `target_l0` has made of it.
    code_gains_, code_offsets_ : ndarray of shape (n_components,)
        With `debias=True`: codes are ``code_gains_ * relu(...) + code_offsets_`` where the relu
        is active.
    mean_ : ndarray of shape (n_features_in_,)
        Taken off before encoding, added after decoding; zeros with `center=False`.
    scale_ : float
        Root of the mean square norm of centred rows; 1 with `rescale=False`.
    firing_counts_ : ndarray of shape (n_components,), dtype int64
        Rows on which each feature fired during the last epoch.
    outlier_cutoff_ : float
        Norm of a centred row above which it counts as an outlier: eight times the median norm.
    n_outlier_rows_ : int
        Outlier rows among those fitted.
    history_ : list of dict
        About ten entries an epoch: `step`, and over the rows since the entry before `loss`,
        `fvu`, `fvu_inliers` (the FVU without outlier rows) and `l0` (codes that fire on a row),
        `alpha`, `n_dead` (features silent for an
        epoch) and `n_resampled` (features given a new start so far).
    n_iter_ : int
        Epochs done.
    n_steps_ : int
        Steps of Adam done.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, where the rows had any.

    See Also
    --------
    sklearn.decomposition.MiniBatchDictionaryLearning : The same aim by alternating lasso.
    skdict.metrics.compare_dictionaries : Any dictionaries side by side.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find
       Highly Interpretable Features in Language Models", arXiv:2309.08600.

    Examples
    --------
    >>> from skdict.datasets import make_sparse_features
    >>> from skdict.decomposition import SparseDictionaryAutoencoder
    >>> from skdict.metrics import feature_recovery
    >>> data = make_sparse_features(5000, n_features=32, n_components=64, n_active=3,
    ...                             random_state=0)
    >>> sae = SparseDictionaryAutoencoder(64, alpha=0.3, max_iter=5, random_state=0).fit(data.X)
    >>> sae.transform(data.X).shape
    (5000, 64)
    >>> feature_recovery(sae.components_, data.components) > 0.9
    True
    """

    def __init__(
        self,
        n_components=None,
        *,
        alpha=0.1,
        target_l0=None,
        debias=False,
        tied_weights=True,
        center=True,
        rescale=True,
        bias_init="calibrated",
        dead_features="ignore",
        max_iter=10,
        tol=None,
        batch_size=1024,
        learning_rate=3e-3,
        precision="auto",
        warm_start=False,
        sparse_output=True,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.alpha = alpha
        self.target_l0 = target_l0
        self.debias = debias
        self.tied_weights = tied_weights
        self.center = center
        self.rescale = rescale
        self.bias_init = bias_init
        self.dead_features = dead_features
        self.max_iter = max_iter
        self.tol = tol
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.precision = precision
        self.warm_start = warm_start
        self.sparse_output = sparse_output
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    def fit(self, X, y=None):
        """Learn the dictionary.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows: an array, a tensor, a memory map or `Activations`; the latter two are read
            in slices. float64 is computed in float64, all else in float32.
        y : None
            Ignored.

        Returns
        -------
        SparseDictionaryAutoencoder
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is out of range; if X holds NaN or infinity (the row is named), has
            fewer than 2 rows, no variance or extreme values, or does not fit the dictionary at
            hand with `warm_start=True`; if training diverges.
        TypeError
            If a parameter is of the wrong kind or X is sparse.
        MemoryError
            If a GPU runs out of memory; the message says what to lower.
        """
        return self._fit_with(X, checkpoint=None)

    @with_callbacks
    def _fit_from_checkpoint(self, X, checkpoint):
        """Fit as `fit` does, on from a checkpoint, which is written after each epoch."""
        return self._fit_with(X, checkpoint)

    def _fit_with(self, X, checkpoint):
        self._check_params()
        with width_restored_on_error(self), told_what_to_lower(self):
            X = check_rows(self, X, reset=True, min_rows=2)
            self._fit_rows(X, checkpoint)
        warn_of_dead_features(
            self.firing_counts_, self.history_[-1]["l0"], self.alpha, self.bias_init
        )
        return self

    def _fit_rows(self, X, checkpoint):
        trained, held_out = (X, None) if self.target_l0 is None else split_held_out(X)
        moments = measure_rows(X, center=self.center)
        rows, scaling = self._scaled_rows(trained, moments)
        start = self._continue if self.warm_start and hasattr(self, "components_") else self._begin
        trainer = self._trainer(start(rows), len(rows))
        epochs = self._epochs(trainer, rows, scaling, held_out, max_iter=self.max_iter)

        def fitted():
            return self._fitted_attributes(trainer, epochs, rows)

        callbacks = EpochCallbacks(self, X, self.max_iter, fitted)
        epochs.run(callbacks, checkpoint)
        attributes = self._finished_attributes(trainer, epochs, rows, X)
        # What an earlier training left: its optimiser, and where loaded rows came from.
        for name in ("_moments", "metadata_", "code_gains_", "code_offsets_"):
            vars(self).pop(name, None)
        vars(self).update(attributes, **self._row_attributes(scaling, moments))
        warn_of_outlier_rows(moments)
        callbacks.end_fit()

    def partial_fit(self, X, y=None):
        """Train for one pass over one block of rows, at the full learning rate.

        Centre and scale are those of the first block. The optimiser's state is kept, so
        that blocks continue one another.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : None
            Ignored.

        Returns
        -------
        SparseDictionaryAutoencoder
            The estimator itself.

        Raises
        ------
        ValueError
            As in `fit`, and if the width is not that of the first block.
        TypeError
            As in `fit`.
        """
        self._check_params()
        if self.debias:
            raise ValueError(
                "debias=True fits codes anew at the end of training, and partial_fit knows no "
                "end; pass debias=False, or use fit"
            )
        with width_restored_on_error(self):
            if hasattr(self, "components_"):
                self._fit_next_block(check_rows(self, X, reset=False))
            else:
                self._fit_first_block(check_rows(self, X, reset=True, min_rows=2))
        return self

    def _fit_first_block(self, X):
        trained, held_out = (X, None) if self.target_l0 is None else split_held_out(X)
        moments = measure_rows(X, center=self.center)
        rows, scaling = self._scaled_rows(trained, moments)
        trainer = self._trainer(self._begin(rows), len(rows))
        self._fit_block(rows, trainer, scaling, held_out)
        vars(self).update(self._row_attributes(scaling, moments))
        warn_of_outlier_rows(moments)

    def _fit_next_block(self, X):
        moments = measure_rows(X, fitted_rule(self))
        trained, held_out = (X, None) if self.target_l0 is None else split_held_out(X)
        # Every block is shuffled in another order.
        seed = self._draw_seed() + self.n_steps_
        scaling = RowScale(
            self.mean_,
            self.scale_,
            self.outlier_cutoff_,
            self._error_unit,
            self._error_unit_inliers,
        )
        rows = self._rows(trained, scaling, self.components_.dtype, seed, bool(moments.outliers))
        history, n_iter = self.history_, self.n_iter_
        trainer = self._trainer(self._continue(rows), len(rows), getattr(self, "_moments", None))
        trainer.n_steps = self.n_steps_
        self._fit_block(rows, trainer, scaling, held_out)
        self.n_outlier_rows_ += len(moments.outliers)
        warn_of_outlier_rows(moments)
        self.history_ = history + self.history_
        self.n_iter_ += n_iter

    def _fit_block(self, rows, trainer, scaling, held_out):
        epochs = self._epochs(trainer, rows, scaling, held_out, max_iter=1, min_steps=1)
        epochs.run_once()
        fitted = self._fitted_attributes(trainer, epochs, rows)
        vars(self).update(fitted, _moments=trainer.moments())

    def _encode(self, X):
        """Return the codes of checked rows."""
        dictionary = AffineDictionary.from_arrays(
            components=self.components_,
            offset=self.mean_,
            **self._encoding_arrays(),
            dtype=getattr(torch, compute_dtype(X).name),
            device=resolve_device(self.device),
        )
        # One that was trained elsewhere is taken for sparse.
        l0 = self.history_[-1]["l0"] if self.history_ else 0
        return encode_rows(
            dictionary,
            X,
            sparse_output=self.sparse_output,
            few_active=l0 < MOST_ACTIVE * len(self.components_),
        )

    def _decode(self, codes):
        return decode_rows(codes, self.components_, self.mean_)

    def _encoding_arrays(self):
        gains, offsets = (getattr(self, name, None) for name in ("code_gains_", "code_offsets_"))
        return {
            "center": self.mean_,
            "encoder": self.encoder_,
            "encoder_bias": self.encoder_bias_,
            "nonlinearity": Gate(gains=gains, offsets=offsets),
        }

    def _check_params(self):
        check_autoencoder_params(self)

    def _scaled_rows(self, X, moments):
        """Return rows by their own centre and scale, and the latter."""
        scaling = row_scale(X, moments, self.center, self.rescale)
        has_outliers = bool(moments.outliers)
        rows = self._rows(X, scaling, compute_dtype(X), self._draw_seed(), has_outliers)
        return rows, scaling

    @staticmethod
    def _row_attributes(scaling, moments):
        """Return what was found of the rows before training."""
        return {
            "outlier_cutoff_": scaling.cutoff,
            "n_outlier_rows_": len(moments.outliers),
            "_error_unit": scaling.error_unit,
            "_error_unit_inliers": scaling.inlier_error_unit,
        }

    def _draw_seed(self):
        return check_random_state(self.random_state).randint(np.iinfo(np.int32).max)

    def _rows(self, X, scaling, dtype, seed, has_outliers):
        device = resolve_device(self.device)
        return ScaledRows(
            X, scaling, dtype=dtype, device=device, seed=seed, has_outliers=has_outliers
        )

    def _begin(self, rows):
        """Return new parameters."""
        width = len(rows.mean)
        n_components = 4 * width if self.n_components is None else self.n_components
        check_memory(self, n_components, width, rows.itemsize)
        return rows.random_start(
            n_components, tied=self.tied_weights, calibrated=self.bias_init == "calibrated"
        )

    def _continue(self, rows):
        """Return the parameters of the dictionary at hand."""
        if hasattr(self, "code_gains_"):
            raise ValueError(
                "the dictionary at hand was fitted with debias=True, which cannot be gone on "
                "from; start anew with a clone of the estimator, or by fit with warm_start=False"
            )
        shape = (self.n_components or len(self.components_), len(rows.mean))
        tied = np.array_equal(self.encoder_, self.components_)
        if shape != self.components_.shape or (self.tied_weights and not tied):
            raise ValueError(
                f"the dictionary at hand has components_ of shape {self.components_.shape}, "
                f"{'tied' if tied else 'untied'}; n_components, width and tied_weights "
                f"now ask for {shape}, {'tied' if self.tied_weights else 'untied'}: "
                f"start anew with a clone of the estimator, or by fit with warm_start=False"
            )
        return rows.continued_start(self, tied=self.tied_weights)

    def _trainer(self, parameters, n_rows, moments=None):
        if moments is not None and set(moments["first"]) != set(parameters):
            raise ValueError(
                f"tied_weights={self.tied_weights} is not what the blocks before were fitted "
                f"with; start anew with a clone of the estimator"
            )
        dtype = parameters.bias.dtype
        product_dtype = PRODUCT_DTYPES[self.precision] or dtype
        if product_dtype != dtype and dtype == torch.float64:
            raise ValueError(
                "precision='bfloat16' would round float64 rows to 8 bits; pass float32 rows or "
                "precision='auto'"
            )
        steered = self.target_l0 is not None and moments is not None
        return Trainer(
            parameters,
            NONLINEARITIES["relu"](),
            L1(self.alpha_ if steered else self.alpha),
            learning_rate=self.learning_rate,
            batch_size=min(self.batch_size, n_rows),
            product_dtype=product_dtype,
            moments=moments,
        )

    def _epochs(self, trainer, rows, scaling, held_out=None, **options):
        steering = None
        if held_out is not None:
            steering = Steering(self.target_l0, trainer, rows.scaled(held_out))
        return Epochs(
            trainer,
            rows,
            batch_size=self.batch_size,
            tol=self.tol,
            scaling=scaling,
            verbose=self.verbose,
            steering=steering,
            resample=self.dead_features == "resample",
            **options,
        )

    def _finished_attributes(self, trainer, epochs, rows, X):
        """Return what the estimator holds once training on X is done."""
        attributes = self._fitted_attributes(trainer, epochs, rows)
        if self.debias:
            attributes |= refit_magnitudes(X, attributes, resolve_device(self.device))
        return attributes

    def _fitted_attributes(self, trainer, epochs, rows):
        """Return what the estimator holds if training stops now, in units of the rows."""
        parameters = trainer.tensors
        components = parameters.components.cpu().numpy().copy()
        bias = parameters.bias.cpu().numpy() * components.dtype.type(rows.scale)
        if not (np.isfinite(components).all() and np.isfinite(bias).all()):
            raise ValueError(
                f"training diverged: components are no longer finite; lower learning_rate (it "
                f"is {self.learning_rate})"
            )
        return {
            "components_": components,
            "encoder_": parameters.encoder.cpu().numpy().copy(),
            "encoder_bias_": bias,
            "mean_": np.asarray(rows.mean, dtype=components.dtype),
            "scale_": rows.scale,
            "alpha_": trainer.penalty.strength,
            "firing_counts_": trainer.firing_counts.cpu().numpy().copy(),
            "history_": list(epochs.history),
            "n_iter_": epochs.n_iter,
            "n_steps_": trainer.n_steps,
        }
