"""Candidates of a path: alphas or target L0s."""

import numbers
from dataclasses import dataclass

import numpy as np

from skdict._validation import check_number
from skdict.decomposition._activation import is_penalised, penalty_kind
from skdict.decomposition._alpha_grid import alpha_grid

DEFAULT_N_ALPHAS = 8
EXAMPLES = {"alphas": "[0.05, 0.1, 0.2]", "target_l0s": "[16, 32, 64]"}


@dataclass(frozen=True)
class Candidates:
    """Values of the parameter that differs along a path.

    Attributes
    ----------
    name : {"alpha", "target_l0"}
        Name of the parameter of `SparseDictionaryAutoencoder`.
    values : ndarray of shape (n_candidates,) or int
        Increasing values, or the size of a grid of alphas that is yet to be derived from the rows.
    """

    name: str
    values: np.ndarray | int

    def __len__(self):
        return self.values if isinstance(self.values, int) else len(self.values)

    def on_rows(self, X, prototype):
        """Return candidates with the size of a grid replaced by the grid for these rows."""
        if not isinstance(self.values, int):
            return self
        grid = alpha_grid(X, self.values, center=prototype.center, rescale=prototype.rescale)
        return Candidates(self.name, grid)

    def params(self):
        """Return one dict of parameters per candidate, as a list."""
        return [{self.name: value} for value in self.values.tolist()]


def check_candidates(alphas, target_l0s, prototype):
    """Return the candidates of a path, after checking them.

    Parameters
    ----------
    alphas, target_l0s : object
        Values passed by the user.
    prototype : SparseDictionaryAutoencoder
        Estimator whose activation is used, with parameters that have been checked.

    Returns
    -------
    Candidates

    Raises
    ------
    ValueError
        If both parameters are given, the activation does not support the one that is, or the
        values are empty, out of range or not increasing.
    TypeError
        If the values are not numbers, or not whole numbers with "topk".
    """
    activation, penalised = prototype.activation, is_penalised(prototype)
    if not (penalised or isinstance(activation, str)):
        raise ValueError(
            f"activation={activation!r} sets its own sparsity, so neither alphas nor target_l0s "
            f"apply; pass another activation, or fit a SparseDictionaryAutoencoder"
        )
    if alphas is not None and target_l0s is not None:
        raise ValueError("alphas and target_l0s are both given; pass only one of them")
    if target_l0s is not None:
        return Candidates("target_l0", _check_targets(target_l0s, whole=activation == "topk"))
    if not penalised:
        raise ValueError(
            f"activation={activation!r} has no penalty, so alphas do not apply; pass "
            f"target_l0s={EXAMPLES['target_l0s']}"
        )
    if penalty_kind(prototype) == "l0" and (alphas is None or isinstance(alphas, numbers.Integral)):
        raise ValueError(
            f"a grid of alphas can be derived only for an L1 penalty, which "
            f"activation={activation!r} does not have; pass target_l0s={EXAMPLES['target_l0s']}, "
            f"or a list of alphas such as [0.001, 0.003, 0.01]"
        )
    return Candidates("alpha", _check_alphas(DEFAULT_N_ALPHAS if alphas is None else alphas))


def _check_alphas(alphas):
    """Return alphas as a float array, or the size of a grid as an int."""
    if isinstance(alphas, numbers.Number):
        check_number("alphas", alphas, low=1, integer=True, hint="or an increasing list of alphas")
        return int(alphas)
    hint = ", or the number of alphas, such as alphas=8"
    values = _as_numbers("alphas", alphas, hint)
    _check_range("alphas", values, values >= 0, ">= 0")
    return values.astype(np.float64)


def _check_targets(targets, whole):
    """Return target L0s as an array; integers stay integers."""
    values = _as_numbers("target_l0s", targets)
    if whole and values.dtype.kind == "f":
        raise TypeError(
            f"target_l0s={targets!r} is not accepted with activation='topk': pass whole numbers, "
            f"such as {EXAMPLES['target_l0s']}, or activation='batch_topk'"
        )
    _check_range("target_l0s", values, values > 0, "> 0")
    return values


def _as_numbers(name, given, hint=""):
    values = np.asarray(given)
    if values.ndim != 1 or len(values) == 0:
        raise ValueError(
            f"{name} has shape {values.shape}; pass a list of at least one number, such as "
            f"{name}={EXAMPLES[name]}{hint}"
        )
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name}={given!r} is not accepted: pass numbers, such as {EXAMPLES[name]}")
    return values


def _check_range(name, values, within, bound):
    within = within & np.isfinite(values)
    if not within.all():
        raise ValueError(
            f"{name} contains {values[~within].tolist()}; pass finite numbers {bound}, such as "
            f"{EXAMPLES[name]}"
        )
    if (np.diff(values) <= 0).any():
        raise ValueError(
            f"{name}={values.tolist()} does not increase strictly; pass np.unique({name})"
        )
