"""Names of the files, tensors and settings in a SAELens directory."""

import hashlib
import json

CONFIG = "cfg.json"
WEIGHTS = "sae_weights.safetensors"
FILES = f"{CONFIG} with {WEIGHTS} (SAELens)"
# Factor on the rows, in checkpoints whose weights do not contain it yet.
SCALER = "activation_scaler.json"
SUBTRACTS_B_DEC = "apply_b_dec_to_input"
NORMALIZES = "normalize_activations"
RESHAPES = "reshape_activations"
# With topk: rank features by pre-activation times decoder norm.
RANKS_BY_NORM = "rescale_acts_by_decoder_norm"

# Layout of the tensors of each architecture; see `take`.
BASE = {"W_enc": "dn", "b_enc": "n", "W_dec": "nd", "b_dec": "d"}
GATED = {"W_enc": "dn", "b_gate": "n", "b_mag": "n", "r_mag": "n", "W_dec": "nd", "b_dec": "d"}
TRANSCODER = BASE | {"W_dec": "no", "b_dec": "o"}
THRESHOLD, SKIP = {"threshold": "n"}, {"W_skip": "od"}
LAYOUTS = {
    "standard": BASE,
    "gated": GATED,
    "topk": BASE,
    "abstopk": BASE,
    "jumprelu": BASE | THRESHOLD,
    "batchtopk": BASE,
    "matryoshka_batchtopk": BASE,
    "transcoder": TRANSCODER,
    "skip_transcoder": TRANSCODER | SKIP,
    "jumprelu_transcoder": TRANSCODER | THRESHOLD,
    "jumprelu_skip_transcoder": TRANSCODER | THRESHOLD | SKIP,
}
# Checkpoints of training; SAELens exports them as "jumprelu".
BATCH_TOPK = ("batchtopk", "matryoshka_batchtopk")
RANKED = ("topk", "abstopk")
OTHER_FORMS = {
    "temporal": "its codes depend on other tokens of the sequence",
    "matching_pursuit": "its codes solve a problem for each row and have no encoder of this form",
}

# Hash by which skdict detects damage to a directory that it wrote; SAELens ignores it.
DIGEST = "skdict_sha256"


def digest(config, weights_sha256):
    """Return a hash of the settings, without their own hash, and of the weights file."""
    rest = {name: value for name, value in config.items() if name != DIGEST}
    text = json.dumps([rest, weights_sha256], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
