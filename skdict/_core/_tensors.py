"""The trained tensors of a dictionary, by name."""

from collections.abc import Mapping
from typing import NamedTuple

import torch


class Spec(NamedTuple):
    """What training knows of a tensor.

    Parameters
    ----------
    unit_rows : bool, default=False
        Rows are kept at unit length, their gradients on the tangent of the sphere.
    trained : bool, default=True
        The optimiser moves it; if False, it stays as it starts.
    """

    unit_rows: bool = False
    trained: bool = True


SPECS = {"components": Spec(unit_rows=True), "bandwidths": Spec(trained=False)}


class Tensors(Mapping):
    """Tensors by name, changed in place by training.

    Every dictionary has `components` (..., m, d) and `bias` (..., m); `encoder` (..., m, d) is
    a tensor of its own where weights are untied, and else another name of the components.
    Nonlinearities may add tensors. Iteration gives each tensor once.

    Parameters
    ----------
    values : dict of str to torch.Tensor
        The tensors; those that a nonlinearity adds have one number a feature.
    """

    def __init__(self, values):
        self._values = dict(values)
        self.specs = {name: SPECS.get(name, Spec()) for name in self._values}

    def __getitem__(self, name):
        if name == "encoder" and self.tied:
            name = "components"
        return self._values[name]

    def __iter__(self):
        return iter(self._values)

    def __len__(self):
        return len(self._values)

    @property
    def trained(self):
        """Names of the tensors that the optimiser moves."""
        return [name for name, spec in self.specs.items() if spec.trained]

    @property
    def tied(self):
        """True if the encoder is the transpose of the decoder."""
        return "encoder" not in self._values

    @property
    def components(self):
        """Decoder directions."""
        return self["components"]

    @property
    def encoder(self):
        """Encoder directions; the components where weights are tied."""
        return self["encoder"]

    @property
    def bias(self):
        """What is added to projections."""
        return self["bias"]

    def map(self, change):
        """Return tensors of the same names and specs, each changed by a function."""
        return Tensors({name: change(t) for name, t in self.items()})

    @classmethod
    def stack(cls, several):
        """Return the tensors of several dictionaries of one shape, stacked along a new axis."""
        return cls({name: torch.stack([t[name] for t in several]) for name in several[0]})
