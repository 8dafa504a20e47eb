"""The sparse dictionary autoencoder as a scikit-learn estimator."""

from sklearn.utils.validation import check_is_fitted

from skdict.decomposition._column_blocks import BlockNorms
from skdict.decomposition._trained_dictionary import TrainedDictionary
from skdict.decomposition._training import fit_autoencoder, fit_block, refit_estimator


class SparseDictionaryAutoencoder(BlockNorms, TrainedDictionary):
    r"""Sparse dictionary learned by an autoencoder.

    The encoder maps each row :math:`x` to sparse codes :math:`c`, one per feature; the decoder
    reconstructs the row as a sum of codes times unit directions :math:`d_j`, the rows of D
    (``components_``). With :math:`\tilde x = (x - \mu) / s`, where :math:`\mu` is the mean row and
    :math:`s^2` the mean of :math:`\|x - \mu\|^2`, training minimises

    .. math::
        \frac{1}{n} \sum_{i=1}^n w_i \left( \|\tilde x_i - \tilde c_i D\|_2^2
        + \alpha \|\tilde c_i\|_1 \right),
        \qquad \tilde c = \phi(\tilde x E^T + b),

    with E = D for tied weights. Errors are summed over dimensions, codes over features, and both
    are averaged over rows. The first term is thus the fraction of variance unexplained (FVU), and
    alpha means the same for any layer, model and width. Weights are :math:`w_i = 1`, except for
    outlier rows (see `outlier_cutoff_`), which do not enter :math:`\mu` and :math:`s` and have
    :math:`w_i = (\mathrm{cutoff} / 4 \|x_i - \mu\|)^2`. The choices of `activation` are

    - "relu": :math:`\phi(p) = \max(p, 0)`, which gives equation 4 of [1]_;
    - "topk" [2]_: keep the `target_l0` largest positive entries of each row; no penalty;
    - "batch_topk" [3]_: keep the ``floor(target_l0 * n)`` largest positive entries of a batch of n
      rows; no penalty;
    - "jumprelu" [4]_: :math:`\phi(p) = p` above a threshold learned for each feature, else 0. The
      penalty is :math:`(\bar L / L^* - 1)^2`, with :math:`\bar L` the mean L0 of a batch and
      :math:`L^*` the target; without `target_l0`, it is :math:`\alpha \bar L`.

    With `matryoshka`, a nested dictionary [5]_ of prefixes of sizes
    :math:`m_1 < \ldots < m_L` = `n_components`, the squared error is replaced by its mean over the
    prefixes, each reconstructing the rows on its own. Codes are selected and penalised once, over
    all features:

    .. math::
        \frac{1}{L} \sum_{l=1}^L
        \left\| \tilde x_i - \sum_{j \le m_l} \tilde c_{ij} d_j \right\|_2^2 .

    Fitted attributes are in the units of the rows. With
    ``pre = (x - mean_) @ encoder_.T + encoder_bias_``, a code equals its entry of ``pre`` where
    that exceeds ``thresholds_`` (0 if not set) or, if ``k_`` is set, is among the ``k_`` largest
    positive entries of the row; else it is 0. Then ``x_hat = mean_ + codes @ components_``.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of features. None means 4 times the width of the rows, or the size of `dict_init`.
    activation : {"relu", "topk", "batch_topk", "jumprelu"} or Nonlinearity, default="relu"
        Function from pre-activations to codes, or an instance of a `Nonlinearity` subclass. Ties
        are resolved in favour of the lower row index, then of the lower feature index.
        "batch_topk" selects over batches in training only. Afterwards one threshold, shared by all
        features, replaces the selection, so that the codes of a row do not depend on other rows.
        It is set so that the mean L0 is `target_l0` on held-out rows: the last twentieth, at most
        2^17 rows; or on all rows if that is fewer than 1,024, and in `partial_fit`. Outlier rows
        are excluded from the selection and from the threshold. Thresholds of "jumprelu" are
        trained by the entries in a window of fixed width around each (`bandwidths_`).
    alpha : float or "auto", default="auto"
        Weight of the penalty: on the L1 norm of codes with "relu", on their number with "jumprelu"
        and no `target_l0`. "auto" means 0.1 with "relu" and 0.001 with "jumprelu": reasonable
        first values for most layers with `rescale=True`, but the useful range differs between
        layers and models. In the middle of SmolLM2-135M, 0.2 kills features with "relu" and 0.4
        nearly all of them. `sparse_dictionary_path` derives a grid from the rows; to use one value
        for several layers, set `target_l0` instead. The code published with [1]_ averages the
        squared error over the width, so multiply its alphas by the width (8.577e-4 at width 512
        becomes 0.439) and pass ``center=False, rescale=False, bias_init="zeros"``.
    target_l0 : float or None, default=None
        Target number of active codes per row. With "topk", a whole number and the maximum of each
        row; with "batch_topk", the mean. None means 32 for both, or a quarter of the features if
        there are fewer than 128. With "relu" and "jumprelu", the mean L0 on held-out rows (the last
        twentieth, at most 4,096), reached to within 5 %: with "jumprelu" by the penalty above, with
        "relu" by adjusting alpha during training, from `alpha` to its final value, `alpha_`.
    matryoshka : array-like of shape (n_prefixes,) or None, default=None
        Increasing sizes of the nested prefixes: integers below `n_components`, or fractions of it
        strictly between 0 and 1, which are rounded to the nearest integer. The full dictionary is
        always added as the last level, so ``[1/16, 1/4]`` makes three. Nesting pushes early
        features to be general and later ones to be specific, which counters feature absorption at
        some cost in FVU. `debias` and `dead_features` consider the full dictionary only.
    blocks : array-like of shape (n_blocks,) or None, default=None
        Sizes of the blocks of columns, for aligned rows of several hook points or models side by
        side (a crosscoder [6]_); see `skdict.feature_extraction.join_activations`. Each has its own
        centre, scale and outlier cutoff; directions have unit length over all, after scaling.
    debias : bool, default=False
        If True, refit code magnitudes and directions by least squares after training, to undo L1
        shrinkage; see `refit_codes`. The set of active codes does not change.
    tied_weights : bool or "auto", default="auto"
        If True, the encoder is the transpose of the decoder, as in [1]_. "auto" means True with
        "relu" and False otherwise: untied weights have a lower FVU at equal L0.
    center : bool, default=True
        If True, subtract the mean before encoding.
    rescale : bool, default=True
        If True, scale rows to unit mean square norm for training.
    bias_init : {"auto", "calibrated", "zeros"}, default="auto"
        Initial encoder biases. "calibrated" makes each feature fire on 3 % of the rows. "zeros"
        makes half of all codes active at first, from which a penalty permanently kills many
        features. "auto" means "calibrated".
    dead_features : {"auto", "ignore", "resample", "auxk"}, default="auto"
        Treatment of features that stop firing. "resample" re-initialises features that were silent
        for an epoch from the residuals of poorly reconstructed rows, after each epoch at the full
        learning rate. "auxk" [2]_ adds a loss by which features silent for an epoch (or ten million
        rows) reconstruct the residuals; it is not available with "relu", whose silent features
        have no gradient. "auto" means "ignore" with "relu" and "auxk" otherwise.
    dict_init : fitted dictionary, array-like or None, default=None
        Dictionary to start from: a fitted or loaded `SparseDictionaryAutoencoder`, or directions
        of shape (n_components, n_features), which are scaled to unit length. Code gains are folded
        into the encoder; codes that `activation` cannot train are rejected. None means random
        directions.
    max_iter : int, default=10
        Maximum number of epochs, each one pass over the rows or enough passes for 100 steps.
    tol : float or None, default=None
        If given, begin the final decay of the learning rate once the FVU changes by less than
        `tol` between epochs. None means that training lasts for `max_iter` epochs.
    batch_size : int, default=1024
        Number of rows per step.
    learning_rate : float or "auto", default="auto"
        Step size of Adam, which decays linearly to zero over the last fifth of the steps. "auto"
        means 4.5e-3 with "batch_topk" and 3e-3 otherwise.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training. "auto" and "float32" both keep the dtype of
        training. "bfloat16" rounds factors and products, but not parameters, sums and `transform`.
    shard : {"rows", "components"} or None, default=None
        Division of the work in an initialised process group of `torch.distributed`; without one it
        has no effect. "rows": each process trains on its part of every batch, and gradients are
        summed. "components": each process trains its part of the features, on all rows, and
        reconstructions are summed. All processes pass the same rows and parameters. The result is
        that of one process up to rounding.
    warm_start : bool, default=False
        If True, `fit` starts from the fitted dictionary, if there is one.
    sparse_output : bool, default=True
        If True, `transform` returns a CSR array; else a dense one, which `set_output` requires.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    random_state : int, RandomState instance or None, default=None
        Seed for the initial directions and the order of rows. Pass an int for reproducible results
        across calls, bit-identical on the same CPU.
    verbose : int, default=0
        If positive, show a progress bar with loss, FVU, L0 and the number of dead features.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        Dictionary: the unit decoder direction of each feature, in the dtype of training.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Encoder directions; equal to `components_` with tied weights.
    encoder_bias_ : ndarray of shape (n_components,)
        Encoder biases, in units of the rows.
    alpha_ : float
        Alpha at the last step: `alpha`, or the value adjusted to reach `target_l0`; 0 if the
        objective has no alpha.
    thresholds_ : ndarray of shape (n_components,)
        With "batch_topk" and "jumprelu": non-negative values that pre-activations must exceed for
        a feature to fire, in units of the rows; equal for all features with "batch_topk".
    bandwidths_ : ndarray of shape (n_components,)
        With "jumprelu": width of the training window around each threshold, in units of the rows.
    k_ : int
        With "topk": maximum number of active codes per row.
    code_gains_, code_offsets_ : ndarray of shape (n_components,)
        With `debias=True` and after `refit_codes`: active codes are
        ``code_gains_ * pre + code_offsets_``. Signed codes have gains only, as do several blocks,
        whose directions have different lengths in units of the rows.
    mean_ : ndarray of shape (n_features_in_,)
        Mean row, subtracted before encoding and added after decoding; zeros with `center=False`.
    scale_ : float or ndarray of shape (n_blocks,)
        Root mean square norm of ``x - mean_``, or of each of several blocks times the square root
        of their number; 1 with `rescale=False`.
    blocks_, block_norms_ : ndarray of shape (n_blocks,) and (n_components, n_blocks)
        With `blocks`: their sizes, and the norm of each feature's direction in each block, after
        scaling. The squares of a feature sum to 1.
    firing_counts_ : ndarray of shape (n_components,), dtype int64
        Number of rows on which each feature fired in the last epoch.
    outlier_cutoff_ : float or ndarray of shape (n_blocks,)
        Norm of ``x - mean_``, or of any of several blocks, above which a row is an outlier: eight
        times the median norm.
    n_outlier_rows_ : int
        Number of outlier rows in the training data.
    history_ : list of dict
        About ten entries per epoch: `step`; over the rows since the previous entry `loss`, `fvu`,
        `fvu_inliers` (the FVU without outlier rows) and `l0` (active codes per row); `alpha`;
        `n_dead` (features silent for an epoch); and `n_resampled` (features re-initialised so
        far). With `matryoshka`, `loss` and `fvu` are those of the full dictionary.
    learning_rate_, bias_init_, dead_features_, tied_weights_ : float, str, str, bool
        Values used for the parameters of these names, after "auto" is resolved.
    n_iter_, n_steps_ : int, int
        Number of epochs, and of steps of Adam.
    feature_range_ : tuple of (int, int, int)
        Only with ``shard="components"``, if the whole dictionary is too large for each process:
        first feature held by this process, the one after its last, and the number of all features.
        Attributes with one entry or row per feature are then those of these features.
    n_features_in_ : int
        Width of the rows.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    SparseTranscoder : Predict other rows, such as the output of an MLP from its input.
    sklearn.decomposition.MiniBatchDictionaryLearning : Learn a dictionary by alternating lasso.
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
    .. [6] Lindsey et al. (2024), "Sparse Crosscoders for Cross-Layer Features and Model Diffing",
       Transformer Circuits.

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
        blocks=None,
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
        shard=None,
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
        self.blocks = blocks
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
        self.shard = shard
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
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter is out of range; if X contains NaN or infinity (the message names the
            row), has fewer than 2 rows, no variance or extreme values, or does not match the
            fitted dictionary with `warm_start=True`; or if training diverges.
        TypeError
            If a parameter has the wrong type or X is sparse.
        MemoryError
            If a GPU runs out of memory; the message says what to lower.
        RuntimeError, ConnectionError
            With `shard`, if another process fails or cannot be reached.
        """
        return fit_autoencoder(self, X)

    def partial_fit(self, X, y=None):
        """Train for one pass over a block of rows, at the full learning rate.

        The first block sets mean and scale. The optimiser's state is kept between blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : None
            Ignored.

        Returns
        -------
        SparseDictionaryAutoencoder
            The fitted estimator.

        Raises
        ------
        ValueError
            See `fit`; or if the width differs from the first block's, `debias` is True, or `shard`
            is "components".
        TypeError
            See `fit`.
        """
        return fit_block(self, X)

    def refit_codes(self, X, y=None):
        r"""Refit code magnitudes and directions by least squares, keeping the active codes.

        ``debias=True`` does this at the end of `fit`, with bit-identical results; call this method
        after `partial_fit` or on a loaded dictionary. With pre-activations :math:`p_{ij}` and
        active features :math:`S_i` of row :math:`x_i`, gains g and offsets o minimise

        .. math::
            \sum_i \left\| x_i - \mu - \sum_{j \in S_i} (g_j p_{ij} + o_j) d_j \right\|_2^2
            + \sum_j \lambda_j (g_j - g_j^0)^2 + \lambda \sum_j (o_j - o_j^0)^2,
            \qquad g_j \geq 0.1\, g_j^0, \quad o_j \geq 0,

        where :math:`g^0, o^0` are the current gains and offsets (1 and 0 by default), weighted like
        10 rows on which the feature is active. Signed codes get gains and no offsets. Then, with
        these codes, the directions :math:`d_j` minimise the squared error, with a ridge of the
        same weight toward the current ones. Each is divided by its length, and its gain and offset
        are multiplied by it. Features that fire on no row do not change.

        The error on the rows used does not increase. A second call starts from the same supports
        and pre-activations: its gains replace those of the first and do not multiply them.

        If the normal equations (24 bytes times n_components squared) fit in 4 GiB and in a quarter
        of the machine's memory, they are summed over all rows; this allows 13,377 components.
        Otherwise both problems are solved by conjugate gradients, to within 0.2 % of the FVU, on
        all rows whose codes fit in that memory: at 20 bytes per code, 6 million rows at an L0 of
        32. If there are more rows, chunks of 256 consecutive ones are drawn with a fixed seed.

        Pass many rows. Each direction has as many parameters as a row has dimensions, so held-out
        rows gain little from features that fire on fewer rows than that: on layer 9 of SmolLM2-135M
        (2,304 features, width 576, L0 31), FVU fell from 0.137 to 0.118 with all 110,957 rows, and
        to 0.131 with a quarter of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`; preferably those used for training.
        y : None
            Ignored.

        Returns
        -------
        SparseDictionaryAutoencoder
            The estimator with new `components_`, `code_gains_` and `code_offsets_`. Training
            cannot be resumed from codes with offsets.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If X has another width than the training rows, or contains NaN or infinity.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        return refit_estimator(self, X)
