"""The sparse transcoder as a scikit-learn estimator."""

from skdict.decomposition._base_transcoder import TranscoderMixin
from skdict.decomposition._trained_dictionary import TrainedDictionary
from skdict.decomposition._training import fit_autoencoder, fit_block


class SparseTranscoder(TranscoderMixin, TrainedDictionary):
    r"""Sparse dictionary that predicts other rows than those that it encodes.

    Fitted on the input X and the output y of a part of a model, such as an MLP, a transcoder
    replaces that part by sparse features: the encoder maps each row :math:`x` to sparse codes
    :math:`c`, one per feature, and the decoder predicts the target :math:`y` as a sum of codes
    times unit directions :math:`d_j`, the rows of D (``components_``). With
    :math:`\tilde x = (x - \mu) / s` and :math:`\tilde y = (y - \nu) / t`, where :math:`\mu, \nu`
    are the means and :math:`s, t` the root mean square norms of the centred rows of each side,
    training minimises

    .. math::
        \frac{1}{n} \sum_{i=1}^n w_i \left( \|\tilde y_i - \tilde x_i A - \tilde c_i D\|_2^2
        + P(\tilde c_i) \right),
        \qquad \tilde c = \phi(\tilde x E^T + b).

    The first term is the fraction of variance unexplained (FVU) of y. The linear skip connection A
    is trained with `skip_connection=True` and zero otherwise. Activations :math:`\phi`, penalties
    P, nested dictionaries and outlier weights :math:`w_i` are those of
    `SparseDictionaryAutoencoder`; a row is an outlier if it or its target is one. The encoder is
    never tied to the decoder.

    Encoder directions start as those of rows drawn at random, decoder directions as the means of
    the targets, weighted by the initial codes, and A as a ridge regression of y on X.

    Fitted attributes are in the units of the rows, and codes in those of the targets. With
    ``pre = (x - mean_) @ encoder_.T + encoder_bias_``, a code equals its entry of ``pre`` where
    that exceeds ``thresholds_`` (0 if not set) or, if ``k_`` is set, is among the ``k_`` largest
    positive entries of the row; else it is 0. Then
    ``predict(x) = target_mean_ + codes @ components_ + (x - mean_) @ skip_``.

    A transcoder does not reconstruct the rows that it encodes. What compares or replaces rows with
    their reconstruction (such as `TopKDictionary`) rejects it, even if rows and targets are equally
    wide. In a model, it is used at a pair of hook points: see `skdict.interventions.intervene` and
    `skdict.evaluation.loss_recovered`.

    Parameters
    ----------
    n_components : int or None, default=None
        Number of features. None means 4 times the width of X, or the size of `dict_init`.
    skip_connection : bool, default=False
        If True, add a linear map from X to the prediction, so that features need not represent
        what is linear.
    activation : {"relu", "topk", "batch_topk", "jumprelu"} or Nonlinearity, default="relu"
        Function from pre-activations to codes; see `SparseDictionaryAutoencoder`.
    alpha : float or "auto", default="auto"
        Weight of the penalty: on the L1 norm of codes with "relu", on their number with "jumprelu"
        and no `target_l0`. "auto" means 0.1 with "relu" and 0.001 with "jumprelu".
    target_l0 : float or None, default=None
        Target number of active codes per row: the maximum with "topk" and the mean otherwise. None
        means 32 with "topk" and "batch_topk", or a quarter of the features if there are fewer than
        128. With "relu" and "jumprelu", it is reached on held-out rows to within 5 %.
    matryoshka : array-like of shape (n_prefixes,) or None, default=None
        Increasing sizes of nested prefixes that each predict y on their own, with the skip
        connection: integers below `n_components`, or fractions of it. The full dictionary is
        always added.
    center : bool, default=True
        If True, subtract the mean of X before encoding, and predict deviations from the mean of y.
    rescale : bool, default=True
        If True, scale the rows of X and of y to unit mean square norm for training.
    bias_init : {"auto", "calibrated", "zeros"}, default="auto"
        Initial encoder biases. "calibrated" makes each feature fire on 3 % of the rows. "auto"
        means "calibrated".
    dead_features : {"auto", "ignore", "resample", "auxk"}, default="auto"
        Treatment of features that stop firing, with residuals of y. "resample" starts them again
        from poorly predicted rows: the encoder from a row of X, the decoder from the residuals of
        such rows. "auxk" is not available with "relu". "auto" means "ignore" with "relu" and
        "auxk" otherwise.
    dict_init : fitted SparseTranscoder or None, default=None
        Transcoder to start from. None means a new start, as described above.
    max_iter : int, default=10
        Maximum number of epochs, each one pass over the rows or enough passes for 100 steps.
    tol : float or None, default=None
        If given, begin the final decay of the learning rate once the FVU changes by less than
        `tol` between epochs.
    batch_size : int, default=1024
        Number of rows per step.
    learning_rate : float or "auto", default="auto"
        Step size of Adam, which decays linearly to zero over the last fifth of the steps. "auto"
        means 4.5e-3 with "batch_topk" and 3e-3 otherwise.
    precision : {"auto", "float32", "bfloat16"}, default="auto"
        Precision of matrix products in training. "auto" and "float32" both keep the dtype of
        training.
    shard : {"rows", "components"} or None, default=None
        Division of the work in an initialised process group of `torch.distributed`; without one it
        has no effect. "rows": each process trains on its part of every batch, and gradients are
        summed. "components": each process trains its part of the features, on all rows, and
        reconstructions are summed. All processes pass the same rows and parameters. The result is
        that of one process up to rounding.
    warm_start : bool, default=False
        If True, `fit` starts from the fitted transcoder, if there is one.
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
    components_ : ndarray of shape (n_components, n_targets)
        Unit decoder direction of each feature, in the dtype of training.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Encoder directions.
    encoder_bias_ : ndarray of shape (n_components,)
        Encoder biases, in units of the codes.
    skip_ : ndarray of shape (n_features_in_, n_targets)
        With `skip_connection=True`: linear map from ``x - mean_`` to the prediction.
    mean_, target_mean_ : ndarray of shape (n_features_in_,) and (n_targets,)
        Mean of the rows and of their targets; zeros with `center=False`.
    scale_, target_scale_ : float, float
        Root mean square norms of ``x - mean_`` and ``y - target_mean_``; 1 with `rescale=False`.
    alpha_ : float
        Alpha at the last step; 0 if the objective has no alpha.
    thresholds_, bandwidths_ : ndarray of shape (n_components,)
        Thresholds with "batch_topk" and "jumprelu", and training windows with "jumprelu", in units
        of the codes; see `SparseDictionaryAutoencoder`.
    k_ : int
        With "topk": maximum number of active codes per row.
    firing_counts_ : ndarray of shape (n_components,), dtype int64
        Number of rows on which each feature fired in the last epoch.
    outlier_cutoff_, target_outlier_cutoff_ : float, float
        Norms of ``x - mean_`` and ``y - target_mean_`` above which a row is an outlier.
    n_outlier_rows_ : int
        Number of outlier rows in the training data.
    history_ : list of dict
        About ten entries per epoch; see `SparseDictionaryAutoencoder`. `fvu` is that of y.
    learning_rate_, bias_init_, dead_features_ : float, str, str
        Values used for the parameters of these names, after "auto" is resolved.
    n_iter_, n_steps_ : int, int
        Number of epochs, and of steps of Adam.
    feature_range_ : tuple of (int, int, int)
        Only with ``shard="components"``, if the whole dictionary is too large for each process:
        first feature held by this process, the one after its last, and the number of all features.
        Attributes with one entry or row per feature are then those of these features.
    n_features_in_ : int
        Width of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of X; set only if it has them.

    See Also
    --------
    SparseDictionaryAutoencoder : Reconstruct the rows that are encoded; describes the activations.
    NeuronTranscoder : Use the neurons of an MLP as features, a baseline.

    References
    ----------
    .. [1] Dunefsky, Chlenski and Nanda (2024), "Transcoders Find Interpretable LLM Feature
       Circuits", arXiv:2406.11944.
    .. [2] Paulo, Shabalin and Belrose (2025), "Transcoders Beat Sparse Autoencoders for
       Interpretability", arXiv:2501.18823.

    Examples
    --------
    >>> import numpy as np
    >>> from skdict import SparseTranscoder
    >>> rng = np.random.default_rng(0)
    >>> X, W, D = (rng.standard_normal(shape) for shape in [(3000, 8), (8, 12), (12, 6)])
    >>> Y = np.maximum(X @ W - 4, 0) @ D
    >>> transcoder = SparseTranscoder(24, alpha=0.01, random_state=0).fit(X[:2000], Y[:2000])
    >>> transcoder.transform(X).shape, transcoder.predict(X).shape
    ((3000, 24), (3000, 6))
    >>> transcoder.score(X[2000:], Y[2000:]) > 0.9
    True
    """

    # A transcoder has neither, but training asks every estimator.
    tied_weights = debias = False

    def __init__(
        self,
        n_components=None,
        *,
        skip_connection=False,
        activation="relu",
        alpha="auto",
        target_l0=None,
        matryoshka=None,
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
        self.skip_connection = skip_connection
        self.activation = activation
        self.alpha = alpha
        self.target_l0 = target_l0
        self.matryoshka = matryoshka
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

    def fit(self, X, y):
        """Fit the transcoder to rows and their targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows: an array, a tensor, a memory map or `Activations`; the latter two are read in
            slices. float64 rows are computed in float64, all others in float32.
        y : array-like of shape (n_samples, n_targets) or (n_samples,)
            Targets: one row for each of X, of the same kinds, and read in step with it.
            `Activations` must have the same documents, positions and token ids as X.

        Returns
        -------
        SparseTranscoder
            The fitted estimator.

        Raises
        ------
        ValueError
            If X and y differ in their number of rows or, being `Activations`, in provenance; if a
            parameter is out of range; if X or y contains NaN or infinity (the message names the
            row), has fewer than 2 rows, no variance or extreme values, or does not match the
            fitted transcoder with `warm_start=True`; or if training diverges.
        TypeError
            If a parameter has the wrong type, or X or y is sparse.
        MemoryError
            If a GPU runs out of memory; the message says what to lower.
        RuntimeError, ConnectionError
            With `shard`, if another process fails or cannot be reached.
        """
        return fit_autoencoder(self, X, y=y)

    def partial_fit(self, X, y):
        """Train for one pass over a block of rows and their targets, at the full learning rate.

        The first block sets the means and scales. The optimiser's state is kept between blocks.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : array-like of shape (n_samples, n_targets) or (n_samples,)
            Targets, as in `fit`.

        Returns
        -------
        SparseTranscoder
            The fitted estimator.

        Raises
        ------
        ValueError
            See `fit`; or if a width differs from the first block's or `shard` is "components".
        TypeError
            See `fit`.
        """
        return fit_block(self, X, y)
