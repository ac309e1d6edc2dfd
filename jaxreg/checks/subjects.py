"""What a check compares, and what one kind of check has of its own."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import numpy as np

from jaxreg.checks.evaluation import NOT_TRACEABLE, Vector, flat, name_of
from jaxreg.checks.inputs import Arguments, Function, Parameters, Tree, same_structure
from jaxreg.checks.losses import Loss
from jaxreg.checks.program import NOTHING, Program, same, trace

__all__ = ["Check", "Subject", "check_structure", "of_gradient"]


class Subject(NamedTuple):
    """Two vectors that should be equal.

    Attributes:
        loss: what it is about; its arguments are inputs.
        params: what is varied: the parameters, or data in their place.
        labels: (d,) the name of each coordinate that is compared; leaves: (d,) which belong together.
        claimed: the vector of the hand-derived formula; truth: the vector that it should be.
        terms: (K, d), which add up to the truth; with changes made to the program of the loss. names: (K,) of them.
        differentiates: whether the truth is the gradient of the loss, so that its program can be looked into.
        smooth: the claim away from kinks, which is what a diagnosis looks at; None where that is the claim itself.
    """

    loss: Loss
    params: Parameters
    labels: tuple[str, ...]
    leaves: np.ndarray
    claimed: Vector
    truth: Vector
    terms: Function
    names: tuple[str, ...]
    differentiates: bool = False
    smooth: Vector | None = None

    @property
    def args(self) -> Arguments:
        return self.loss.args

    @property
    def program(self) -> Program:
        """Of the loss, inputs the vector of parameters and the arrays; empty where the truth is not its gradient."""
        return self.loss.program if self.differentiates else NOTHING


class Check(NamedTuple):
    """What one kind of check has of its own; all else is the course (:mod:`~jaxreg.checks.course`).

    Attributes:
        title: what is held against what; what: "gradient", "step", …: what is claimed.
        build: the subject at parameters and arguments; raises where they do not fit.
        subject: at those given.
        given: the parameters as they were given.
        constants: named numbers that may be in a factor.
        free_scale: an overall factor means nothing (a step size that was not given).
        data: the points are data sets, not parameters.
        slack: relative rounding error of formulas that compute in less than float64.
    """

    title: str
    what: str
    build: Callable[[Tree, tuple], Subject]
    subject: Subject
    given: Tree
    constants: Mapping[str, float] | None
    free_scale: bool = False
    data: bool = False
    slack: float = 0.0


def of_gradient(loss: Loss, claimed: Vector) -> Subject:
    """A subject whose truth is the gradient of a loss."""
    params = loss.params
    truth, terms = loss.gradient, loss.term_gradients
    return Subject(loss, params, params.labels, params.leaves, claimed, truth, terms, loss.names, True)


def check_structure(loss: Loss, function: Function, what: str) -> None:
    """Refuses what has not the structure of the parameters, or is another at a second evaluation."""
    there, given = loss.params.restore(loss.params.vector), loss.args.arrays
    if loss.program.has_loops and _certainly(loss, function, there):
        return
    first, second = (function(there, *loss.args.rebuild(given)) for _ in range(2))
    same_structure(first, there, f"{what} {name_of(function)}", loss.value_names[0])
    if not np.array_equal(flat(first), flat(second), equal_nan=True):
        raise ValueError(
            f"{what} {name_of(function)} is no function of its arguments: two evaluations at the same point differ."
        )


def _certainly(loss: Loss, function: Function, there: Tree) -> bool:
    """Whether two traces show that the structure is right and the values are the same, so that nothing need be run."""
    found: list[Tree] = []

    def seen(x: jax.Array, *arrays: jax.Array) -> Tree:
        found.append(function(loss.params.restore(x), *loss.args.rebuild(arrays)))
        return found[-1]

    try:
        one, other = (trace(lambda *inputs: seen(*inputs), [loss.params.vector, *loss.args.arrays]) for _ in range(2))
        same_structure(found[0], there, "", "")
    except (*NOT_TRACEABLE, TypeError, ValueError):
        return False
    return same(one, other)
