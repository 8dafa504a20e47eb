r"""What training minimises: a weighted squared error and penalties.

.. math:: L = \frac{1}{n} \sum_i w_i \left( \|x_i - \hat x_i\|^2 + \sum_t P_t(c_i) \right)

A penalty term has:

`row_slopes(factors)`
    The slope of its part of the loss along every code that fires in a row, shape (..., n), for the
    factors w / n of the rows.
`counts`
    True if it depends on how many codes fire; counts and l0 below are None otherwise.
`gate_slopes(factors, l0)`
    The slope along whether an entry of a row fires, shape (..., n), or None; l0 is the mean number
    of codes of the rows, weighted by w, shape (..., 1).
`penalties(value_sums, counts, l0)`
    Its value for each row, from sums and numbers of the codes of each row, (..., n).
`strength`
    The number that multiplies it, which steering moves; a float, or a tensor with an entry for
    each dictionary of a stack.
`alpha`
    The strength where users know it by that name, else 0.
`stacked(several, like)`
    The penalty of a stack of dictionaries that have `several`, with tensors like another.
`follow(several)`
    Takes over their strengths, before each step of the stack.
"""

from skdict._core._objectives.l0 import L0, TargetL0
from skdict._core._objectives.l1 import L1
from skdict._core._objectives.matryoshka import Levels, whole

__all__ = ["L0", "L1", "Levels", "TargetL0", "whole"]
