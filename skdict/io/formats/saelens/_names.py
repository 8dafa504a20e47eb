"""Names of the files, tensors and settings in a SAELens directory."""

import hashlib
import json

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
SUBTRACTS_B_DEC = "apply_b_dec_to_input"
RESHAPES = "reshape_activations"
# With topk: rank features by pre-activation times decoder norm.
RANKS_BY_NORM = "rescale_acts_by_decoder_norm"


# Hash by which skdict detects damage to a directory that it wrote; SAELens ignores it.
DIGEST = "skdict_sha256"


def digest(config, weights_sha256):
    """Return a hash of the settings, without their own hash, and of the weights file."""
    rest = {name: value for name, value in config.items() if name != DIGEST}
    text = json.dumps([rest, weights_sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def tensor_shapes(architecture, d_in, d_sae):
    """Return the shape of each tensor of an architecture."""
    shapes = {
        "W_enc": (d_in, d_sae),
        "b_enc": (d_sae,),
        "W_dec": (d_sae, d_in),
        "b_dec": (d_in,),
    }
    return shapes | ({"threshold": (d_sae,)} if architecture == "jumprelu" else {})
