"""How many steps do elastic nets take: by ADMM with the ladder of ϱ, with one ϱ, and by proximal gradients?

    python benchmarks/steps.py

50 λs at l1_ratio 0.5, solved together as an accelerator solves them, here by a CPU that says it is one: 1,000 × 150
down to λ_max/10,000, and 150 × 400 down to λ_max/100. Counted are the steps of the λ that takes most, until Newton
steps end at a gap of 1e-10. Counts do not depend on the machine.
"""

from pathlib import Path

import jax
import numpy as np
from tables import table

from jaxreg import solvers
from jaxreg.solvers import admm, members, row_solvers

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "steps.md"
SHAPES, LADDER = {(1000, 150): 1e-4, (150, 400): 1e-2}, admm.LADDER
WAYS = {"ladder": LADDER, "ϱ = 1": ((0.0, 1.0),), "ϱ = 0.1": ((0.0, 0.1),), "proximal gradient": None}


def chain(Z: np.ndarray, rho: float) -> np.ndarray:
    """Columns of which neighbours have the correlation ρ."""
    X = Z.copy()
    for j in range(1, Z.shape[1]):
        X[:, j] = rho * X[:, j - 1] + np.sqrt(1 - rho**2) * Z[:, j]
    return X


def tables(n: int, p: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((n, p))
    factors = Z[:, :10] @ rng.standard_normal((10, p)) + 0.3 * rng.standard_normal((n, p))
    return {"independent": Z, "chain 0.9": chain(Z, 0.9), "chain 0.99": chain(Z, 0.99), "ten factors": factors}


def measure() -> list[list[str]]:
    """A row of the table for each shape and kind of columns."""
    for module in (members, row_solvers):
        module.on_accelerator = lambda *_: True
    return [
        [f"{n:,} × {p}", name, *steps(X, eps)] for (n, p), eps in SHAPES.items() for name, X in tables(n, p).items()
    ]


def steps(X: np.ndarray, eps: float) -> list[str]:
    """Of each way. Where a λ has not settled, it is said."""
    (n, p), rng, cells = X.shape, np.random.default_rng(1), []
    y = X @ np.where(rng.random(p) < 0.2, rng.standard_normal(p), 0.0) / X.std()
    y += 0.5 * y.std() * rng.standard_normal(n)
    for ladder in WAYS.values():
        admm.LADDER = ladder or LADDER
        jax.clear_caches()
        found = solvers.path(X, y, 50, 0.5, eps=eps, strategy=None if ladder else "parallel")
        left = int(np.sum(~np.asarray(found.converged)))
        cells.append(f"{int(np.max(found.n_iter)):,}" + (f", {left} not settled" if left else ""))
    return cells


def main() -> None:
    with jax.enable_x64(True):
        measured = table(["shape", "columns", *WAYS], measure())
    text = f"# Steps of elastic nets solved together\n\nSee `benchmarks/steps.py`.\n\n{measured}\n"
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
