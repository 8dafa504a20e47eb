"""From the last residual stream to the logits: final norm and unembedding."""

import torch

from skdict.models import HookPoint, capture, evaluation_mode, find_blocks, input_device, run


class FinalNorm:
    """Final norm and unembedding of a language model.

    Parameters
    ----------
    norm : module
        Module from the last residual stream to the input of the unembedding.
    unembed : module
        Module from there to the logits.
    """

    def __init__(self, norm, unembed):
        self.norm, self.unembed = norm, unembed
        self.point = HookPoint(norm, "input")

    @classmethod
    def find(cls, model):
        """Return the final norm of a model, or None if no norm precedes its unembedding.

        The norm is recognised by what it does: its output is the input of the unembedding.
        """
        unembed = getattr(model, "get_output_embeddings", lambda: None)()
        if unembed is None:
            return None
        inside = set(find_blocks(model).modules())
        norms = [
            module
            for module in model.modules()
            if "norm" in type(module).__name__.lower() and module not in inside
        ]
        points = {i: HookPoint(norm, "output") for i, norm in enumerate(norms)}
        with torch.no_grad(), evaluation_mode(model):
            with capture(points | {"unembedded": HookPoint(unembed, "input")}) as values:
                run(model, torch.arange(4, device=input_device(model))[None])
        for i, norm in enumerate(norms):
            if i in values and torch.equal(values[i], values.get("unembedded", values[i][..., :0])):
                return cls(norm, unembed)
        return None

    def difference(self, rows, summand):
        """Return how much logits fall when a summand of the last residual stream is removed."""
        dtype = next(self.unembed.parameters()).dtype
        both = torch.cat([rows, rows - summand.to(rows)]).to(dtype)
        with_it, without = self.unembed(self.norm(both)).float().chunk(2)
        return with_it - without
