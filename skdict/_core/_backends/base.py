"""The interface of back ends, and the update step built on it."""

from abc import ABC, abstractmethod

import torch

from skdict._core._group import ALONE
from skdict._core._objectives.matryoshka import Pull


def torch_product(left, right, out):
    """Fill `out` with the product of two matrices, or of stacks of matrices, and return it."""
    return torch.matmul(left, right, out=out)


class Backend(ABC):
    """Base class of back ends. Entry arrays have one number for each entry of the codes.

    A "slope" is the gradient of the loss with respect to an entry, and a `Pull` its gradient with
    respect to the reconstructions.

    Parameters
    ----------
    multiply : callable, optional
        Product of dense matrices, ``multiply(left, right, out)``; that of torch by default.
    """

    def __init__(self, multiply=torch_product):
        self._multiply = multiply
        self._gradients = {}

    @abstractmethod
    def encode(self, x, model, eligible, screen):
        """Return the codes of rows x (n, d); only rows in the mask `eligible` (n,) compete."""

    @abstractmethod
    def decode(self, codes, components, start, stop):
        """Return the contribution of features `start` to `stop` to reconstructions, (..., n, d)."""

    @abstractmethod
    def slopes(self, codes, pulls, components, row_slopes):
        """Return the slope of each entry: its row's pull times its direction, plus `row_slopes`.

        The groups of features of the pulls together cover all features.
        """

    @abstractmethod
    def accumulate(self, codes, entries, pulls, out, *, add=False):
        """Fill `out` (..., m, d), or add to it, with each feature's entries times its rows' pulls.

        The groups of features of the pulls together cover all features.
        """

    @abstractmethod
    def feature_sums(self, codes, entries, out):
        """Fill `out` (..., m) with the sum of the entries of each feature."""

    @abstractmethod
    def at_entries(self, codes, tensor):
        """Broadcast one number per feature (..., m) to entry arrays."""

    @abstractmethod
    def from_rows(self, codes, numbers):
        """Broadcast one number per row (..., n) to entry arrays."""

    @abstractmethod
    def row_counts(self, codes):
        """Return the number of codes that fire in each row, (..., n), in the dtype of the codes."""

    @abstractmethod
    def row_sums(self, codes):
        """Return the sum of the codes of each row, (..., n)."""

    @abstractmethod
    def n_fired(self, codes, n_components):
        """Return the number of rows on which each feature fired, (..., m)."""

    def without_skip(self, tensors, x, target):
        """Return what codes must reconstruct: targets (n, d_out) minus the skip connection of x."""
        if "skip" not in tensors:
            return target
        skip = tensors["skip"]
        passed = x.new_empty(*skip.shape[:-2], *target.shape)
        self._multiply(x, skip, passed)
        return torch.sub(target, passed, out=passed)

    def rebuild(self, codes, target, components, factors, row_slopes, features=ALONE):
        """Reconstruct rows; return squared errors (..., n), the pull, and the slopes of entries.

        The pull is the residual, reconstruction minus target, of each row times its factor. The
        processes of the group `features` each contribute their features.
        """
        m = components.shape[-2]
        residual = self.decode(codes, components, 0, m)
        features.sum_([residual])
        residual.sub_(target)
        errors = residual.square().sum(-1)
        pull = residual.mul_(factors[:, None])
        return errors, pull, self.slopes(codes, [Pull(0, m, pull)], components, row_slopes)

    def rebuild_nested(
        self, codes, target, components, factors, row_slopes, levels, features=ALONE
    ):
        """Reconstruct rows like `rebuild`, for nested prefixes; return one pull per group.

        The errors are those of the full dictionary. The pull on a group is the sum of the weighted
        residuals of the levels that it belongs to.
        """
        residuals = []
        for start, stop in levels.groups():
            before = residuals[-1] if residuals else -target
            part = self.decode(codes, components, start, stop)
            features.sum_([part])
            residuals.append(before + part)
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
            Tensors to update in place.
        adam : Adam
            Optimiser of these tensors.
        x : torch.Tensor of shape (n, d)
            Rows.
        codes : Codes or DenseCodes
            Codes of the rows.
        pulls : list of Pull
            Gradient with respect to reconstructions, for each group of features.
        pre_slopes : entry array
            Gradient with respect to pre-activations.
        learned_slopes : dict of str to entry array
            Contributions of entries to the gradients of learned tensors, by name.
        rate : float or torch.Tensor
            Learning rate.
        group : Alone or another group
            Processes that train the dictionary; gradients are summed over those that share rows.
        extra : Extra, optional
            Additional gradients of some features.
        """
        gradients = self._gradients_like(tensors)
        toward = gradients["components"]
        self.accumulate(codes, codes.values, pulls, toward)
        if "skip" in tensors:
            self._multiply(x.mT, of_all_levels(pulls), gradients["skip"])
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
        group.rows.sum_(list(gradients.values()))
        descend(tensors, gradients, adam, rate)

    def _gradients_like(self, tensors):
        """Return buffers for the gradients by name, allocated once."""
        if not self._gradients:
            self._gradients = {name: torch.empty_like(tensors[name]) for name in tensors.trained}
        return self._gradients


def of_all_levels(pulls):
    """Return the gradient with respect to what is added to the reconstruction of every level.

    The first group of features belongs to all levels, so it is the pull on that group.
    """
    return pulls[0].slopes


def descend(tensors, gradients, adam, rate):
    """Update tensors along their gradients, keeping unit rows on the sphere.

    The gradient of a unit row is projected onto the tangent space, which is the gradient through
    normalisation.
    """
    unit = [name for name in tensors if tensors.specs[name].unit_rows]
    for name in unit:
        rows, toward = tensors[name], gradients[name]
        toward.addcmul_((toward * rows).sum(-1, keepdim=True), rows, value=-1)
    adam.step(gradients, rate)
    for name in unit:
        tensors[name].div_(torch.linalg.vector_norm(tensors[name], dim=-1, keepdim=True))
