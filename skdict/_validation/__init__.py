"""Validate input: every message says what was received, what is accepted and what to do next.

Floor 1: imports scikit-learn and `skdict.activations`; tensors are recognised by their methods.
"""

from skdict._validation._params import (
    check_choice,
    check_features,
    check_flag,
    check_json,
    check_number,
    check_random_state,
    is_fitted,
    shortened,
    told,
)
from skdict._validation._rows import (
    as_host_array,
    as_numbers,
    as_rows,
    check_finite,
    check_rows,
    compute_dtype,
    is_sliced,
)
from skdict._validation._targets import check_same_tokens, check_targets
from skdict._validation._texts import check_texts

__all__ = [
    "as_host_array",
    "as_numbers",
    "as_rows",
    "check_choice",
    "check_features",
    "check_finite",
    "check_flag",
    "check_json",
    "check_number",
    "check_random_state",
    "check_rows",
    "check_same_tokens",
    "check_targets",
    "check_texts",
    "compute_dtype",
    "is_fitted",
    "is_sliced",
    "shortened",
    "told",
]
