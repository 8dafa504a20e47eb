r"""What training minimises: a weighted squared error and penalties.

.. math:: L = \frac{1}{n} \sum_i w_i \left( \|x_i - \hat x_i\|^2 + \sum_t P_t(c_i) \right)

A penalty term has:

`row_slopes(factors)`
    The slope of its part of the loss along every code that fires in a row, shape (..., n), for the
    factors w / n of the rows.
`penalties(value_sums)`
    Its value for each row, from the sums of the codes of each row.
`strength`
    The number that multiplies it, which steering moves; a float, or a tensor with an entry for
    each dictionary of a stack.
"""

from skdict._core._objectives.l1 import L1
from skdict._core._objectives.matryoshka import Levels, whole

__all__ = ["L1", "Levels", "whole"]
