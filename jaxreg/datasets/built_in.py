"""Data to try things on: one measured table, and one that is made up, whose true coefficients are known."""

import difflib
from importlib import resources
from typing import NamedTuple

import numpy as np

__all__ = ["NAMES", "Dataset", "diabetes", "houses", "load"]

#: What :func:`load` takes.
NAMES = ("diabetes", "houses")


class Dataset(NamedTuple):
    """A table of numbers, and where it comes from.

    Attributes:
      X: (n, p) float64, one row an observation.
      y: (n,) float64, the target.
      feature_names: p names, of the columns of X.
      target_name: the name of y.
      source: what the data are, and whom to cite.
      coef: (p,) float64, the coefficients that y was made with; None where nobody knows them.
      intercept: the intercept that y was made with; None where nobody knows it.
    """

    X: np.ndarray
    y: np.ndarray
    feature_names: tuple[str, ...]
    target_name: str
    source: str
    coef: np.ndarray | None = None
    intercept: float | None = None


def load(name: str) -> Dataset:
    """The data set of that name, with its default settings.

    Args:
      name: one of ``NAMES``.

    Returns:
      The data, as ``diabetes()`` or ``houses()`` gives them.

    Raises:
      ValueError: there is no data set of that name.

    Example:
      >>> from jaxreg import datasets
      >>> datasets.load("diabetes").X.shape
      (442, 10)
    """
    if name not in NAMES:
        near = difflib.get_close_matches(str(name).lower(), NAMES, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        raise ValueError(f"there is no data set {name!r}{hint} Known names: {', '.join(NAMES)}.")
    return {"diabetes": diabetes, "houses": houses}[name]()


def diabetes() -> Dataset:
    """442 diabetes patients: ten measurements, and how far the disease had gone a year later.

    The columns are centred and have a sum of squares of 1, the form in which R's lars and scikit-learn distribute them;
    the target, ``progression``, is not scaled. jaxreg/datasets/README.md says what each column is.

    Returns:
      X: (442, 10), y: (442,), their names and source.

    Example:
      >>> from jaxreg import datasets
      >>> data = datasets.diabetes()
      >>> data.feature_names
      ('age', 'sex', 'bmi', 'bp', 's1', 's2', 's3', 's4', 's5', 's6')
      >>> float(data.y.min()), float(data.y.max())
      (25.0, 346.0)

    References:
      B. Efron, T. Hastie, I. Johnstone and R. Tibshirani (2004), Least Angle Regression, Annals of Statistics 32(2).
    """
    with (resources.files("jaxreg.datasets") / "diabetes.csv").open(encoding="utf-8") as table:
        *feature_names, target_name = table.readline().strip().split(",")
        values = np.loadtxt(table, delimiter=",")
    return Dataset(
        X=np.ascontiguousarray(values[:, :-1]),
        y=values[:, -1].copy(),
        feature_names=tuple(feature_names),
        target_name=target_name,
        source="Disease progression of 442 diabetes patients. B. Efron, T. Hastie, I. Johnstone and R. Tibshirani "
        "(2004), Least Angle Regression, Annals of Statistics 32(2), 407-499. Columns centred, sum of squares 1.",
    )


# The kinds of column in `houses`, in turn: a name, the mean, and the standard deviation, in the unit that is named. The
# standard deviations differ by a factor of 200,000: without standardisation one λ cannot suit them all. The means of
# what cannot be negative are at least five standard deviations above 0.
_KINDS = (
    ("area", 60.0, 12.0),  # m²
    ("distance", 2500.0, 500.0),  # m
    ("age", 60.0, 11.0),  # years
    ("share", 0.5, 0.1),  # between 0 and 1, nearly always
    ("income", 45_000.0, 8_000.0),  # a year
    ("noise", 55.0, 6.0),  # dB
    ("temperature", 9.0, 1.5),  # °C
    ("density", 3_000.0, 600.0),  # people per km²
    ("width", 8.0, 1.5),  # m
    ("quality", 0.25, 0.04),  # an index
)
_BLOCK = 10  # columns in a block
_BLOCK_CORRELATION = 0.3  # between any two columns of one block
_BASE_PRICE = 400.0  # thousand
_SIGNAL = 80.0  # thousand: the standard deviation of what the features explain


def houses(n: int = 1500, p: int = 1000, relevant: int = 100, noise: float = 40.0, seed: int = 0) -> Dataset:
    """Prices of houses that do not exist, from p features of which a few matter, and it is known which.

    With `z_j` the feature j in standard units,

        price = 400 + Σ_j β_j z_j + noise · ε,    x_j = mean_j + sd_j z_j,    coef_j = β_j / sd_j,

    in thousands. β is 0 except for ``relevant`` features drawn at random, where its size is uniform between ½ and `1½`
    and its sign is a coin's, all multiplied by one number so that `Σ_j β_j z_j` has a variance of `80²`. The
    signal-to-noise ratio is therefore `(80 / noise)²`: 4 by default, and no model explains more than 4/5 of the
    variance. The z are normal, and correlated with 0.3 inside each block of ten neighbouring columns; the ε are
    independent. Neither name nor place nor unit tells which features matter.

    The coefficients depend on p, relevant and seed alone, and the houses come one after the other: with a larger n the
    first n houses stay the same (up to rounding), and those that follow are fresh ones to test on.

    Args:
      n: the number of houses.
      p: the number of features.
      relevant: how many of them matter, 0 to p.
      noise: the standard deviation of the noise, in thousands.
      seed: another number, other houses.

    Returns:
      X: (n, p), y: (n,), their names, and the true coef: (p,) and intercept, in the units of X.

    Raises:
      ValueError: n or p is below 1, relevant is not between 0 and p, or noise is negative.

    Example:
      >>> from jaxreg import datasets
      >>> import numpy as np
      >>> data = datasets.houses(n=200, p=50, relevant=5, noise=0)
      >>> data.X.shape, int((data.coef != 0).sum()), data.feature_names[:2]
      ((200, 50), 5, ('area_001', 'distance_001'))
      >>> bool(np.allclose(data.X @ data.coef + data.intercept, data.y))
      True
    """
    if n < 1 or p < 1:
        raise ValueError(f"n and p are numbers of rows and columns and must be at least 1; got n={n}, p={p}.")
    if not 0 <= relevant <= p:
        raise ValueError(f"relevant counts features and must lie between 0 and p={p}; got {relevant}.")
    if not noise >= 0:
        raise ValueError(f"noise is a standard deviation and must not be negative; got {noise}.")

    truth, rows = (np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(2))
    block = np.arange(p) // _BLOCK
    _, mean, sd = (np.array(column) for column in zip(*(_KINDS[j % len(_KINDS)] for j in range(p)), strict=True))

    beta = np.zeros(p)
    chosen = truth.choice(p, size=relevant, replace=False)
    beta[chosen] = truth.uniform(0.5, 1.5, size=relevant) * truth.choice([-1.0, 1.0], size=relevant)
    # z = √ρ · (one number for the block) + √(1−ρ) · (one of its own), so Var Σ βz = ρ Σ_blocks (Σ β)² + (1−ρ) Σ β².
    in_block = np.bincount(block, weights=beta)
    variance = _BLOCK_CORRELATION * in_block @ in_block + (1 - _BLOCK_CORRELATION) * beta @ beta
    if relevant:
        beta *= _SIGNAL / np.sqrt(variance)

    # One row of random numbers a house, so that the first n houses are the same for every larger n.
    draws = rows.standard_normal((n, len(in_block) + p + 1))
    of_block, of_feature, epsilon = np.split(draws, [len(in_block), len(in_block) + p], axis=1)
    z = np.sqrt(_BLOCK_CORRELATION) * of_block[:, block] + np.sqrt(1 - _BLOCK_CORRELATION) * of_feature

    coef = beta / sd
    return Dataset(
        X=mean + sd * z,
        y=_BASE_PRICE + z @ beta + noise * epsilon[:, 0],
        feature_names=tuple(f"{_KINDS[j % len(_KINDS)][0]}_{j // len(_KINDS) + 1:03d}" for j in range(p)),
        target_name="price",
        source=f"Made up: jaxreg.datasets.houses(n={n}, p={p}, relevant={relevant}, noise={noise}, seed={seed}). "
        "Prices in thousands; each feature in a unit of its own.",
        coef=coef,
        intercept=float(_BASE_PRICE - mean @ coef),
    )
