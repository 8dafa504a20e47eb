"""The neurons of an MLP as the features of a transcoder, a baseline for learned ones."""

import numpy as np
import scipy.sparse
import torch

from skdict._validation import check_number, check_rows
from skdict.decomposition._base import BaseDictionary, width_restored_on_error
from skdict.decomposition._base_transcoder import TranscoderMixin
from skdict.decomposition._blocks import check_finite_rows, finite_blocks
from skdict.decomposition._codes import decode_rows
from skdict.decomposition._topk_dictionary import keep_strongest
from skdict.models import find_mlp, loaded_model


class NeuronTranscoder(TranscoderMixin, BaseDictionary):
    r"""The neurons of an MLP of a model, as the features of a transcoder.

    This is the baseline for transcoders: it reads the same rows ("mlp_in") and predicts the same
    targets ("mlp_out"), but its features are those that the model has itself. With the hidden
    activations :math:`h(x)` of the MLP ("mlp_act") and the weights W and bias b of its last matrix,

    .. math:: c = \mathrm{top}_k(h(x)), \qquad \hat y = b + c W.

    In a gated MLP, :math:`h(x) = \phi(x G) \odot x U`. The k neurons with the largest
    :math:`|h_j| \, \|w_j\|`, the norm of their contribution to the output, are kept on each row;
    without k, the prediction is the output of the MLP. `fit` learns nothing: it copies W and b from
    the model, which goes on computing :math:`h(x)` and should not be changed afterwards.

    Parameters
    ----------
    model : module, str, path or (module, tokenizer)
        Loaded model, with or without its tokenizer, or the name or folder of a model to load.
        Clones share a loaded model.
    block : int
        Block of the MLP, counted from 0.
    k : int or None, default=None
        Maximum number of active neurons per row. None keeps all.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_targets), dtype float32 or float64
        Output weights W of each neuron, not normalised.
    offset_ : ndarray of shape (n_targets,)
        Output bias b; zeros if there is none.
    n_features_in_ : int
        Width of the input of the MLP.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names of the rows; set only if the rows have them.

    See Also
    --------
    SparseTranscoder : Learn sparse features of an MLP.
    IdentityDictionary : Use the dimensions of any rows as features.
    skdict.metrics.compare_dictionaries : Compare transcoders at equal L0.

    Examples
    --------
    >>> from skdict import load_stories
    >>> from skdict.decomposition import NeuronTranscoder
    >>> from skdict.feature_extraction import extract_activations
    >>> stories = load_stories()
    >>> rows = extract_activations(stories.model, ["mlp_in.2", "mlp_out.2"], stories.texts[:5])
    >>> X, y = rows["mlp_in.2"], rows["mlp_out.2"]
    >>> 1 - NeuronTranscoder(stories.model, 2).fit(X, y).score(X, y) < 1e-6
    True
    >>> 0 < NeuronTranscoder(stories.model, 2, k=8).fit(X, y).score(X, y) < 1
    True
    """

    def __init__(self, model, block, *, k=None):
        self.model = model
        self.block = block
        self.k = k

    def fit(self, X=None, y=None):
        """Find the MLP in the model and copy its output weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or None, default=None
            Rows; only their width is checked.
        y : array-like of shape (n_samples, n_targets) or None, default=None
            Ignored.

        Returns
        -------
        NeuronTranscoder
            The fitted estimator.

        Raises
        ------
        ValueError
            If the model has no such block or MLP; if the MLP is not one module that can be run on
            rows alone (OPT, BERT); if a norm follows its last matrix (Gemma 2 and 3), so that
            neurons have no fixed effect on "mlp_out"; if the weights are quantized or have an
            adapter; if X has another width, or contains NaN or infinity; or if `k` is below 1.
        TypeError
            If a parameter has the wrong type, or X is sparse.
        """
        check_number("block", self.block, low=0, integer=True)
        if self.k is not None:
            check_number("k", self.k, low=1, integer=True)
        mlp = find_mlp(loaded_model(self.model), self.block)
        components, offset = mlp.weights()
        with width_restored_on_error(self):
            if X is not None:
                check_finite_rows(check_rows(self, X, reset=True))
                self._check_width(mlp.width)
        self.n_features_in_, self.components_, self.offset_ = mlp.width, components, offset
        self._mlp, self._lengths = mlp, np.linalg.norm(components, axis=1)
        return self

    def _check_width(self, width):
        if self.n_features_in_ != width:
            raise ValueError(
                f"X has {self.n_features_in_} columns but the MLP of block {self.block} reads "
                f"{width}; pass rows from hook point 'mlp_in.{self.block}'"
            )

    def _encode(self, X):
        parts = [self._codes(block) for _, block in finite_blocks(X)]
        return np.concatenate(parts) if self.k is None else scipy.sparse.vstack(parts, "csr")

    def _codes(self, block):
        hidden = self._mlp.hidden(torch.from_numpy(np.ascontiguousarray(block)))
        codes = hidden.numpy().astype(block.dtype, copy=False)
        if self.k is None:
            return codes
        return scipy.sparse.csr_array(keep_strongest(codes, self.k, self._lengths))

    def _decode(self, codes):
        return decode_rows(codes, self.components_, self.offset_)

    def __sklearn_clone__(self):
        # A plain clone would copy a loaded model.
        return type(self)(**self.get_params(deep=False))
