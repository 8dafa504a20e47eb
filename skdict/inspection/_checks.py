"""Checks of codes and of the rows that they are of."""

import numpy as np
import scipy.sparse

from skdict._validation import as_numbers
from skdict.activations import Activations


def check_activations(activations, name="activations"):
    """Return rows, refused by the parameter's name if they carry no tokens (`TypeError`)."""
    if not isinstance(activations, Activations):
        raise TypeError(
            f"{name} is {type(activations).__name__}; pass Activations, which know the token of "
            f"each row, as ActivationExtractor gives them"
        )
    return activations


def check_codes(codes, activations):
    """Return codes as CSR with one entry for each place, checked against the rows they are of.

    Raises
    ------
    TypeError
        If `activations` carry no tokens.
    ValueError
        If codes and activations differ in rows, or a code is not finite.
    """
    check_activations(activations)
    if not scipy.sparse.issparse(codes):
        codes = np.asarray(as_numbers("codes", codes))
    codes = scipy.sparse.csr_array(codes)
    if codes.ndim != 2 or codes.shape[0] != len(activations):
        raise ValueError(
            f"codes have shape {codes.shape} and activations {len(activations)} rows; pass the "
            f"codes of these activations, of shape ({len(activations)}, n_features)"
        )
    if not codes.has_canonical_format:
        codes = codes.copy()
        codes.sum_duplicates()
    if not np.isfinite(codes.data).all():
        raise ValueError("codes hold NaN or infinity; look for it in the rows and the dictionary")
    return codes
