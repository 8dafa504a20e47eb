"""Load Hugging Face models, find hook points in them, and read or edit activations there.

Floor 1: imports torch, transformers and `_core`, but neither scikit-learn nor any other part of
skdict. transformers is imported only when a model is loaded.
"""

from skdict.models._embeddings import embedding_matrix
from skdict.models._encoders import check_continues_texts, text_reader
from skdict.models._fingerprint import fingerprint
from skdict.models._hook_points import (
    HookPoint,
    find_blocks,
    find_hook_point,
    hook_points,
    writes_to_the_residual_stream,
)
from skdict.models._hooks import capture
from skdict.models._loading import (
    describe_model,
    file_stamp,
    load_model,
    loaded_model,
    loaded_pair,
    read_model,
)
from skdict.models._mlp import find_mlp
from skdict.models._padding import as_rows, batches_of_like_length, context_length, pad, run
from skdict.models._placement import input_device
from skdict.models._reinitialized import reinitialize_model
from skdict.models._residual_stream import norm_before, residual_stream_width
from skdict.models._resuming import ForwardFrom, at_least_float32
from skdict.models._running import evaluation_mode, hooks_at_rest, one_pass_at_a_time
from skdict.models._state_hash import NotHashedError
from skdict.models._token_checks import check_reads_tokens, check_token_ids, check_tokenizer
from skdict.models._tokens import TokenizedText, encode_texts, readable_pieces, special_ids
from skdict.models._tracking import PassTracker
from skdict.models._transformer_lens import from_transformer_lens, to_transformer_lens
from skdict.models._verification import verify_found, verify_hook_points

__all__ = [
    "capture",
    "find_hook_point",
    "hook_points",
    "load_model",
]
