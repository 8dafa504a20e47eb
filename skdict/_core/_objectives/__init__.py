r"""The training objective: a weighted squared error plus sparsity penalties.

.. math:: L = \frac{1}{n} \sum_i w_i \left( \|x_i - \hat x_i\|^2 + \sum_t P_t(c_i) \right)

A penalty term has these members:

`row_slopes(factors)`
    Gradient of its part of the loss with respect to each code that fires in a row, shape (..., n),
    given the factors w / n of the rows.
`counts`
    True if the penalty depends on how many codes fire; otherwise counts and l0 below are None.
`gate_slopes(factors, l0)`
    Gradient with respect to whether an entry of a row fires, shape (..., n), or None; l0 is the
    mean number of codes per row, weighted by w, shape (..., 1).
`penalties(value_sums, counts, l0)`
    Value of the penalty for each row, from the sum and the number of its codes, shape (..., n).
`strength`
    Factor on the penalty, which is adjusted to reach a target L0; a float, or a tensor with one
    entry per dictionary of a stack.
`alpha`
    The strength if users set it under that name, otherwise 0.
`stacked(several, like)`
    The penalty of a stack of dictionaries whose penalties are `several`, with tensors like `like`.
`follow(several)`
    Copy the strengths of `several`, before each step of the stack.
"""

from skdict._core._objectives.l0 import L0, TargetL0
from skdict._core._objectives.l1 import L1
from skdict._core._objectives.matryoshka import Levels, whole

__all__ = ["L0", "L1", "Levels", "TargetL0", "whole"]
