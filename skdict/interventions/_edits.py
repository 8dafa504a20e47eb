"""Edits of the features of a running model."""

import numpy as np
import torch

from skdict._validation import as_rows, check_choice, check_number
from skdict.decomposition import finite_blocks
from skdict.interventions._codes_to_activations import decoded, through_codes
from skdict.interventions._frozen_dictionary import check_features
from skdict.interventions._patch import Patch
from skdict.interventions.erasure._erase import Erase


class Ablate:
    """Set the codes of features to zero, to their mean or to another value.

    Parameters
    ----------
    features : int or sequence of int
        Features to ablate.
    value : {"zero", "mean"} or float, default="zero"
        Code at every edited position, in activation units.
    rows : array-like of shape (n_samples, n_features), optional
        Activations over which the mean codes are computed, read in blocks; for a transcoder, at
        the hook point that it reads. Required for "mean".

    Raises
    ------
    ValueError
        If `value` is another string or not finite, or is "mean" without `rows`.
    TypeError
        If `value` is neither a string nor a number.

    See Also
    --------
    Project : Remove the decoder direction of a feature at every position, even where it is silent.

    Examples
    --------
    >>> from skdict.interventions import Ablate
    >>> Ablate([12, 90])
    Ablate([12, 90], value='zero')
    """

    def __init__(self, features, value="zero", *, rows=None):
        if isinstance(value, str):
            check_choice("value", value, ("zero", "mean"))
        else:
            check_number("value", value, hint="or 'zero' or 'mean'")
        if value == "mean" and rows is None:
            raise ValueError("value='mean' is given without rows; pass rows=activations")
        self.features, self.value, self.rows = features, value, rows

    def __repr__(self):
        return f"Ablate({self.features!r}, value={self.value!r})"

    def _bind(self, dictionary, error):
        features = check_features(self.features, dictionary)
        value = 0.0 if self.value == "zero" else self.value
        if value == "mean":
            value = mean_codes(dictionary, self.rows)[features]

        def change(codes, start):
            codes[..., features] = value
            return codes

        return through_codes(dictionary, change, error=error)


class Steer:
    """Add a value to the codes of features, set them to it, or multiply them by it.

    Parameters
    ----------
    features : int or sequence of int
        Features to steer.
    value : float
        Value in activation units for "add" and "clamp"; factor for "scale".
    mode : {"add", "clamp", "scale"}, default="add"
        Type of edit. "add" adds `value` at every edited position, even where the feature does not
        fire; "clamp" sets the code to `value`; "scale" multiplies the code by `value`, so it acts
        only where the feature fires.

    Raises
    ------
    ValueError
        If `value` is not finite or `mode` is unknown.
    TypeError
        If `value` is not a number.

    See Also
    --------
    Ablate : Set features to zero or to their mean.

    Examples
    --------
    >>> from skdict.interventions import Steer
    >>> Steer(3, 8.0, mode="clamp")
    Steer(3, 8.0, mode='clamp')
    """

    def __init__(self, features, value, mode="add"):
        check_number("value", value)
        check_choice("mode", mode, ("add", "clamp", "scale"))
        self.features, self.value, self.mode = features, value, mode

    def __repr__(self):
        return f"Steer({self.features!r}, {self.value!r}, mode={self.mode!r})"

    def _bind(self, dictionary, error):
        features = check_features(self.features, dictionary)

        def change(codes, start):
            if self.mode == "add":
                codes[..., features] += self.value
            elif self.mode == "clamp":
                codes[..., features] = self.value
            else:
                codes[..., features] *= self.value
            return codes

        return through_codes(dictionary, change, error=error)


class Reconstruct:
    """Replace activations with their reconstruction.

    Parameters
    ----------
    features : int, sequence of int or None, default=None
        Features to reconstruct from. None uses all features.

    Notes
    -----
    Other edits keep the reconstruction error by default. This one always drops it, as
    ``error="drop"`` does. For a transcoder, the reconstruction is its prediction, which includes
    the skip connection.

    Examples
    --------
    >>> from skdict.interventions import Reconstruct
    >>> Reconstruct()
    Reconstruct(None)
    """

    def __init__(self, features=None):
        self.features = features

    def __repr__(self):
        return f"Reconstruct({self.features!r})"

    def _bind(self, dictionary, error):
        features = check_features(self.features, dictionary)
        left_out = torch.ones(len(dictionary.components), dtype=torch.bool)
        left_out[features] = False

        def change(codes, start):
            codes[..., left_out.to(codes.device)] = 0
            return codes

        return through_codes(dictionary, change, error="drop")


