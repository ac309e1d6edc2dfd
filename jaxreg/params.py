"""The parameters of a linear model, known to the mathematics and to the results; predicting needs no more."""

from typing import Any, NamedTuple

__all__ = ["Params"]


class Params(NamedTuple):
    """The parameters of a linear model, a pytree.

    Attributes:
        intercept: b, shape () or (t,).
        coef: w, shape (p,) or (p, t), on the original scale of X.
    """

    intercept: Any
    coef: Any
