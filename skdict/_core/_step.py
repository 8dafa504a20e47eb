"""One training step: codes, reconstruction, gradients, and a step of Adam."""

from skdict._core._codes import BatchSums
from skdict._core._objectives.auxk import aux_gradients
from skdict._core._objectives.matryoshka import differentiate


def take_step(backend, model, adam, x, weights, n_rows, rate, screen=None, dead=None, target=None):
    r"""Train on rows and return the measurements taken before the update.

    .. math:: L = \frac{1}{n} \sum_i w_i \left( \|y_i - x_i A - c_i D\|^2 + P(c_i) \right)

    The codes c are those of x. An autoencoder has y = x and no skip connection A.

    Parameters
    ----------
    backend : Backend
        Implementation of the computations.
    model : Model
        Dictionary in training and its objective.
    adam : Adam
        Optimiser of the model's tensors.
    x : torch.Tensor of shape (n, d)
        Rows of this process.
    weights : torch.Tensor of shape (n,)
        Weight of each row in the objective.
    n_rows : int
        Number of rows of the batch in all processes.
    rate : float or torch.Tensor
        Learning rate.
    screen : Screen, optional
        Screen with which a sparse back end finds entries.
    dead : torch.Tensor of shape (..., m), dtype bool, optional
        Mask of the dead features that reconstruct the residual (see `aux_gradients`); none by
        default.
    target : torch.Tensor of shape (n, d_out), optional
        Rows y to reconstruct; x by default.

    Returns
    -------
    BatchSums
    """
    tensors, nonlinearity, penalty = model.tensors, model.nonlinearity, model.penalty
    codes = backend.encode(x, model, weights == 1, screen)
    factors = weights / n_rows
    counts, l0 = _count(backend, model, codes, factors)
    errors, pulls, slopes = differentiate(
        backend,
        codes,
        backend.without_skip(tensors, x, x if target is None else target),
        tensors.components,
        factors,
        penalty.row_slopes(factors),
        model.levels,
        model.group.features,
    )
    learned = {name: backend.at_entries(codes, tensors[name]) for name in nonlinearity.learned(0)}
    gates = penalty.gate_slopes(factors, l0)
    gates = () if gates is None else (backend.from_rows(codes, gates),)
    slopes = nonlinearity.backward(codes, slopes, learned, *gates)
    sums = BatchSums(
        errors,
        _penalties(backend, model, codes, counts, l0),
        backend.n_fired(codes, tensors.components.shape[-2]),
    )
    extra = None
    if dead is not None:
        full = -2 * model.levels.weights[-1] * factors
        extra = aux_gradients(model, x, factors, pulls[-1].slopes / full[:, None], dead)
    backend.update(tensors, adam, x, codes, pulls, *slopes, rate, model.group, extra)
    nonlinearity.project(tensors)
    return sums


def _penalties(backend, model, codes, counts, l0):
    """Return the penalty of each row on the codes of all processes."""
    row_sums = backend.row_sums(codes)
    model.group.features.sum_([row_sums])
    return model.penalty.penalties(row_sums, counts, l0)


def _count(backend, model, codes, factors):
    """Return the number of codes that fire in each row, and its weighted mean over the batch."""
    if not model.penalty.counts:
        return None, None
    counts = backend.row_counts(codes)
    model.group.features.sum_([counts])
    l0 = (counts * factors).sum(-1, keepdim=True)
    model.group.rows.sum_([l0])
    return counts, l0