class Project:
    r"""Project the decoder directions of features out of the activations.

    .. math:: x - (x - x_0) F^+ F

    F holds the decoder directions, and :math:`F^+` is its pseudo-inverse. At every edited position,
    even where the features do not fire, the components along F become those of :math:`x_0`.

    Parameters
    ----------
    features : int or sequence of int
        Features whose decoder directions are projected out.
    center : array-like of shape (width,) or None, default=None
        Point :math:`x_0`, such as the mean activation. None uses the origin, as in Cunningham
        et al. (2023, first version).

    See Also
    --------
    Ablate : Remove only what the code of a feature contributes, where it fires.

    Examples
    --------
    >>> from skdict.interventions import Project
    >>> Project([7])
    Project([7])
    """

    def __init__(self, features, *, center=None):
        self.features, self.center = features, center

    def __repr__(self):
        return f"Project({self.features!r})"

    def _bind(self, dictionary, error):
        features = check_features(self.features, dictionary)
        atoms = dictionary.components[features].double()
        # The rows are an orthonormal basis of the span; drop numerically zero directions.
        _, sizes, basis = torch.linalg.svd(atoms, full_matrices=False)
        smallest = sizes.max() * max(atoms.shape) * torch.finfo(atoms.dtype).eps
        basis = basis[sizes > smallest].to(dictionary.components)
        center = self._center(dictionary)

        def rewrite(x, y, edited, start):
            base = y
            if error == "drop":
                codes = dictionary.encode(x)
                base = decoded(dictionary, codes, x, codes, edited)
            projected = base - ((base - center) @ basis.T) @ basis
            return torch.where(edited[..., None], projected, y)

        return rewrite

    def _center(self, dictionary):
        offset = dictionary.offset
        if self.center is None:
            return torch.zeros_like(offset)
        center = torch.as_tensor(self.center).to(offset)
        if center.shape != offset.shape:
            raise ValueError(
                f"center has shape {tuple(center.shape)}; pass an array of shape "
                f"({len(offset)},), one number for each dimension"
            )
        return center


class Replace:
    """Replace every edited activation with one row; needs no dictionary.

    Parameters
    ----------
    row : torch.Tensor of shape (width,)
        Row to insert.
    """

    _needs_codes = False

    def __init__(self, row):
        self.row = row

    def _bind(self, dictionary, error):
        return lambda x, y, edited, start: torch.where(edited[..., None], self.row.to(y), y)


def bind_edit(edit, dictionary, error):
    """Return the function that rewrites activations by an edit; reject anything else."""
    if hasattr(edit, "transform") and not isinstance(edit, type):
        edit = Erase(edit)
    if dictionary is None and getattr(edit, "_needs_codes", True):
        raise TypeError(f"dictionary is None but {edit!r} edits codes; pass a fitted dictionary")
    if not isinstance(edit, Patch):
        _refuse_target(edit, error)
    if hasattr(edit, "_bind") and not isinstance(edit, type):
        return edit._bind(dictionary, error)
    if isinstance(edit, (list, tuple)):
        raise TypeError(
            f"edit={edit!r} is a {type(edit).__name__}, but a block applies one edit; nest one "
            f"`with intervene(...)` block for each edit"
        )
    if not callable(edit) or isinstance(edit, type):
        raise TypeError(
            f"edit={edit!r} is not accepted: pass Ablate, Steer, Patch, Project, Reconstruct, a "
            f"fitted eraser such as LEACE, or a function of codes (texts, tokens, features) that "
            f"returns new ones"
        )
    return through_codes(dictionary, lambda codes, start: edit(codes), error=error)


def _refuse_target(edit, error):
    if error == "target":
        raise ValueError(
            f"error='target' takes the reconstruction error of another run, but {edit!r} has none; "
            f"use Patch(activations), or error='keep' or 'drop'"
        )


def mean_codes(dictionary, rows):
    """Return the mean code of each feature over rows, of shape (m,), summed in float64."""
    rows = as_rows(rows)
    total = torch.zeros(len(dictionary.components), dtype=torch.float64)
    for _, block in finite_blocks(rows, name="rows"):
        block = torch.from_numpy(np.ascontiguousarray(block)).to(dictionary.offset)
        codes = dictionary.encode(block)
        total += codes.double().sum(dim=0).cpu()
    return (total / len(rows)).to(dictionary.offset)
