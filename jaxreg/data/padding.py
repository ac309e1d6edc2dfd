"""Shapes that few programs serve: small tables are filled up to powers of two.

A search over folds, columns and pipelines meets a new shape at every turn; a small table is solved in milliseconds, and
its program compiled in seconds. Rows of weight 0 and columns of 0 change no answer.
"""

import numpy as np

from jaxreg.data.problem import Problem
from jaxreg.data.sparse import is_sparse

__all__ = ["padded_problem"]

# Tables of at most so many numbers are filled up.
SMALL = 2**16


def padded_problem(problem: Problem) -> Problem:
    """Rows of weight 0 and columns of 0 up to powers of two; what has `p ≥ n` keeps it, and with it the dual forms.

    Large tables, and sparse ones, stay as they are.
    """
    if is_sparse(problem.X) or problem.X.size > SMALL:
        return problem
    n, p = problem.X.shape
    N = _power_of_two(n, 16)
    P = max(_power_of_two(p, 4), N if p >= n else 0)
    if (n, p) == (N, P):
        return problem._replace(sample_weight=problem.weights)

    def fill(values: np.ndarray | None, length: int, value: float) -> np.ndarray | None:
        return None if values is None else np.concatenate([values, np.full(length - len(values), value)])

    X, Y = np.zeros((N, P), problem.X.dtype), np.zeros((N, problem.y.shape[1]))
    X[:n, :p], Y[:n] = problem.X, problem.y
    return problem._replace(
        X=X,
        y=Y,
        sample_weight=fill(problem.weights, N, 0.0),
        penalty_factor=fill(problem.penalty_factor, P, 1.0),
        lower=fill(problem.lower, P, -np.inf),
        upper=fill(problem.upper, P, np.inf),
    )


def _power_of_two(length: int, least: int) -> int:
    return max(least, 1 << (length - 1).bit_length())
