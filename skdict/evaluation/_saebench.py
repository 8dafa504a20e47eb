"""Adapt a dictionary to SAEBench, which evaluates torch modules of its own kind."""

import re
from dataclasses import asdict, dataclass, field

import torch

from skdict._core import AffineDictionary
from skdict.decomposition import check_reconstructs_rows, to_torch
from skdict.models import to_transformer_lens


@dataclass
class SAEBenchConfig:
    """Settings that SAEBench reads, under its names.

    Parameters
    ----------
    model_name : str
        Model, as TransformerLens names it.
    d_in, d_sae : int
        Width of the rows and number of features.
    hook_layer : int
        Layer of the hook point.
    hook_name : str
        TransformerLens name of the hook point.
    dtype, device : str
        Data type, such as "float32", and device of the tensors.
    architecture : str
        Class of the dictionary.
    context_size, hook_head_index, apply_b_dec_to_input, finetuning_scaling_factor, \
            activation_fn_str, activation_fn_kwargs, prepend_bos, normalize_activations, \
            model_from_pretrained_kwargs, dataset_path, dataset_trust_remote_code, seqpos_slice, \
            training_tokens, sae_lens_training_version, neuronpedia_id
        Entries that must exist, with the defaults of SAEBench.
    """

    model_name: str
    d_in: int
    d_sae: int
    hook_layer: int
    hook_name: str
    dtype: str
    device: str
    architecture: str
    context_size: int | None = None
    hook_head_index: int | None = None
    apply_b_dec_to_input: bool = True
    finetuning_scaling_factor: bool = False
    activation_fn_str: str = ""
    activation_fn_kwargs: dict = field(default_factory=dict)
    prepend_bos: bool = True
    normalize_activations: str = "none"
    model_from_pretrained_kwargs: dict = field(default_factory=dict)
    dataset_path: str = ""
    dataset_trust_remote_code: bool = True
    seqpos_slice: tuple = (None,)
    training_tokens: int = -100_000
    sae_lens_training_version: str | None = None
    neuronpedia_id: str | None = None

    def to_dict(self):
        """Return the settings as a dict."""
        return asdict(self)


class SAEBenchAdapter(torch.nn.Module):
    r"""Dictionary with the methods and tensors that SAEBench expects.

    .. math:: c = \lambda\, \phi((x - b_{dec}) W_{enc} + b_{enc}), \qquad
              \hat x = c\, W_{dec} + b_{dec}

    The rows of W_dec have unit length, and :math:`\lambda` are the lengths of the decoder
    directions.

    Parameters
    ----------
    frozen : AffineDictionary
        Tensors of the dictionary.
    cfg : SAEBenchConfig
        Settings.

    Attributes
    ----------
    W_enc, W_dec : torch.nn.Parameter of shape (d_in, d_sae) and (d_sae, d_in)
        Encoder and decoder.
    b_enc, b_dec : torch.nn.Parameter of shape (d_sae,) and (d_in,)
        Biases.
    cfg : SAEBenchConfig
        Settings.
    """

    def __init__(self, frozen, cfg):
        super().__init__()
        lengths = frozen.components.norm(dim=1)
        lengths = torch.where(lengths == 0, 1, lengths)
        # SAEBench has one bias for both sides, so the rest of the centre goes to the encoder.
        moved = frozen.encoder @ (frozen.offset - frozen.center)
        tensors = {
            "W_enc": frozen.encoder.T.contiguous(),
            "W_dec": frozen.components / lengths[:, None],
            "b_enc": frozen.encoder_bias + moved,
            "b_dec": frozen.offset,
        }
        for name, tensor in tensors.items():
            setattr(self, name, torch.nn.Parameter(tensor, requires_grad=False))
        self.register_buffer("_lengths", lengths)
        self._nonlinearity, self.cfg = frozen.nonlinearity, cfg

    @property
    def device(self):
        """Device of the tensors."""
        return self.W_dec.device

    @property
    def dtype(self):
        """Data type of the tensors."""
        return self.W_dec.dtype

    def encode(self, x):
        """Encode activations (..., d_in) to codes (..., d_sae)."""
        x = x.to(self.dtype)
        return self._nonlinearity((x - self.b_dec) @ self.W_enc + self.b_enc) * self._lengths

    def decode(self, feature_acts):
        """Decode codes (..., d_sae) to activations (..., d_in)."""
        return feature_acts @ self.W_dec + self.b_dec

    def forward(self, x):
        """Return the reconstruction of activations (..., d_in)."""
        return self.decode(self.encode(x))


