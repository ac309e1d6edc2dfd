"""What :func:`jaxreg.tune` goes down on: points in a box that stand for hyperparameters, and the criterion there.

A point z, (d,), has a part for each name that is tuned:

    lam                λ = exp z                         one number
    l1_ratio           ρ = 1/(1 + exp(−z))               one number
    penalty_factor     v_j = v0_j exp z_b                one a column, or a group b of columns
    sample_weight      s_i = s0_i exp z_b                one a row, or a group b of rows

with v0 and s0 those that were given, or 1; or, with a user's function, the leaves of its own pytree.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxreg.programs import compiled
from jaxreg.sweeps.criteria import Hyper, Rows, judged

__all__ = ["NAMES", "Given", "Space", "box_of", "hyper_at", "judge_of"]

NAMES = ("lam", "l1_ratio", "penalty_factor", "sample_weight")
# λ from this share of λ_max to a little beyond it; penalty factors and weights by so much from what was given; and ρ
# from 0.001 to 0.999.
BELOW, BEYOND, LARGEST_FACTOR, LARGEST_WEIGHT, RATIO = 1e-6, 1.05, 1e4, 1e3, 6.9


class Given(NamedTuple):
    """Where it starts, and what is not tuned: λ, (), v0 (p,) and s0 (n,) or None; the group of every column and row,
    numbers from 0, or None; and the pytree that a user's function takes, or None."""

    lam: Any
    penalty_factor: Any
    sample_weight: Any
    groups: Any
    row_groups: Any
    start: Any


class Space(NamedTuple):
    """What chooses the program: the names that are tuned; ρ, or None where it is tuned; and a user's function, in
    whose place there are no names, or None."""

    names: tuple[str, ...]
    l1_ratio: float
    function: Callable[[Any], Any] | None


def _counts(given: Given) -> dict[str, int]:
    """How many numbers belong to each name."""
    most = lambda labels: 0 if labels is None else int(np.max(labels)) + 1
    return {"lam": 1, "l1_ratio": 1, "penalty_factor": most(given.groups), "sample_weight": most(given.row_groups)}


def _numbers(space: Space, given: Given) -> tuple[int, ...]:
    """How many belong to each name that is tuned: static."""
    return tuple(_counts(given)[name] for name in space.names)


def box_of(space: Space, given: Given, largest: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The start and the ends of the box, (d,) each; ``largest``: `λ_max`."""
    if space.function is not None:
        flat = np.asarray(ravel_pytree(given.start)[0], float)
        return flat, np.full(flat.shape, -np.inf), np.full(flat.shape, np.inf)
    ratio = np.clip(space.l1_ratio, 1e-3, 1 - 1e-3)
    boxes = {
        "lam": (np.log(given.lam), np.log(largest * BELOW), np.log(largest * BEYOND)),
        "l1_ratio": (np.log(ratio / (1 - ratio)), -RATIO, RATIO),
        "penalty_factor": (0.0, -np.log(LARGEST_FACTOR), np.log(LARGEST_FACTOR)),
        "sample_weight": (0.0, -np.log(LARGEST_WEIGHT), np.log(LARGEST_WEIGHT)),
    }
    count = _counts(given)
    start, low, high = (
        np.concatenate([np.full(count[name], boxes[name][k]) for name in space.names]) for k in range(3)
    )
    return start, low, high


def hyper_of(z: jax.Array, space: Space, given: Given, count: tuple[int, ...]) -> Hyper:
    """The hyperparameters at a point, (d,), differentiable; ``count``: numbers of each name."""
    made = Hyper(given.lam, space.l1_ratio, given.penalty_factor, None)
    if space.function is not None:
        found = space.function(ravel_pytree(given.start)[1](z))
        if not isinstance(found, dict) or not found or set(found) - set(NAMES):
            raise ValueError(f"tuned returned {found!r}; it must be a dict with some of {', '.join(NAMES)}.")
        return made._replace(**{name: jnp.asarray(value).astype(z.dtype) for name, value in found.items()})
    parts = dict(zip(space.names, jnp.split(z, np.cumsum(count)[:-1]), strict=True))
    times = lambda part, labels, before: jnp.exp(part)[labels] * (1.0 if before is None else before)
    if "lam" in parts:
        made = made._replace(lam=jnp.exp(parts["lam"][0]))
    if "l1_ratio" in parts:
        made = made._replace(l1_ratio=jax.nn.sigmoid(parts["l1_ratio"][0]))
    if "penalty_factor" in parts:
        v = times(parts["penalty_factor"], given.groups, given.penalty_factor)
        made = made._replace(penalty_factor=v)
    if "sample_weight" in parts:
        s = times(parts["sample_weight"], given.row_groups, given.sample_weight)
        made = made._replace(sample_weight=s)
    return made


def hyper_at(z: np.ndarray, space: Space, given: Given) -> Hyper:
    """The hyperparameters at a point, (d,), as NumPy arrays; ρ that is not tuned as it is."""
    return jax.tree.map(np.asarray, hyper_of(jnp.asarray(z), space, given, _numbers(space, given)))


def _at(z, rows, given, space, count, criterion, fit_intercept, standardize, strategy):
    """The criterion, with its gradient, and the largest gap behind it."""

    def value(z: jax.Array) -> tuple[jax.Array, jax.Array]:
        hyper = hyper_of(z, space, given, count)
        how = {"fit_intercept": fit_intercept, "standardize": standardize, "strategy": strategy}
        found = judged(criterion, hyper, rows, **how)
        return found.value, found.gap

    return jax.value_and_grad(value, has_aux=True)(z)


def _at_all(z, *arguments):
    return jax.vmap(lambda one: _at(one, *arguments))(z)


_STATIC = (3, 4, 5, 6, 7, 8)
_one, _together = (compiled(function, static_argnums=_STATIC) for function in (_at, _at_all))


def judge_of(
    criterion: str, space: Space, given: Given, rows: Rows, together: bool, *how: Any
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Points (S, d) ↦ the criterion (S,), its gradient (S, d), and the largest duality gap behind it (S,).

    Args:
        together: whether the points are one batch, which serves an accelerator, or go one after the other.
        how: fit_intercept, standardize, strategy.
    """
    count = _numbers(space, given)

    def judge(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        arguments = (rows, given, space, count, criterion, *how)
        if together:
            (values, gaps), gradients = _together(points, *arguments)
            return np.asarray(values), np.asarray(gradients), np.asarray(gaps)
        each = [jax.tree.map(np.asarray, _one(z, *arguments)) for z in points]
        values, gaps = (np.array([found[0][k] for found in each]) for k in range(2))
        return values, np.stack([found[1] for found in each]), gaps

    return judge
