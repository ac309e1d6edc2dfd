"""A small sweep whose columns have names that are not nice, and the facts that a report says of it."""

import numpy as np
import pytest

import jaxreg
from jaxreg.report import named

NAMES = ("<b>bold</b>", 'a "quote" & more', "面積", "two\nlines")


@pytest.fixture(scope="session")
def usual():
    rng = np.random.default_rng(2)
    X = rng.normal(size=(24, 4)) * [1, 10, 0.1, 3]
    y = X @ [1.0, 0.2, 0.0, -0.3] + rng.normal(size=24)
    return named(jaxreg.sweep(X, y, 8, [0.5, 1.0], folds=3), NAMES)


@pytest.fixture
def facts():
    return {
        "title": "<houses> & more.csv: price",
        "shape": (24, 4),
        "folds": "3 folds, seed 0",
        "seconds": (1.0, 2.0),
        "tol": None,
        "dtype": "float64",
    }
