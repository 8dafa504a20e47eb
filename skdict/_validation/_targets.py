"""Validate the targets of a transcoder, and their alignment with the rows that it reads."""

import numpy as np
from sklearn.utils.validation import check_array

from skdict._validation._rows import as_numbers, is_sliced, refuse_streams
from skdict.activations import Activations

DTYPES = (np.float64, np.float32)
PROVENANCE = ("documents", "positions", "token_ids")


def check_targets(X, Y, owner, *, width=None):
    """Check the targets of rows, and return them with two dimensions.

    Memory maps and `Activations` are returned unchanged, to be read in slices; `check_finite`
    checks values block by block as they are read.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    Y : array-like of shape (n, d_out) or (n,)
        Their targets.
    owner : str
        Name of the estimator, for messages.
    width : int, optional
        Number of columns that Y must have.

    Returns
    -------
    array-like of shape (n, d_out)

    Raises
    ------
    ValueError
        If Y is None, has another number of rows than X or of columns than `width`, or contains
        complex numbers, text or dates; or if X and Y are `Activations` that differ in documents,
        positions or token ids.
    TypeError
        If Y is a sparse matrix or an iterable of batches.
    """
    if Y is None:
        raise ValueError(
            f"{owner} requires y to be passed, but the target y is None; pass the rows to predict, "
            f"such as the activations of the MLP's output for those of its input"
        )
    refuse_streams(Y, "Y")
    Y = as_numbers("Y", Y)
    if not is_sliced(Y) or Y.ndim != 2 or Y.dtype.kind != "f":
        options = {"ensure_2d": False, "ensure_all_finite": False, "input_name": "Y"}
        Y = check_array(np.asarray(Y) if is_sliced(Y) else Y, dtype=DTYPES, **options)
        Y = Y[:, None] if Y.ndim == 1 else Y
    _check_shape(X, Y, owner, width)
    if isinstance(X, Activations) and isinstance(Y, Activations):
        _check_provenance(X, Y)
    return Y


def _check_shape(X, Y, owner, width):
    if len(X) != len(Y):
        raise ValueError(
            f"X has {len(X)} rows but Y has {len(Y)}; pass one target for each row, such as two "
            f"hook points read in the same pass"
        )
    if width is not None and Y.shape[1] != width:
        raise ValueError(
            f"Y has {Y.shape[1]} columns but {owner} predicts {width}; pass targets from the hook "
            f"point it was fitted on"
        )


def _check_provenance(X, Y):
    """Raise ValueError if a row and its target are not those of the same token."""
    for name in PROVENANCE:
        there, here = np.asarray(getattr(X, name)), np.asarray(getattr(Y, name))
        differs = there != here
        if differs.any():
            row = int(np.argmax(differs))
            raise ValueError(
                f"X and Y differ in {name} at {differs.sum()} of {len(X)} rows, first at row {row}: "
                f"{there[row]} in X and {here[row]} in Y; read both hook points from the same "
                f"texts with the same options, and select the same rows of both"
            )
