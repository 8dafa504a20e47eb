"""What every back end does, and the step of Adam that follows from its verbs."""

from abc import ABC, abstractmethod

import torch

from skdict._core._objectives.matryoshka import Pull


class Backend(ABC):
    """The verbs of a step. Entry arrays have a number for each entry of the codes."""

    def __init__(self):
        self._gradients = {}

    @abstractmethod
    def encode(self, x, model, eligible, screen):
        """Return the codes of rows x (n, d), selected from those that are eligible (n,)."""

    @abstractmethod
    def decode(self, codes, components, start, stop):
        """Return what the features from `start` to `stop` rebuild, (..., n, d)."""

    @abstractmethod
    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slope along each entry: its row's pull times its direction, plus row_slopes.

        The pulls are those of groups of features that together are all of them.
        """

    @abstractmethod
    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill out (..., m, d), or add to it: for each feature its entries times their rows' pulls.

        The groups of features of the pulls are together all features.
        """

    @abstractmethod
    def feature_sums(self, codes, entries, out):
        """Fill out (..., m): for each feature the sum of its entries."""

    @abstractmethod
    def at_entries(self, codes, tensor):
        """Return values of features (..., m) so that they broadcast with entry arrays."""

    @abstractmethod
    def from_rows(self, codes, numbers):
        """Return numbers of rows (..., n) so that they broadcast with entry arrays."""

    @abstractmethod
    def row_counts(self, codes):
        """Return how many codes of each row fire, (..., n), in the dtype of the codes."""

    @abstractmethod
    def row_sums(self, codes):
        """Return the sum of the codes of each row, (..., n)."""

    @abstractmethod
    def n_fired(self, codes, n_components):
        """Return on how many rows each feature fired, (..., m)."""

    def rebuild(self, codes, x, components, factors, row_slopes):
        """Return squared errors (..., n), the pull of all features and the slopes along entries.

        The pull is the residual x_hat - x of each row times its factor.
        """
        m = components.shape[-2]
        residual = self.decode(codes, components, 0, m).sub_(x)
        errors = residual.square().sum(-1)
        pull = residual.mul_(factors[:, None])
        return errors, pull, self.slopes(codes, [Pull(0, m, pull)], components, row_slopes)

    def rebuild_nested(self, codes, x, components, factors, row_slopes, levels):
        """Return what `rebuild` does for nested prefixes, with a list of pulls, one per group.

        The errors are those of the full dictionary. The pull on a group is the sum of the weighted
        residuals of the levels that it takes part in.
        """
        residuals = []
        for start, stop in levels.groups():
            before = residuals[-1] if residuals else -x
            residuals.append(before + self.decode(codes, components, start, stop))
        errors = residuals[-1].square().sum(-1)
        parts = zip(levels.groups(), levels.weights, residuals, strict=True)
        pull, pulls = torch.zeros_like(residuals[-1]), []
        for (start, stop), weight, residual in reversed(list(parts)):
            pull = torch.addcmul(pull, residual, (weight * factors)[:, None])
            pulls.insert(0, Pull(start, stop, pull))
        return errors, pulls, self.slopes(codes, pulls, components, row_slopes)

    def update(
        self, tensors, adam, x, codes, pulls, pre_slopes, learned_slopes, rate, group, extra=None
    ):
        """Take a step of Adam.

        Parameters
        ----------
        tensors : Tensors
            Changed in place.
        adam : Adam
            Optimiser of these tensors.
        x : torch.Tensor of shape (n, d)
            Rows.
        codes : Codes or DenseCodes
            Codes of the rows.
        pulls : list of Pull
            The slopes of the loss along reconstructions.
        pre_slopes : entry array
            The slopes of the loss along pre-activations.
        learned_slopes : dict of str to entry array
            Those along further tensors, one number a feature.
        rate : float or torch.Tensor
            Learning rate.
        group : Alone or another group
            Sums gradients over processes.
        extra : Extra, optional
            Further gradients of some features.
        """
        gradients = self._gradients_like(tensors)
        toward = gradients["components"]
        self.accumulate(codes, codes.values, pulls, toward)
        rows = [Pull(0, toward.shape[-2], x)]
        if tensors.tied:
            self.accumulate(codes, pre_slopes, rows, toward, add=True)
        else:
            self.accumulate(codes, pre_slopes, rows, gradients["encoder"])
        for name, entries in {"bias": pre_slopes, **learned_slopes}.items():
            self.feature_sums(codes, entries, gradients[name])
        if extra is not None:
            features = slice(None) if extra.features is None else extra.features
            for name, gradient in extra.gradients.items():
                gradients[name][features] += gradient
        group.sum_(list(gradients.values()))
        descend(tensors, gradients, adam, rate)

    def _gradients_like(self, tensors):
        """Return room for gradients by name, taken once."""
        if not self._gradients:
            self._gradients = {name: torch.empty_like(tensors[name]) for name in tensors.trained}
        return self._gradients


def descend(tensors, gradients, adam, rate):
    """Move tensors along gradients, unit rows along the sphere.

    The gradient through the norm of a row is the gradient's part along the tangent.
    """
    unit = [name for name in tensors if tensors.specs[name].unit_rows]
    for name in unit:
        rows, toward = tensors[name], gradients[name]
        toward.addcmul_((toward * rows).sum(-1, keepdim=True), rows, value=-1)
    adam.step(gradients, rate)
    for name in unit:
        tensors[name].div_(torch.linalg.vector_norm(tensors[name], dim=-1, keepdim=True))
