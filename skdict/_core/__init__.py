"""The torch core: train dictionaries and compute codes on tensors.

Floor 0: imports torch, numpy and scipy, and no other part of skdict.

Shapes in this package use `n` for rows, `d` for the width of the model and `m` for features.
A tilde in formulas marks rows after centring and scaling.
"""

from skdict._core._agreement import agreed, check_same
from skdict._core._batches import Batch, iter_blocks, sample_rows, shuffled_batches
from skdict._core._device import resolve_device, without_autocast
from skdict._core._dictionary import (
    AffineDictionary,
    AffineTranscoder,
    Gate,
    HostDictionary,
    HostTranscoder,
)
from skdict._core._group import ALONE
from skdict._core._inference import active_codes, iter_active_codes, iter_codes, to_csr
from skdict._core._moments import RunningMoments
from skdict._core._nonlinearities import NONLINEARITIES, Nonlinearity
from skdict._core._objectives import L0, L1, Levels, TargetL0
from skdict._core._outliers import (
    MEDIANS,
    InlierMoments,
    OutlierRule,
    distances,
    find_outlier_rule,
    outlier_weights,
)
from skdict._core._processes import open_group
from skdict._core._shared_batches import shared_batches
from skdict._core._stack import Stack
from skdict._core._start import (
    calibrate_bias,
    calibrate_decoder,
    draw_encoder,
    random_tensors,
    with_skip,
)
from skdict._core._tensors import Tensors
from skdict._core._trainer import Trainer
from skdict._core._weights import Weights

__all__ = [
    "ALONE",
    "L0",
    "L1",
    "MEDIANS",
    "NONLINEARITIES",
    "AffineDictionary",
    "AffineTranscoder",
    "Batch",
    "Gate",
    "HostDictionary",
    "HostTranscoder",
    "InlierMoments",
    "Levels",
    "Nonlinearity",
    "OutlierRule",
    "RunningMoments",
    "Stack",
    "TargetL0",
    "Tensors",
    "Trainer",
    "Weights",
    "active_codes",
    "agreed",
    "calibrate_bias",
    "calibrate_decoder",
    "check_same",
    "distances",
    "draw_encoder",
    "find_outlier_rule",
    "iter_active_codes",
    "iter_blocks",
    "iter_codes",
    "open_group",
    "outlier_weights",
    "random_tensors",
    "resolve_device",
    "sample_rows",
    "shared_batches",
    "shuffled_batches",
    "to_csr",
    "with_skip",
    "without_autocast",
]
