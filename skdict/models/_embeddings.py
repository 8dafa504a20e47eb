"""Read the input embedding of a model."""

import torch
from torch import nn

from skdict.models._fingerprint import in_memory
from skdict.models._placement import input_embedding

READABLE = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def embedding_matrix(model):
    """Return the input embedding of a model, one row for each token id.

    Adapters are left out: the rows are those of the embedding that they adapt.

    Parameters
    ----------
    model : Module
        Model on any device, quantized, offloaded or wrapped.

    Returns
    -------
    torch.Tensor of shape (n_embeddings, width), floating, on the CPU, or None
        The embedding, which shares memory with the model where it can. None if the model has no
        embedding of token ids, or if its weights cannot be read.
    """
    module = input_embedding(model)
    # PEFT replaces an adapted embedding by a module around it.
    module = module.get_base_layer() if hasattr(module, "get_base_layer") else module
    if not isinstance(module, nn.Embedding):
        return None
    weight = module.weight
    if isinstance(weight, torch.Tensor) and weight.is_meta:
        weight = in_memory({"weight": weight}, vars(module).get("_hf_hook"))["weight"]
    return _on_the_cpu(weight)


def _on_the_cpu(weight):
    """Return the values of a weight as a plain tensor, or None if they cannot be read."""
    if not isinstance(weight, torch.Tensor) or weight.is_meta or weight.ndim != 2:
        return None
    if not (weight.is_quantized or weight.dtype in READABLE):
        # The bytes of a packed weight are not its values.
        return None
    try:
        packed = weight.is_quantized or hasattr(weight, "__tensor_flatten__")
        values = (weight.dequantize() if packed else weight).detach().cpu().contiguous()
        # Raises for tensors without memory, such as those of torch.export.
        values.view(torch.uint8).numpy()
    except (RuntimeError, NotImplementedError, TypeError, AttributeError):
        return None
    return values if values.dtype in READABLE and values.ndim == 2 else None
