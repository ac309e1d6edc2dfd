"""Tables in files, and their answers in memory."""

from typing import Any, NamedTuple

import numpy as np
import pytest

N = 2400


class Stored(NamedTuple):
    """The columns by their names, and the table as arrays."""

    columns: dict[str, Any]
    X: np.ndarray
    y: np.ndarray


def made(n=N):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 4)) + np.array([0.0, 3.0, -1.0, 100.0])
    y = X @ [1.0, 2.0, 0.0, -0.5] + rng.normal(size=n)
    columns = {name: X[:, j] for j, name in enumerate("abcd")}
    extra = {"weight": rng.uniform(0.5, 2, n), "group": rng.integers(0, 4, n), "customer": rng.integers(0, 300, n)}
    return Stored(columns | {"y": y} | extra, X, y)


@pytest.fixture(scope="session")
def stored():
    return made()


def write_parquet(columns, file, size=500, **how):
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=size, **how)


def write_csv(columns, file):
    names = list(columns)
    rows = (",".join(str(columns[name][i]) for name in names) for i in range(len(columns[names[0]])))
    file.write_text("\n".join([",".join(names), *rows]) + "\n")


def cut(columns, start, stop):
    return {name: values[start:stop] for name, values in columns.items()}


EXTRA = ["weight", "group", "customer"]
