"""Where formulas are compared: random points over several magnitudes, and points on the usual kinks."""

from typing import NamedTuple

import numpy as np

from jaxreg.checks.inputs import Parameters

__all__ = ["MAGNITUDES", "kink_points", "random_points"]

# As multiples of the size of the parameters given. A tenth and ten show terms that are negligible at one.
MAGNITUDES = (0.1, 1.0, 10.0)
# Points on which kinks are looked for, besides the parameters given.
KINKS = 6


class KinkPoint(NamedTuple):
    """A point, and what is special about it, for the report."""

    vector: np.ndarray
    name: str


def random_points(params: Parameters, count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, d) points, normal around 0, of the magnitude of each leaf times those of ``MAGNITUDES`` in turn."""
    size = _sizes(params)
    scale = np.array([MAGNITUDES[place % len(MAGNITUDES)] for place in range(count)])
    return rng.normal(size=(count, len(size))) * scale[:, None] * size[None, :]


def kink_points(params: Parameters, rng: np.random.Generator) -> list[KinkPoint]:
    """The parameters given; all 0; each leaf 0; half of the coordinates 0; all coordinates of a leaf equal (ties)."""
    d, size = len(params.vector), _sizes(params)
    draw = lambda: rng.normal(size=d) * size
    points = [KinkPoint(np.asarray(params.vector), "the parameters given"), KinkPoint(np.zeros(d), "all 0")]
    if len(params.leaf_names) > 1:
        for leaf, name in enumerate(params.leaf_names[:KINKS]):
            points.append(KinkPoint(np.where(params.leaves == leaf, 0.0, draw()), f"{name} = 0"))
    for half in (0, 1):
        if d > 1:
            points.append(KinkPoint(np.where(np.arange(d) % 2 == half, 0.0, draw()), "every other coordinate 0"))
    if d > 1:
        sign = np.sign(rng.normal(size=d))
        points.append(KinkPoint(size * abs(rng.normal()), "ties"))
        points.append(KinkPoint(size * abs(rng.normal()) * sign, "ties in size"))
    return points


def _sizes(params: Parameters) -> np.ndarray:
    """(d,): the root mean square of the leaf that a coordinate belongs to; 1 where that is 0."""
    vector = np.asarray(params.vector)
    count = len(params.leaf_names)
    square = np.bincount(params.leaves, vector**2, count) / np.maximum(np.bincount(params.leaves, minlength=count), 1)
    size = np.sqrt(square)
    return np.where(size > 0, size, 1.0)[params.leaves]
