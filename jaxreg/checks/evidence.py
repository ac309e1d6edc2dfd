"""What a diagnosis looks at: the claim and the terms of the truth, at a few points."""

from typing import NamedTuple

import numpy as np

from jaxreg.checks.evaluation import Arrays, each
from jaxreg.checks.fits import fit, independent
from jaxreg.checks.subjects import Subject

__all__ = ["POINTS", "Evidence", "evidence"]

# Points at which explanations are tried; fewer than the comparison has, for each term is evaluated at each.
POINTS = 9


class Evidence(NamedTuple):
    """Values at (P, d) points: claimed (P, d), and the terms of the truth that can be told apart, (P, K, d)."""

    points: np.ndarray
    claimed: np.ndarray
    terms: np.ndarray
    names: tuple[str, ...]

    @property
    def truth(self) -> np.ndarray:
        return self.terms.sum(axis=1)


def evidence(subject: Subject, points: np.ndarray, free_scale: bool = False, arrays: Arrays | None = None) -> Evidence:
    """The values at (P, d) points, terms with parallel gradients together; with other ``arrays`` of equal shapes."""
    arrays = subject.args.arrays if arrays is None else arrays
    claimed = each(subject.smooth or subject.claimed, points, arrays)
    terms = each(subject.terms, points, arrays)
    good = np.isfinite(terms).all(axis=(1, 2)) & np.isfinite(claimed).all(axis=1)
    points, claimed, terms = points[good], claimed[good], terms[good]
    groups = independent(terms)
    names = tuple(" + ".join(subject.names[k] for k in group) for group in groups)
    found = Evidence(points, claimed, np.stack([terms[:, group].sum(axis=1) for group in groups], axis=1), names)
    if free_scale:
        scale = fit(claimed, found.terms).coefficients[0]
        found = found._replace(claimed=claimed / scale if scale else claimed)
    return found
