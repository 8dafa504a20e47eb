"""The sparse dictionary autoencoder as a scikit-learn estimator."""

from sklearn.utils.validation import check_is_fitted

from skdict._core import Weights, resolve_device
from skdict._validation import compute_dtype
from skdict.decomposition._base import BaseDictionary
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._frozen import encoding_arrays, freeze
from skdict.decomposition._observers._callbacks import CallbackSupportMixin
from skdict.decomposition._training import fit_autoencoder, fit_block, refit_estimator

# Above this share of active codes, products over all of them are faster.
MOST_ACTIVE = 0.1


class SparseDictionaryAutoencoder(CallbackSupportMixin, BaseDictionary):
    r"""Sparse dictionary of activations, learned by an autoencoder.

    Rows :math:`x` are encoded as sparse codes :math:`c` and reconstructed from a dictionary D of
    unit directions, the rows of ``components_``. With :math:`\tilde x = (x - \mu) / s`, where
    :math:`\mu` is the mean row and :math:`s^2` the mean of :math:`\|x - \mu\|^2` over rows, the
    objective is

    .. math::
        \frac{1}{n} \sum_{i=1}^n \|\tilde x_i - \tilde c_i D\|_2^2
        + \alpha \frac{1}{n} \sum_{i=1}^n \|\tilde c_i\|_1,
        \qquad \tilde c = \phi(\tilde x E^T + b),

    with E = D if the weights are tied: sums over width and components, means over rows. The first
    term is the fraction of variance unexplained (FVU), so alpha has the same meaning for any layer,
    model and width. With ``activation="relu"``, :math:`\phi(p) = \max(p, 0)`, this is equation 4 of
    [1]_. With ``"topk"`` [2]_, :math:`\phi` keeps the `target_l0` largest positive entries of p in
    each row, and with ``"batch_topk"`` [3]_ the ``floor(target_l0 * n)`` largest of a batch of n
    rows; alpha is then 0. With ``"jumprelu"`` [4]_, :math:`\phi(p) = p` where p exceeds a threshold
    learned for each feature, else 0, and the penalty is :math:`(\bar L / L^* - 1)^2`, with
    :math:`\bar L` the mean number of codes of a batch and :math:`L^*` that of `target_l0`; or,
    without a target, alpha times :math:`\bar L`. With `matryoshka`, a nested dictionary [5]_ of
    prefixes of sizes :math:`m_1 < \ldots < m_L` = `n_components`, the first term becomes the mean
    FVU of the prefixes, each reconstructing the rows by itself:

    .. math::
        \frac{1}{L} \sum_{l=1}^L \frac{1}{n} \sum_{i=1}^n
        \left\| \tilde x_i - \sum_{j \le m_l} \tilde c_{ij} d_j \right\|_2^2 ,

    with :math:`d_j` the rows of D. Codes are selected and penalised once, over all features.

    Fitted attributes are in the units of the rows. With
    ``pre = (x - mean_) @ encoder_.T + encoder_bias_``, codes are ``pre`` where it exceeds
    ``thresholds_`` (0 where there is no such attribute), or where it is among the ``k_`` largest
    positive ones of the row, and ``x_hat = mean_ + codes @ components_``.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of features. None means 4 times the width, or as many as `dict_init` has.
    activation : {"relu", "topk", "batch_topk", "jumprelu"} or Nonlinearity, default="relu"
        How codes follow from pre-activations. Ties go to the lower row, then to the lower feature.
        "batch_topk" selects over batches in training only. Afterwards one threshold for all
        features takes the place of the selection, so that a row's codes do not depend on other
        rows: the one with which the mean L0 of rows held out is `target_l0` (the last twentieth, at
        most 2^17; of all rows where that is fewer than 1,024, and in `partial_fit`). Outlier rows
        take no part in either. Thresholds of "jumprelu" learn from the entries near them, in a
        window of fixed width for each feature (`bandwidths_`). For other activations pass an
        object derived from `Nonlinearity`.
    alpha : float or "auto", default="auto"
        Weight of the penalty: of the L1 norm of codes with "relu", of their number with "jumprelu"
        and no `target_l0`. "auto" is 0.1 with the former and 0.001 with the latter: reasonable
        first values for most layers with `rescale=True`, but the useful range differs between
        layers and models. In the middle of SmolLM2-135M, 0.2 kills features with "relu" and 0.4
        nearly all of them. `sparse_dictionary_path` spans a grid from the rows; to use one number
        for several layers, set `target_l0` instead. The code published with [1]_ averages the
        squared error over the width, so its alphas times the width are alphas here (8.577e-4 at
        width 512 is 0.439), with ``center=False, rescale=False, bias_init="zeros"``.
    target_l0 : float or None, default=None
        Number of active codes per row. With "topk" a whole number, which no row exceeds; with
        "batch_topk" a mean; None means 32 for both, or a quarter of the features where these are
        fewer than 128. With "jumprelu" the target of the penalty, such that held-out rows reach it
        to within 5 %. With "relu", `alpha` is then only the initial value: it is adjusted during
        training until L0 is within 5 % of the target on held-out rows (the last twentieth, at most
        4,096). The final value is `alpha_`.
    matryoshka : array-like of shape (n_prefixes,) or None, default=None
        Sizes of the nested prefixes that come before the full dictionary, increasing: integers
        below `n_components`, or fractions of it strictly between 0 and 1, which are rounded to the
        nearest integer. The full dictionary is always the last level, so ``[1/16, 1/4]`` makes
        three. Early features are pushed to be general and later ones specific, which counters
        feature absorption, at some cost in FVU. `debias` and `dead_features` look at the full
        dictionary alone.
    debias : bool, default=False
        Refit code magnitudes and directions by least squares after training, to undo L1 shrinkage,
        as `refit_codes` does. Supports do not change.
    tied_weights : bool or "auto", default="auto"
        If True, the encoder is the transpose of the decoder, as in the paper. "auto" is True with
        "relu" and False otherwise: untied weights have a lower FVU at equal L0.
    center : bool, default=True
        Subtract the mean before encoding.
    rescale : bool, default=True
        Scale rows to unit mean square norm for training.
    bias_init : {"auto", "calibrated", "zeros"}, default="auto"
        Initial encoder biases: such that each feature fires on 3 % of the rows, or zero. "auto" is
        "calibrated". From zeros, half of all codes are active at first, and a penalty kills many
        features for good.
    dead_features : {"auto", "ignore", "resample", "auxk"}, default="auto"
        What becomes of features that no longer fire. "auto" is "ignore" with "relu", else "auxk".
        With "resample", re-initialise features that were silent for an epoch from residuals of
        poorly reconstructed rows, after each epoch at the full learning rate. With "auxk" [2]_,
        features silent for an epoch (or ten million rows) rebuild what the others leave of each
        row, by a further term of the loss; not with "relu", whose silent features have no gradient.
    dict_init : fitted dictionary, array-like or None, default=None
        Start from another `SparseDictionaryAutoencoder`, such as a loaded one (code gains are
        folded into the encoder; what the activation cannot train is refused), or from directions
        of shape (n_components, n_features), which are scaled to unit length. None means random
        directions.
    max_iter : int, default=10
        Number of epochs: passes over the rows, or as many passes as make up 100 steps.
    tol : float or None, default=None
        If given, stop early: once the FVU changes by less than this between epochs, the learning
        rate begins its final decay.
    batch_size : int, default=1024
        Rows per step.
    learning_rate : float or "auto", default="auto"
        Step size of Adam; it decays linearly to zero over the last fifth of the steps. "auto" is
        4.5e-3 with "batch_topk", else 3e-3.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training; parameters and sums stay in the dtype of the
        rows. With "bfloat16", factors and products are rounded; with "auto", nothing is.
        `transform` never rounds.
    warm_start : bool, default=False
        Continue from the fitted dictionary, if there is one, when `fit` is called again.
    sparse_output : bool, default=True
        Return a CSR array from `transform`. If False, return a dense array, as `set_output`
        requires.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    random_state : int, RandomState instance or None, default=None
        Seed of the initial directions and of the order of rows. The same seed gives the same
        bits on the same CPU.
    verbose : int, default=0
        If positive, show a progress bar with loss, FVU, L0 and dead features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        The dictionary: one unit direction per row, in the dtype of the rows fitted.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Encoder directions; equal to `components_` if tied.
    encoder_bias_ : ndarray of shape (n_components,)
        Encoder bias, in units of the rows.
    alpha_ : float
        The alpha of the last step: `alpha`, or the value found for `target_l0`; 0 where codes are
        not penalised.
    thresholds_ : ndarray of shape (n_components,)
        With "batch_topk" and "jumprelu": what pre-activations must exceed, not negative; with the
        former the same for all features.
    bandwidths_ : ndarray of shape (n_components,)
        With "jumprelu": width of the window around each threshold in which entries move it.
    k_ : int
        With "topk": most codes of a row.
    code_gains_, code_offsets_ : ndarray of shape (n_components,)
        With `debias=True` and after `refit_codes`: active codes are
        ``code_gains_ * pre + code_offsets_``. Signed codes have gains only.
    mean_ : ndarray of shape (n_features_in_,)
        Subtracted before encoding and added after decoding; zeros with `center=False`.
    scale_ : float
        Root mean square norm of centred rows; 1 with `rescale=False`.
    firing_counts_ : ndarray of shape (n_components,), dtype int64
        Number of rows on which each feature fired in the last epoch.
    outlier_cutoff_ : float
        Norm above which a centred row is an outlier: eight times the median norm.
    n_outlier_rows_ : int
        Number of outlier rows among those fitted.
    history_ : list of dict
        About ten entries per epoch: `step`; over the rows since the previous entry `loss`, `fvu`,
        `fvu_inliers` (the FVU without outlier rows) and `l0` (active codes per row); `alpha`;
        `n_dead` (features silent for an epoch); and `n_resampled` (features re-initialised so
        far). With `matryoshka`, `loss` and `fvu` are those of the full dictionary.
    learning_rate_, bias_init_, dead_features_, tied_weights_ : float, str, str, bool
        The parameters of these names, with "auto" resolved.
    n_iter_, n_steps_ : int, int
        Numbers of epochs, and of steps of Adam.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if the rows had any.

    See Also
    --------
    sklearn.decomposition.MiniBatchDictionaryLearning : The same goal by alternating lasso.
    skdict.metrics.compare_dictionaries : Compare dictionaries of any kind.

    References
    ----------
    .. [1] Cunningham, Ewart, Riggs, Huben and Sharkey (2023), "Sparse Autoencoders Find
       Highly Interpretable Features in Language Models", arXiv:2309.08600.
    .. [2] Gao et al. (2024), "Scaling and evaluating sparse autoencoders", arXiv:2406.04093.
    .. [3] Bussmann, Leask and Nanda (2024), "BatchTopK Sparse Autoencoders", arXiv:2412.06410.
    .. [4] Rajamanoharan et al. (2024), "Jumping Ahead: Improving Reconstruction Fidelity with
       JumpReLU Sparse Autoencoders", arXiv:2407.14435.
    .. [5] Bussmann, Nabeshima, Karvonen and Nanda (2025), "Learning Multi-Level Features with
       Matryoshka Sparse Autoencoders", arXiv:2503.17547.

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
        activation="relu",
        alpha="auto",
        target_l0=None,
        matryoshka=None,
        debias=False,
        tied_weights="auto",
        center=True,
        rescale=True,
        bias_init="auto",
        dead_features="auto",
        dict_init=None,
        max_iter=10,
        tol=None,
        batch_size=1024,
        learning_rate="auto",
        precision="auto",
        warm_start=False,
        sparse_output=True,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.activation = activation
        self.alpha = alpha
        self.target_l0 = target_l0
        self.matryoshka = matryoshka
        self.debias = debias
        self.tied_weights = tied_weights
        self.center = center
        self.rescale = rescale
        self.bias_init = bias_init
        self.dead_features = dead_features
        self.dict_init = dict_init
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
        """Fit the dictionary to rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows: an array, a tensor, a memory map or `Activations`; the latter two are read
            in slices. float64 rows are computed in float64, all others in float32.
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
            fewer than 2 rows, no variance or extreme values, or does not match the fitted
            dictionary with `warm_start=True`; if training diverges.
        TypeError
            If a parameter is of the wrong type or X is sparse.
        MemoryError
            If a GPU runs out of memory; the message says what to lower.
        """
        return fit_autoencoder(self, X)

    def partial_fit(self, X, y=None):
        """Train for one pass over a block of rows, at the full learning rate.

        Mean and scale are those of the first block, and the optimiser's state is kept between
        blocks.

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
            As in `fit`, and if the width differs from that of the first block.
        TypeError
            As in `fit`.
        """
        return fit_block(self, X)

    def refit_codes(self, X, y=None):
        r"""Refit code magnitudes and directions to rows by least squares; supports do not change.

        ``debias=True`` does this at the end of `fit`, to the bit; call it after `partial_fit`, or
        on a loaded dictionary. With the pre-activations :math:`p_{ij}` and the active features
        :math:`S_i` of row :math:`x_i`, gains g and offsets o minimise

        .. math::
            \sum_i \left\| x_i - \mu - \sum_{j \in S_i} (g_j p_{ij} + o_j) d_j \right\|_2^2
            + \sum_j \lambda_j (g_j - g_j^0)^2 + \lambda \sum_j (o_j - o_j^0)^2,
            \qquad g_j \geq 0.1\, g_j^0, \quad o_j \geq 0,

        where :math:`g^0, o^0` are those that the dictionary has (1 and 0 if none), weighted as 10
        rows on which a feature is active. Signed codes get gains and no offsets. Then, with these
        codes, the directions :math:`d_j` minimise the squared error, with a ridge of the same
        weight toward what they are. They are scaled to unit length, and the gains and offsets by
        the lengths. A feature that fires on no row stays as it is.

        The error on the rows used does not rise, and a second call starts from the same supports
        and pre-activations: its gains replace those of the first and do not multiply them.

        Where normal equations, 24 bytes times n_components squared, fit in 4 GiB and in a quarter
        of the machine's memory, they are summed over all rows (up to 13,377 components). Beyond,
        both problems are solved by conjugate gradients, to within 0.2 % of the FVU, on all rows
        whose codes fit in that memory: 20 bytes a code, so 6 million rows at an L0 of 32. Of more
        rows, chunks of 256 consecutive ones are drawn with a fixed seed.

        Pass many rows. Each direction has as many numbers to fit as a row has, so new rows gain
        little where features fire on fewer rows than that: on layer 9 of SmolLM2-135M (2,304
        features, width 576, L0 31) FVU fell from 0.137 to 0.118 with all 110,957 rows, and to
        0.131 with a quarter of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`; best those that the dictionary was trained on.
        y : None
            Ignored.

        Returns
        -------
        SparseDictionaryAutoencoder
            The estimator itself, with other `components_`, `code_gains_` and `code_offsets_`.
            Training does not continue from codes with offsets.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If X has another width than the rows fitted, or holds NaN or infinity.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        return refit_estimator(self, X)

    def __sklearn_clone__(self):
        # A plain clone would unfit the dictionary that training starts from.
        copied = super().__sklearn_clone__()
        copied.dict_init = self.dict_init
        return copied

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
