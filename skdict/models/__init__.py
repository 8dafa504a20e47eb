"""Hugging Face models: loading them, naming places in them, reading and editing there.

Floor 1: imports torch, transformers and `_core`, no scikit-learn and no other part of skdict.
transformers itself is imported when a model is loaded, not before.
"""

from skdict.models._encoders import check_continues_texts as check_continues_texts
from skdict.models._encoders import text_reader as text_reader
from skdict.models._fingerprint import fingerprint as fingerprint  # for use within skdict
from skdict.models._hook_points import HookPoint, find_hook_point, hook_points
from skdict.models._hook_points import find_blocks as find_blocks  # for use within skdict
from skdict.models._hook_points import (
    writes_to_the_residual_stream as writes_to_the_residual_stream,
)
from skdict.models._hooks import capture
from skdict.models._loading import describe_model, load_model
from skdict.models._loading import file_stamp as file_stamp  # for use within skdict
from skdict.models._loading import loaded_model as loaded_model
from skdict.models._loading import loaded_pair as loaded_pair
from skdict.models._loading import read_model as read_model
from skdict.models._padding import as_rows as as_rows
from skdict.models._padding import batches_of_like_length as batches_of_like_length
from skdict.models._padding import context_length as context_length
from skdict.models._padding import pad as pad
from skdict.models._padding import run as run
from skdict.models._placement import input_device as input_device
from skdict.models._reinitialized import reinitialize_model as reinitialize_model
from skdict.models._resuming import ForwardFrom as ForwardFrom
from skdict.models._resuming import at_least_float32 as at_least_float32
from skdict.models._running import evaluation_mode
from skdict.models._running import hooks_at_rest as hooks_at_rest
from skdict.models._running import one_pass_at_a_time as one_pass_at_a_time
from skdict.models._state_hash import NotHashedError as NotHashedError
from skdict.models._token_checks import check_reads_tokens as check_reads_tokens
from skdict.models._token_checks import check_token_ids as check_token_ids
from skdict.models._token_checks import check_tokenizer as check_tokenizer
from skdict.models._tokens import TokenizedText, encode_texts, readable_pieces, special_ids
from skdict.models._tracking import PassTracker as PassTracker
from skdict.models._verification import verify_found as verify_found
from skdict.models._verification import verify_hook_points

__all__ = [
    "HookPoint",
    "TokenizedText",
    "capture",
    "describe_model",
    "encode_texts",
    "evaluation_mode",
    "find_hook_point",
    "hook_points",
    "load_model",
    "readable_pieces",
    "special_ids",
    "verify_hook_points",
]
