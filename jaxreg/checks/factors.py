"""By which factor is a printed penalty term wrong? Measured on random problems, and recognised as a formula in m and n.

A formula and what it should equal are two functions of a problem and of λ. The penalty term of either is its value at λ
less its value at 0. The factor is the one by which the penalty term of the formula must be multiplied to be that of the
truth; measured on problems of several shapes m × n it betrays its formula: 2m, say, or n.
"""

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

__all__ = [
    "SHAPES",
    "TOLERANCE",
    "Comparison",
    "Formula",
    "Problem",
    "Side",
    "equal",
    "gradient_of",
    "minimises",
    "random_problems",
    "step_of",
    "value_of",
]

# Rows and features of the random problems. m > n + 1, so that ordinary least squares exists; and no product of powers
# of m and n is the same for all three, so that a factor m cannot be taken for a factor 2n.
SHAPES = ((7, 2), (12, 3), (17, 5))
# "Equal" in float64: some four decimal digits above the rounding error of these problems.
TOLERANCE = 1e-12

# A loss, gradient or update of (θ, X, y, λ, ...), or a closed form of (X, y, λ).
Formula = Callable[..., jax.Array]


class Problem(NamedTuple):
    """What every formula is evaluated on: θ, X (m, p), y (m,), and the scalars λ and step size."""

    theta: jax.Array
    X: jax.Array
    y: jax.Array
    lam: float
    step: float


class Side(NamedTuple):
    """One side of a comparison: its name, and its value given a problem and λ."""

    name: str
    at: Callable[[Problem, float], np.ndarray]


class Comparison(NamedTuple):
    """The factor on the penalty term of `claim` that makes it that of `truth`, and the relative error then left.

    `factor` is measured on the last of `SHAPES`; `expression` is its formula, "1" where the claim is right or has no
    penalty term, and "?" where it is of no form c mᵃ nᵇ.
    """

    claim: str
    truth: str
    factor: float
    expression: str
    error: float


def random_problems(rng: np.random.Generator, ones: int) -> list[Problem]:
    """One problem a shape, behind `ones` (0 or 1) columns of ones; the last weight is 0, where sign(0) = 0 matters."""

    def problem(m: int, n: int) -> Problem:
        X = np.column_stack([np.ones((m, ones)), rng.normal(size=(m, n))])
        theta = rng.choice([-1, 1], n + ones) * rng.uniform(0.5, 2, n + ones)
        theta[-1] = 0
        y = rng.normal(size=m)
        return Problem(jnp.array(theta), jnp.array(X), jnp.array(y), rng.uniform(1, 3), rng.uniform(0.1, 0.5))

    return [problem(m, n) for m, n in SHAPES]


def value_of(name: str, formula: Formula) -> Side:
    """The value of a formula of (θ, X, y, λ)."""
    return Side(name, lambda p, lam: np.ravel(formula(p.theta, p.X, p.y, lam)))


def gradient_of(name: str, loss: Formula) -> Side:
    """The automatic gradient of a loss with respect to θ."""
    return value_of(f"gradient of {name}", jax.grad(loss))


# θ_new = θ − α g: what an update takes for the gradient is g = (θ − θ_new)/α.
def step_of(name: str, update: Formula) -> Side:
    """What an update of (θ, X, y, λ, α) takes for the gradient."""
    return Side(f"step of {name}", lambda p, lam: np.ravel(p.theta - update(p.theta, p.X, p.y, lam, p.step)) / p.step)


def equal(problems: list[Problem], claim: Side, truth: Side) -> Comparison:
    """Compares two vectors."""
    data = [(claim.at(p, 0.0), truth.at(p, 0.0)) for p in problems]
    full = [(claim.at(p, p.lam), truth.at(p, p.lam)) for p in problems]
    ratios = [_ratio(c - c0, t - t0) for (c0, t0), (c, t) in zip(data, full, strict=True)]
    expression, factors = _recognise(ratios)
    cases = zip(factors, data, full, strict=True)
    errors = [_relative(c0 + factor * (c - c0), t) for factor, (c0, _), (c, t) in cases]
    return Comparison(claim.name, truth.name, ratios[-1], expression, float(np.max(errors)))  # nan where any is nan


# At the minimum of a loss the data term of its gradient balances the penalty term: ∇penalty = −∇data. Where a closed
# form belongs to a multiple of λ, that multiple is the ratio of the loss's own ∇penalty to −∇data. The error is what is
# left of the gradient, relative to the gradient at θ = 0: for a quadratic loss 1 % of θ leaves 1 %.
def minimises(problems: list[Problem], claim: str, closed_form: Formula, name: str, loss: Formula) -> Comparison:
    """Compares a closed form of (X, y, λ) with the minimum of a convex loss."""
    gradient, ratios, errors = gradient_of(name, loss), [], []
    for p in problems:
        there = p._replace(theta=closed_form(p.X, p.y, p.lam))
        data = gradient.at(there, 0.0)
        ratios.append(_ratio(-data, gradient.at(there, p.lam) - data))
    expression, factors = _recognise(ratios)
    for p, factor in zip(problems, factors, strict=True):
        start = gradient.at(p._replace(theta=jnp.zeros_like(p.theta)), p.lam)
        there = p._replace(theta=closed_form(p.X, p.y, factor * p.lam))
        errors.append(float(np.max(np.abs(gradient.at(there, p.lam))) / np.max(np.abs(start))))
    return Comparison(claim, f"minimum of {name}", ratios[-1], expression, float(np.max(errors)))


# truth = factor · claim in the least-squares sense: factor = <claim, truth> / <claim, claim>; 1 where both are zero.
def _ratio(claim: np.ndarray, truth: np.ndarray) -> float:
    if not claim.any():
        return np.inf if truth.any() else 1.0
    return float(claim @ truth / (claim @ claim))


def _relative(claim: np.ndarray, truth: np.ndarray) -> float:
    return float(np.max(np.abs(claim - truth)) / np.max(np.abs(truth)))


# Looks for c, a, b with ratio = c mᵃ nᵇ on every shape; returns the expression, and its value on every shape.
def _recognise(ratios: Sequence[float]) -> tuple[str, list[float]]:
    for a, b in product((0, 1, -1), repeat=2):
        powers = [float(m) ** a * float(n) ** b for m, n in SHAPES]
        constants = np.divide(ratios, powers)
        if np.isfinite(constants).all() and np.ptp(constants) <= TOLERANCE * abs(constants[0]):
            c = f"{constants[0]:.10g}"
            above = "m" * (a == 1) + "n" * (b == 1)
            below = "m" * (a == -1) + "n" * (b == -1)
            expression = (above if above and c == "1" else c + above) + ("/" + below if below else "")
            return expression, [float(c) * power for power in powers]
    return "?", [1.0] * len(SHAPES)
