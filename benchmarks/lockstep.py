"""Many lassos: in lockstep, or one after the other? And does the chooser pick the faster way?

    python benchmarks/lockstep.py [--repeats 5]

Both ways are run in turn, so often; the ratio is the median of those of each turn, and the chooser's pick the median of
the time of the way that is chosen as a multiple of the faster one, 1 where that is the one which is faster in the
median. How far the ratios of the turns lie apart stands beside.

A member is a resample of the rows; its path has 100 λs down to λ_max/1,000, with a certificate each. Both ways share
the members among the cores. With more columns than moments take, one after the other means inside a working set. On a
GPU: not measured.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
from clock import repeats_asked
from tables import seconds, table

import jaxreg
from jaxreg.data.cores import CORES
from jaxreg.data.problem import check_problem
from jaxreg.engines import moments, weightings
from jaxreg.engines.lockstep import in_lockstep, on_rows

__all__ = ["measure"]

RESULTS = Path(__file__).parent / "results" / "lockstep.md"
PAGE = Path(__file__).parents[1] / "docs" / "which_engine.md"
BEGIN, END = "<!-- lockstep -->\n", "<!-- lockstep end -->"
# Rows, columns and members.
SHAPES = (
    (200, 10, 10),
    (200, 10, 1000),
    (250, 50, 10),
    (250, 50, 1000),
    (500, 100, 200),
    (1000, 200, 10),
    (1000, 200, 1000),
    (2000, 400, 20),
    (100, 500, 50),
    (200, 1000, 50),
    (200, 3000, 20),
    (400, 2000, 20),
)


def measure(repeats: int) -> list[list[str]]:
    """A row of the table for each shape."""
    rows = []
    for n, p, B in SHAPES:
        rng = np.random.default_rng(0)
        X = rng.normal(size=(n, p))
        y = X[:, :10].sum(axis=1) + 3 * rng.normal(size=n)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=B).astype(float)
        problem = check_problem(X, y, max_iter=10_000)
        lams = jaxreg.path(X, y, lams=2).lams[0] * 1e-3 ** (np.arange(100) / 99)
        by_moments = moments.carries(problem)
        picked = in_lockstep(problem, -(-B // CORES)) if by_moments else on_rows(problem, "knots", B)
        took = np.zeros((repeats + 1, 2))
        found: list[Any] = [None, None]
        for turn in range(repeats + 1):  # the first compiles
            for together in (False, True):
                weightings.in_lockstep = weightings.on_rows = lambda *_, together=together: together
                start = time.perf_counter()
                found[together] = weightings.paths_of_weightings(problem, lams, weights)
                took[turn, int(together)] = time.perf_counter() - start
        took = took[1:]
        assert np.allclose(found[0].coef, found[1].coef, atol=1e-8)
        gap = max(solved.gap.max() for solved in found)
        shape = [f"{n:,} × {p:,}", f"{B:,}", "Gram matrices" if by_moments else "rows"]
        ratios = took[:, 1] / took[:, 0]
        ratio = float(np.median(ratios))
        pick = max(1.0, ratio if picked else 1 / ratio)
        spread = f"{ratios.min():.2f}–{ratios.max():.2f}"
        times = map(seconds, np.median(took, axis=0))
        rows.append([*shape, *times, f"{ratio:.2f}", spread, f"{gap:.0e}", f"{pick:.2f}"])
    return rows


def main() -> None:
    repeats = repeats_asked(__doc__)
    times = "one after the other s", "lockstep s"
    head = ["table", "members", "lockstep by", *times, "ratio", "from to", "gap", "chooser's pick"]
    measured = table(head, measure(repeats))
    page = PAGE.read_text(encoding="utf-8")
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n{measured}\n\n{END}{after}", encoding="utf-8")
    text = "\n".join(
        [
            "# Lassos in lockstep",
            "",
            f"{CORES} cores; jaxreg {jaxreg.__version__}; medians of {repeats} turns; 100 λs a path. The last",
            "column is the time of the way that jaxreg chooses, as a multiple of the faster one, in the median of the",
            "ratios. On a GPU: not measured.",
            "",
            measured,
            "",
        ]
    )
    RESULTS.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
