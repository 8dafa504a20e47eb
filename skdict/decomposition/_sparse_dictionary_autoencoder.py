"""The sparse dictionary autoencoder as a scikit-learn estimator."""

from skdict._core import Weights, resolve_device
from skdict._validation import compute_dtype
from skdict.decomposition._base import BaseDictionary
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._frozen import encoding_arrays, freeze
from skdict.decomposition._observers._callbacks import CallbackSupportMixin
from skdict.decomposition._training import fit_autoencoder, fit_block

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
        return fit_autoencoder(self, X)

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
        return fit_block(self, X)

    def _encode(self, X):
        """Return the codes of checked rows."""
        dictionary = freeze(Weights.of(self), compute_dtype(X), resolve_device(self.device))
        # One that was trained elsewhere is taken to be sparse.
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
        return encoding_arrays(Weights.of(self))
