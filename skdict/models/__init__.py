"""Hugging Face models: loading them, naming places in them, reading there.

Floor 1: imports torch and transformers, no scikit-learn and no other part of skdict.
transformers itself is imported when a model is loaded, not before.
"""

from skdict.models._fingerprint import fingerprint as fingerprint  # for use within skdict
from skdict.models._hook_points import HookPoint, find_hook_point, hook_points
from skdict.models._hooks import capture
from skdict.models._loading import describe_model, evaluation_mode, load_model
from skdict.models._loading import file_stamp as file_stamp  # for use within skdict
from skdict.models._loading import read_model as read_model  # for use within skdict
from skdict.models._placement import input_device as input_device  # for use within skdict
from skdict.models._state_hash import NotHashedError as NotHashedError  # for use within skdict
from skdict.models._token_checks import check_reads_tokens as check_reads_tokens  # as above
from skdict.models._token_checks import check_token_ids as check_token_ids  # as above
from skdict.models._token_checks import check_tokenizer as check_tokenizer  # as above
from skdict.models._tokens import TokenizedText, encode_texts, readable_pieces, special_ids
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
