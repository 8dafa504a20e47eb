"""Validate the targets of a transcoder, and their alignment with the rows that it reads."""

import numpy as np
from sklearn.utils.validation import check_array

from skdict._validation._rows import as_numbers, is_sliced, refuse_streams
from skdict.activations import Activations

DTYPES = (np.float64, np.float32)
PROVENANCE = ("documents", "positions", "token_ids")


def check_targets(X, y, owner, *, width=None):
    """Check the targets of rows, and return them with two dimensions.

    Memory maps and `Activations` are returned unchanged, to be read in slices; `check_finite`
    checks values block by block as they are read.

    Parameters
    ----------
    X : array-like of shape (n, d)
        Rows, checked by `check_rows`.
    y : array-like of shape (n, d_out) or (n,)
        Their targets.
    owner : str
        Name of the estimator, for messages.
    width : int, optional
        Number of columns that y must have.

    Returns
    -------
    array-like of shape (n, d_out)

    Raises
    ------
    ValueError
        If y is None, has another number of rows than X or of columns than `width`, or contains
        complex numbers, text or dates; or if X and y are `Activations` that differ in documents,
        positions or token ids.
    TypeError
        If y is a sparse matrix or an iterable of batches.
    """
    if y is None:
        raise ValueError(
            f"{owner} requires y to be passed, but the target y is None; pass the rows to predict, "
            f"such as the activations of the MLP's output for those of its input"
        )
    refuse_streams(y, "y")
    y = as_numbers("y", y)
    if not is_sliced(y) or y.ndim != 2 or y.dtype.kind != "f":
        options = {"ensure_2d": False, "ensure_all_finite": False, "input_name": "y"}
        y = check_array(np.asarray(y) if is_sliced(y) else y, dtype=DTYPES, **options)
        y = y[:, None] if y.ndim == 1 else y
    _check_shape(X, y, owner, width)
    if isinstance(X, Activations) and isinstance(y, Activations):
        check_same_tokens(X, y)
    return y


def _check_shape(X, y, owner, width):
    if len(X) != len(y):
        raise ValueError(
            f"X has {len(X)} rows but y has {len(y)}; pass one target for each row, such as two "
            f"hook points read in the same pass"
        )
    if width is not None and y.shape[1] != width:
        raise ValueError(
            f"y has {y.shape[1]} columns but {owner} predicts {width}; pass targets from the hook "
            f"point it was fitted on"
        )


def check_same_tokens(X, y, names=("X", "y")):
    """Check that two `Activations` of equal length hold rows of the same tokens.

    Parameters
    ----------
    X, y : Activations
        Rows to compare.
    names : (str, str), default=("X", "y")
        Names of the two in the message.

    Raises
    ------
    ValueError
        If documents, positions or token ids differ in a row; the message names the first one.
    """
    one, other = names
    for name in PROVENANCE:
        there, here = np.asarray(getattr(X, name)), np.asarray(getattr(y, name))
        differs = there != here
        if differs.any():
            row = int(np.argmax(differs))
            raise ValueError(
                f"{one} and {other} differ in {name} at {differs.sum()} of {len(X)} rows, first at "
                f"row {row}: {there[row]} in {one} and {here[row]} in {other}; read both from the "
                f"same texts with the same options, and select the same rows of both"
            )
