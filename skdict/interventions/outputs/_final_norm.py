"""The way from the last residual stream to the logits."""

import torch

from skdict.models import HookPoint, capture, evaluation_mode, find_blocks, input_device, run


class FinalNorm:
    """The final norm of a language model, and its unembedding.

    Parameters
    ----------
    norm : module
        Last residual stream to what is unembedded.
    unembed : module
        That to logits.
    """

    def __init__(self, norm, unembed):
        self.norm, self.unembed = norm, unembed
        self.point = HookPoint(norm, "input")

    @classmethod
    def find(cls, model):
        """Return the final norm of a model, or None if it has none in front of its unembedding.

        It is known by what it does: what it gives is what the unembedding is given.
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
        """Return by how much logits fall when a summand of the last residual stream is missing."""
        dtype = next(self.unembed.parameters()).dtype
        both = torch.cat([rows, rows - summand.to(rows)]).to(dtype)
        with_it, without = self.unembed(self.norm(both)).float().chunk(2)
        return with_it - without
