"""Pre-activations to codes: one file for each nonlinearity.

A nonlinearity is elementwise on any shape. Its own trained tensors, if any, come gathered to the
entries (sparse) or broadcast over rows (dense). It has:

`learned(n_components)`
    Its tensors to train: name to (initial value, Spec).
`feature_cutoff(tensors)`
    The pre-activation of each feature, shape (m,), at or below which an entry carries neither a
    value nor a gradient.
`overwrites_pre`
    True if `backward` can do without pre-activations, whose room the codes may then take.
`values(pre, learned, out=None)`
    Codes for pre-activations.
`backward(codes, slopes, learned)`
    From the slopes of the loss along codes, in place, those along pre-activations; and a dict of
    those along the gathered learned tensors.
`frozen(tensors)`
    Tensors that the fitted dictionary needs beside its directions and bias, by their names in
    `Weights` and in units of pre-activations.
"""

from skdict._core._nonlinearities.relu import Relu

NONLINEARITIES = {"relu": Relu}

__all__ = ["NONLINEARITIES", "Relu"]
