"""Published dictionaries with frozen weights."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skdict._core import Weights, resolve_device
from skdict._validation import check_rows, compute_dtype
from skdict.decomposition._base import BaseDictionary
from skdict.decomposition._base_transcoder import TranscoderMixin
from skdict.decomposition._blocks import finite_blocks
from skdict.decomposition._codes import decode_rows, encode_rows
from skdict.decomposition._column_blocks import BlockNorms
from skdict.decomposition._frozen import encoding_arrays, freeze
from skdict.decomposition._row_norms import NormalisedRows, denormalise


class PretrainedDictionary(BlockNorms, BaseDictionary):
    r"""Published dictionary with frozen weights.

    `skdict.io.load_dictionary` returns one for the dictionaries of other libraries. Its weights are
    in the units of the rows, with unit decoder directions; reconstructions equal those of the
    library that wrote the file. With

    .. math:: p = (x - \mu) E^T + b, \qquad c_j = g_j p_j + o_j \text{ where } p_j > \theta_j,

    codes are 0 elsewhere. If ``k_`` is set, the condition is instead that :math:`p_j` is among the
    k largest positive pre-activations of the row. :math:`E, b, \theta` are those of the file
    wherever possible, and the norms of its decoder directions are part of the gains g: divide codes
    by ``code_gains_``, if it is set, for the values that its publisher reports.

    The weights are never trained: `fit` only checks the width of the rows, and `clone` returns the
    dictionary itself. To train from it, pass it as `dict_init` to `SparseDictionaryAutoencoder`.

    Some dictionaries normalise each row. With ``row_norm_="layer_norm"``, the mean of a row's
    entries is subtracted and the result divided by their standard deviation (with n - 1) plus 1e-5;
    with "constant_norm", rows are scaled to the norm :math:`\sqrt{d}`. Their reconstructions depend
    on the rows and not on codes alone, so that whatever decodes codes without rows is refused.

    Parameters
    ----------
    sparse_output : bool, default=True
        If True, `transform` returns a CSR array; else a dense one, which `set_output` requires.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features_in_)
        Unit decoder direction of each feature, in the dtype of the file: float64 for float64, else
        float32.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Encoder directions.
    encoder_bias_ : ndarray of shape (n_components,)
        Encoder biases.
    mean_ : ndarray of shape (n_features_in_,)
        Row subtracted before encoding and added after decoding.
    scale_ : float or ndarray of shape (n_blocks,)
        Scale of centred rows in training, 1 where it is not known; of each of several blocks. It is
        part of the weights.
    thresholds_, code_gains_, code_offsets_ : ndarray of shape (n_components,)
        Threshold, gain and offset of each feature's code, where the dictionary has them.
    k_ : int
        Maximum number of active codes per row, where the dictionary has one.
    row_norm_ : str
        Normalisation of each row, where the dictionary has one.
    blocks_, block_norms_ : ndarray of shape (n_blocks,) and (n_components, n_blocks)
        Sizes of the blocks of columns, and norm of each feature's direction in each block, scaled
        as in training, where the dictionary is a crosscoder. The squares of a feature sum to 1.
    metadata_ : dict
        Statements of the publisher, where they are known: `format`, `architecture`, `model`,
        `hook_point`, `dtype` and reported `l0`.
    n_features_in_ : int
        Width of the rows.

    See Also
    --------
    skdict.io.load_dictionary : Load a published dictionary.
    PretrainedTranscoder : Published transcoder, which predicts other rows.
    """

    def __init__(self, *, sparse_output=True, device="auto"):
        self.sparse_output = sparse_output
        self.device = device

    @classmethod
    def _of(cls, weights, metadata, *, row_norm=None, blocks=None):
        """Return a dictionary with the given `Weights`."""
        dictionary = cls()
        vars(dictionary).update(weights.attributes(), metadata_=metadata)
        dictionary.n_features_in_ = weights.encoder.shape[1]
        if row_norm is not None:
            dictionary.row_norm_ = row_norm
        if blocks is not None:
            dictionary.blocks_ = np.array(blocks)
        return dictionary

    def fit(self, X, y=None):
        """Check the width of the rows; the weights do not change.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : None
            Ignored.

        Returns
        -------
        PretrainedDictionary
            The dictionary itself.

        Raises
        ------
        NotFittedError
            If the dictionary was not loaded.
        ValueError
            If X has another width than the dictionary.
        TypeError
            If X is sparse.
        """
        check_is_fitted(self)
        check_rows(self, X, reset=False)
        return self

    def inverse_transform(self, X, rows=None):
        """Reconstruct rows from codes.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_components)
            Codes.
        rows : array-like of shape (n_samples, n_features), optional
            Rows that the codes are of. They are required if the dictionary normalises each row, and
            have no effect otherwise.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Reconstructed rows, in the dtype of the codes: float32 or float64.

        Raises
        ------
        NotFittedError
            If the dictionary is not fitted.
        ValueError
            If the number of columns of X is not `n_components`, a code is NaN or infinite, or rows
            are required and are missing or do not match the codes.
        """
        decoded = super().inverse_transform(X)
        if not hasattr(self, "row_norm_"):
            return decoded
        if rows is None:
            raise ValueError(
                f"{type(self).__name__} normalises each row ({self.row_norm_}), so codes alone do "
                f"not determine a reconstruction; call inverse_transform(codes, rows), or use a "
                f"dictionary that does not normalise rows"
            )
        rows = check_rows(self, rows, reset=False)
        if len(rows) != len(decoded):
            raise ValueError(
                f"there are {len(decoded)} rows of codes but {len(rows)} rows; pass the rows that "
                f"were encoded"
            )
        for start, block in finite_blocks(rows, name="rows"):
            part = decoded[start : start + len(block)]
            part[:] = denormalise(part, block, self.row_norm_)
        return decoded

    def __sklearn_clone__(self):
        return self

    def _encode(self, X):
        if hasattr(self, "row_norm_"):
            X = NormalisedRows(X, self.row_norm_)
        dictionary = freeze(Weights.of(self), compute_dtype(X), resolve_device(self.device))
        # Published dictionaries are sparse, so codes are searched for.
        return encode_rows(dictionary, X, sparse_output=self.sparse_output, few_active=True)

    def _decode(self, codes):
        return decode_rows(codes, self.components_, Weights.of(self).offset)

    def _reconstruct(self, rows):
        return self.inverse_transform(self._encode(rows), rows)

    def _encoding_arrays(self):
        return encoding_arrays(Weights.of(self))


class PretrainedTranscoder(TranscoderMixin, PretrainedDictionary):
    r"""Published transcoder with frozen weights.

    Codes follow from the rows as in `PretrainedDictionary`, and predict other rows, such as the
    output of an MLP from its input:

    .. math:: \hat y = \nu + c D + (x - \mu) A

    with the skip connection A (``skip_``) where the transcoder has one. What compares or replaces
    rows with their reconstruction rejects transcoders, even if rows and targets are equally wide.

    Parameters
    ----------
    sparse_output : bool, default=True
        If True, `transform` returns a CSR array; else a dense one, which `set_output` requires.
    device : str, default="auto"
        Device to compute on: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_targets)
        Unit decoder direction of each feature.
    encoder_ : ndarray of shape (n_components, n_features_in_)
        Encoder directions.
    encoder_bias_ : ndarray of shape (n_components,)
        Encoder biases.
    mean_, target_mean_ : ndarray of shape (n_features_in_,) and (n_targets,)
        Row subtracted before encoding, which is zero, and row added after decoding.
    scale_, target_scale_ : float, float
        Scales in training; 1, because they are part of the weights.
    skip_ : ndarray of shape (n_features_in_, n_targets)
        Linear map from ``x - mean_`` to the prediction, where the transcoder has one.
    thresholds_, code_gains_, code_offsets_, k_
        See `PretrainedDictionary`.
    metadata_ : dict
        See `PretrainedDictionary`; `target_hook_point` is that of the targets.
    n_features_in_ : int
        Width of the rows.

    See Also
    --------
    skdict.io.load_dictionary : Load a published transcoder.
    SparseTranscoder : Train a transcoder.
    """
