"""``@hand_derived(of=loss)``: a formula says what it is the derivative of, and is checked wherever it is found."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from jaxreg.checks.gradients import check_gradient
from jaxreg.checks.inputs import Function, Tree
from jaxreg.checks.report import Report

__all__ = ["Pair", "hand_derived", "pair_of", "pairs_in"]

MARK = "__jaxreg_pair__"
F = TypeVar("F", bound=Function)
ROWS, COLUMNS = 12, 4
# What an argument of this name is taken for, if no example is given.
EXAMPLES: tuple[tuple[tuple[str, ...], Callable[[np.random.Generator], Tree]], ...] = (
    (("X", "A", "design"), lambda rng: rng.normal(size=(ROWS, COLUMNS))),
    (("w", "coef", "theta", "beta", "params", "weights"), lambda rng: rng.normal(size=COLUMNS)),
    (("y", "x", "target", "targets"), lambda rng: rng.normal(size=ROWS)),
    (("s", "sample_weight"), lambda rng: rng.uniform(0.5, 2.0, ROWS)),
    (("v", "penalty_factor", "scale"), lambda rng: rng.uniform(0.5, 2.0, COLUMNS)),
    (("b", "intercept"), lambda rng: np.float64(rng.normal())),
    (("lam", "alpha", "l2", "l1", "delta", "step_size", "tau"), lambda rng: rng.uniform(0.2, 0.8)),
    (("l1_ratio", "rho"), lambda rng: rng.uniform(0.2, 0.8)),
)


class Pair(NamedTuple):
    """A formula, what it belongs to, how it is checked, and at which example."""

    formula: Function
    of: Function
    check: Callable[..., Report]
    at: Tree
    options: dict[str, Any]

    @property
    def name(self) -> str:
        return getattr(self.formula, "__name__", "formula")

    def run(self) -> Report:
        """Checks the formula.

        Raises:
            ValueError: no example is given, and the name of an argument does not say what it is.
        """
        if self.at is not None:
            example = self.at() if callable(self.at) else self.at
        else:
            with jax.enable_x64(True):
                example = _example(self.formula)
        return self.check(self.of, self.formula, *example, **self.options)


def hand_derived(
    *, of: Function, at: Tree = None, check: Callable[..., Report] = check_gradient, **options: Any
) -> Callable[[F], F]:
    """Marks a function as derived by hand; ``jaxreg check FILE.py`` and the pytest plugin then check it.

    Args:
        of: the loss whose gradient it is (or whose update, minimiser, Hessian).
        at: an example, the tuple of all arguments, or a function that makes it. Without it the arguments are made up
            from their names: w, coef, theta and beta are (4,), X is (12, 4), y is (12,), lam and other Greek names are
            positive numbers, s and sample_weight positive rows.
        check: how it is checked: ``check_gradient``, or ``checks.update``, ``checks.minimizer``, ``checks.hessian``.
        **options: of that check, such as ``step_size``.

    Returns:
        A decorator; the function stays what it is.

    Example:
        >>> import jax.numpy as jnp
        >>> def loss(w, X, y):
        ...     return jnp.mean((X @ w - y) ** 2) / 2
        >>> @hand_derived(of=loss)
        ... def gradient(w, X, y):
        ...     return X.T @ (X @ w - y)
        >>> print(pair_of(gradient).run().findings[0].sentence)
        the whole gradient is n times too large
    """

    def mark(function: F) -> F:
        setattr(function, MARK, Pair(function, of, check, at, options))
        return function

    return mark


def pair_of(value: object) -> Pair | None:
    """The pair that a function was marked with, or None."""
    if isinstance(value, (ModuleType, type)):
        return None
    try:
        found = vars(value).get(MARK)
    except TypeError:
        found = getattr(value, MARK, None)
    return found if isinstance(found, Pair) else None


def pairs_in(module: ModuleType) -> Iterator[Pair]:
    """The pairs that a module defines, in the order in which they stand in it."""
    for value in list(vars(module).values()):
        pair = pair_of(value)
        if pair is not None:
            yield pair


def _example(function: Function) -> Sequence[Tree]:
    """Arguments made up from their names."""
    names = [
        parameter.name
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
    ]
    rng = np.random.default_rng(7)
    known = {name: make for names, make in EXAMPLES for name in names}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{getattr(function, '__name__', 'the formula')}: no example for {', '.join(unknown)} can be made up from "
            f"the name; give one: @hand_derived(of=..., at=({', '.join(names)}))."
        )
    return [known[name](rng) for name in names]
