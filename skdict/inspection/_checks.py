"""Check codes and the activations they belong to."""

import numpy as np
import scipy.sparse

from skdict._validation import as_numbers
from skdict.activations import Activations


def check_activations(activations, name="activations"):
    """Return `activations`, or raise TypeError naming the parameter if rows have no tokens."""
    if not isinstance(activations, Activations):
        raise TypeError(
            f"{name} is {type(activations).__name__}; pass Activations, which store the token of "
            f"each row, such as ActivationExtractor returns"
        )
    return activations


def check_codes(codes, activations):
    """Return codes as a CSR array without duplicate entries, checked against their activations.

    Raises
    ------
    TypeError
        If `activations` is not an `Activations` object.
    ValueError
        If `codes` and `activations` have different numbers of rows, or a code is not finite.
    """
    check_activations(activations)
    if not scipy.sparse.issparse(codes):
        codes = np.asarray(as_numbers("codes", codes))
    codes = scipy.sparse.csr_array(codes)
    if codes.ndim != 2 or codes.shape[0] != len(activations):
        raise ValueError(
            f"codes have shape {codes.shape} but activations have {len(activations)} rows; pass "
            f"the codes of these activations, of shape ({len(activations)}, n_features)"
        )
    if not codes.has_canonical_format:
        codes = codes.copy()
        codes.sum_duplicates()
    if not np.isfinite(codes.data).all():
        raise ValueError("codes contain NaN or infinity; check the activations and the dictionary")
    return codes
