"""The trained tensors of a dictionary, by name."""

from collections.abc import Mapping
from typing import NamedTuple

import torch


class Spec(NamedTuple):
    """How a tensor is trained.

    Parameters
    ----------
    unit_rows : bool, default=False
        If True, keep rows at unit length and project their gradients onto the tangent space of
        the sphere.
    trained : bool, default=True
        If True, the optimiser updates the tensor; if False, it keeps its initial values.
    per_feature : bool, default=True
        If True, the tensor has one number or one row for each feature.
    """

    unit_rows: bool = False
    trained: bool = True
    per_feature: bool = True


SPECS = {
    "components": Spec(unit_rows=True),
    "bandwidths": Spec(trained=False),
    "skip": Spec(per_feature=False),
}


class Tensors(Mapping):
    """Tensors of a dictionary by name, trained in place.

    Every dictionary has `components` (..., m, d) and `bias` (..., m). `encoder` (..., m, d) is a
    separate tensor if weights are untied, and an alias of `components` if they are tied. The
    encoder of a transcoder has the width of the rows that it reads, and a skip connection adds
    `skip` (..., d_in, d_out). Nonlinearities may add tensors. Iteration yields each tensor once.

    Parameters
    ----------
    values : dict of str to torch.Tensor
        Tensors by name; those of a nonlinearity have one number per feature.
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
        """Names of the tensors that the optimiser updates."""
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
        """Encoder directions; the components if weights are tied."""
        return self["encoder"]

    @property
    def bias(self):
        """Encoder bias."""
        return self["bias"]

    def map(self, change):
        """Apply a function to each tensor and return the results under the same names."""
        return Tensors({name: change(t) for name, t in self.items()})

    @classmethod
    def stack(cls, several):
        """Stack the tensors of several dictionaries of the same shape along a new first axis."""
        return cls({name: torch.stack([t[name] for t in several]) for name in several[0]})
