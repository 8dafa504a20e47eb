"""Interpret the parameters `activation` and `target_l0`."""

from skdict._core import L0, L1, NONLINEARITIES, Nonlinearity, TargetL0
from skdict._validation import check_number

DEFAULT_K = 32


def check_activation(sae):
    """Raise ValueError or TypeError for an unknown activation or an unsuitable `target_l0`."""
    activation, target = sae.activation, sae.target_l0
    if not isinstance(activation, Nonlinearity) and activation not in tuple(NONLINEARITIES):
        told = ", ".join(map(repr, NONLINEARITIES))
        raise (ValueError if isinstance(activation, str) else TypeError)(
            f"activation={activation!r} is not accepted: pass one of {told}, or an instance of a "
            f"subclass of skdict.decomposition.Nonlinearity"
        )
    if target is None:
        return
    if activation == "topk":
        hint = "it is the number of codes of each row; activation='batch_topk' accepts a mean"
        check_number("target_l0", target, low=1, integer=True, hint=hint)
        return
    check_number("target_l0", target, above=0, hint="it is the number of active codes per row")
    if not is_penalised(sae) and activation not in tuple(NONLINEARITIES):
        raise ValueError(
            f"target_l0={target} has no effect with activation={activation!r}, which sets its own "
            f"sparsity; pass target_l0=None"
        )
    if penalty_kind(sae) == "l1" and sae.alpha == 0:
        raise ValueError(
            "alpha=0 cannot be adjusted to reach target_l0; pass a positive initial value, such as "
            "alpha=0.1"
        )


def check_batches(sae, n_rows, n_processes=1):
    """Raise ValueError if a process would get no row or "batch_topk" no code of a batch."""
    smallest = n_rows // -(-n_rows // sae.batch_size)
    if smallest < n_processes:
        raise ValueError(
            f"batches of {smallest} rows cannot be shared by {n_processes} processes; raise "
            f"batch_size, start fewer processes, or pass shard='components'"
        )
    if sae.activation != "batch_topk" or sae.target_l0 is None:
        return
    if sae.target_l0 * smallest < 1:
        raise ValueError(
            f"target_l0={sae.target_l0} selects no code from a batch of {smallest} rows; raise "
            f"target_l0 or batch_size, or pass more rows"
        )


def penalty_kind(sae):
    """Return the kind of penalty of the activation: "l1", "l0" or None."""
    return NONLINEARITIES.get(_name(sae), sae.activation).penalty


def is_penalised(sae):
    """Return True if codes are made sparse by a penalty rather than a selection."""
    return penalty_kind(sae) is not None


def is_steered(sae):
    """Return True if a penalty is adjusted to reach `target_l0` on held-out rows."""
    return is_penalised(sae) and sae.target_l0 is not None


def penalty_of(sae, alpha):
    """Return the penalty that an estimator trains with, for a given alpha."""
    kind = penalty_kind(sae)
    if kind == "l0":
        return L0(alpha) if sae.target_l0 is None else TargetL0(sae.target_l0)
    return L1(alpha if kind == "l1" else 0.0)


def is_calibrated(sae):
    """Return True if a threshold is set from rows after training."""
    return NONLINEARITIES.get(_name(sae), sae.activation).calibrated


def nonlinearity_of(sae, n_components):
    """Return the nonlinearity that an estimator trains with."""
    name = _name(sae)
    if name is None:
        return sae.activation
    if is_penalised(sae):
        return NONLINEARITIES[name]()
    target = sae.target_l0
    if target is None:
        target = min(DEFAULT_K, max(1, n_components // 4))
    return NONLINEARITIES[name](int(target) if name == "topk" else float(target))


def _name(sae):
    """Return the name of a built-in activation, or None for a custom one."""
    return sae.activation if isinstance(sae.activation, str) else None