def to_saebench(dictionary, *, model_name=None, hook_point=None, device="auto", dtype="float32"):
    """Adapt a dictionary to SAEBench.

    SAEBench evaluates any torch module with ``encode``, ``decode``, ``forward``, ``W_enc``,
    ``W_dec``, ``b_enc``, ``b_dec`` and ``cfg``. Pass the result to its evaluations as
    ``[("name", adapter)]``. It reads activations with TransformerLens, so load the dictionary of a
    model that TransformerLens knows.

    Parameters
    ----------
    dictionary : estimator
        Fitted dictionary whose encoder is a matrix, which holds for all dictionaries of skdict.
    model_name : str, optional
        Name of the model in TransformerLens. By default the model in ``metadata_``.
    hook_point : str, optional
        Hook point, such as "resid_post.9", or its name in TransformerLens. By default that in
        ``metadata_``.
    device : str, default="auto"
        Device of the tensors: "auto" (a CUDA GPU if available), "cpu", "cuda", "cuda:0".
    dtype : {"float32", "float64"}, default="float32"
        Data type of the tensors; ``to`` changes it.

    Returns
    -------
    SAEBenchAdapter
        Torch module with the reconstructions of the dictionary. Codes are in the units of the rows.

    Raises
    ------
    TypeError
        If the estimator is not a fitted dictionary, or its codes solve a problem for each row.
    ValueError
        If it is a transcoder, normalises each row, or neither an argument nor ``metadata_`` states
        the model and a hook point with a name in TransformerLens.

    Examples
    --------
    >>> import numpy as np, torch
    >>> from skdict import SparseDictionaryAutoencoder
    >>> from skdict.evaluation import to_saebench
    >>> X = np.random.default_rng(0).standard_normal((100, 4)).astype("float32")
    >>> sae = SparseDictionaryAutoencoder(8, max_iter=1, random_state=0).fit(X)
    >>> adapter = to_saebench(sae, model_name="gpt2", hook_point="resid_post.3", device="cpu")
    >>> adapter.cfg.hook_name, adapter.W_dec.shape
    ('blocks.3.hook_resid_post', torch.Size([8, 4]))
    >>> adapter(torch.from_numpy(X)).shape
    torch.Size([100, 4])
    """
    check_reconstructs_rows(dictionary)
    frozen = to_torch(dictionary, device=device, dtype=dtype)
    if not isinstance(frozen, AffineDictionary):
        raise TypeError(
            f"{type(dictionary).__name__} has no encoder matrix, which SAEBench reads as W_enc; "
            f"pass a dictionary whose codes follow from one matrix product"
        )
    metadata = getattr(dictionary, "metadata_", {})
    model_name = metadata.get("model") if model_name is None else model_name
    hook_name = _hook_name(metadata.get("hook_point") if hook_point is None else hook_point)
    if not isinstance(model_name, str):
        raise ValueError(
            f"model_name={model_name!r}; pass the name of the model in TransformerLens, such as "
            f"'gpt2'"
        )
    d_sae, d_in = frozen.components.shape
    cfg = SAEBenchConfig(
        model_name,
        d_in,
        d_sae,
        int(re.match(r"blocks\.(\d+)", hook_name)[1]),
        hook_name,
        dtype,
        str(frozen.components.device),
        type(dictionary).__name__,
    )
    return SAEBenchAdapter(frozen, cfg)


def _hook_name(name):
    """Return the TransformerLens name of a hook point."""
    text = name if isinstance(name, str) else ""
    found = to_transformer_lens(text) or text
    if not re.fullmatch(r"blocks\.\d+\..+", found):
        raise ValueError(
            f"hook_point={name!r} has no name in TransformerLens; pass one such as 'resid_post.9' "
            f"or 'blocks.9.hook_resid_post'"
        )
    return found
