"""A table that is a JAX array is used where it lies, and results stay there where that is asked for."""

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import pytest

import jaxreg
from jaxreg import programs

matplotlib.use("Agg")
RNG = np.random.default_rng(3)
X = RNG.normal(size=(60, 5))
Y = X @ [1.0, 0, 2, 0, 0] + RNG.normal(size=60)
Z = np.column_stack([Y, X[:, 1] - Y])
S = RNG.uniform(0.5, 2, size=60)
GRID = [1.0, 0.3, 0.1, 0.03]
DOORS = {
    "fit": lambda X, y, **how: jaxreg.fit(X, y, 0.1, **how),
    "path": lambda X, y, **how: jaxreg.path(X, y, 4, **how),
    "sweep": lambda X, y, **how: jaxreg.sweep(X, y, GRID, folds=4, **how),
}
pytestmark = pytest.mark.filterwarnings("ignore::jaxreg.GridEndWarning")


@pytest.fixture
def there():
    """X, y, y of two targets and weights on the device."""
    with jax.enable_x64(True):
        return jax.device_put((X, Y, Z, S))


def numbers(result):
    """All numbers of a result, by name."""
    for name in vars(result):
        value = getattr(result, name)
        if hasattr(value, "on_host"):
            yield from numbers(value)
        else:
            for leaf in jax.tree.leaves(value):
                if not isinstance(leaf, str):
                    yield name, np.asarray(leaf)


slow = lambda *values: pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("door", "several", "l1_ratio"),
    [("sweep", False, 1.0), ("path", True, 0.0)]
    + [slow(door, several, rho) for door in DOORS for several in (False, True) for rho in (1.0, 0.5, 0.0)],
)
def test_the_answers_are_those_of_numpy_arrays(door, several, l1_ratio, there):
    how = {"l1_ratio": l1_ratio, "penalty_factor": [1, 2, 1, 1, np.inf], "lower": [-np.inf] * 4 + [0]}
    how |= {} if l1_ratio else {"lower": None}
    tables, mine = (X, Z if several else Y), (there[0], there[2] if several else there[1])
    expected = DOORS[door](*tables, sample_weight=S, **how)
    found = DOORS[door](*mine, sample_weight=there[3], device_arrays=True, **how)
    assert type(found) is type(expected)
    for (name, mine), (other, theirs) in zip(numbers(found), numbers(expected), strict=True):
        assert (name, mine.shape) == (other, theirs.shape)
        if "gap" in name:
            assert mine.max() <= 1e-10
        elif name != "n_iter":
            np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.fixture
def handed(monkeypatch):
    """What programs are given: (name, the leaves)."""
    seen, call = [], programs.Program.__call__

    def spied(self, *args, **options):
        seen.append((self.__name__, jax.tree.leaves((args, options))))
        return call(self, *args, **options)

    monkeypatch.setattr(programs.Program, "__call__", spied)
    return seen


@pytest.mark.parametrize(("door", "l1_ratio"), [("sweep", 1.0), ("path", 0.0), ("fit", 1.0)])
def test_one_program_solves_and_x_is_given_to_it_as_it_is(door, l1_ratio, there, handed):
    DOORS[door](*there[:2], l1_ratio=l1_ratio, device_arrays=True)
    solving = [name for name, leaves in handed if any(leaf is there[0] for leaf in leaves)]
    assert solving == ["_extremes", "cross_validate" if door == "sweep" else door]
    leaves = [leaf for _, leaves in handed for leaf in leaves]
    assert not [leaf for leaf in leaves if isinstance(leaf, np.ndarray) and leaf.size >= len(X) and leaf.dtype != bool]


@pytest.mark.parametrize("door", ["sweep", slow("path"), slow("fit")])
def test_on_an_accelerator_it_never_becomes_a_numpy_array(door, there, monkeypatch):
    """The default backend is said to be one. Results come to the host, as they are not asked to stay."""
    expected = DOORS[door](X, Y)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    came, kind = [], type(there[0])
    value, as_array = kind._value, kind.__array__
    monkeypatch.setattr(kind, "_value", property(lambda self: came.append(self.shape) or value.fget(self)))
    monkeypatch.setattr(kind, "__array__", lambda self, *a, **k: came.append(self.shape) or as_array(self, *a, **k))
    result = DOORS[door](*there[:2])
    assert came
    assert not {(60, 5), (60,), (60, 1)} & set(came)
    assert isinstance(result.params.coef, np.ndarray)
    np.testing.assert_allclose(result.params.coef, expected.params.coef, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("door", DOORS)
def test_results_stay_and_can_be_read_with_64_bits_off(door, there, tmp_path):
    found = DOORS[door](*there[:2], device_arrays=True)
    expected = DOORS[door](X, Y)
    assert isinstance(found.params.coef, jax.Array)
    assert found.params.coef.dtype == np.float64
    assert found.params.coef.devices() == there[0].devices()
    np.testing.assert_allclose(found.predict(X), expected.predict(X), rtol=1e-6, atol=1e-7)
    assert repr(found).splitlines()[0] == repr(expected).splitlines()[0]
    assert list(found.to_frame("dict")) == list(expected.to_frame("dict"))
    found._repr_html_()
    if door != "fit":
        found.plot()
    found.save(tmp_path / "result.npz")
    np.testing.assert_array_equal(jaxreg.load(tmp_path / "result.npz").predict(X), found.predict(X))
    assert expected.on_host() is expected


def test_numpy_arrays_are_handed_over_once(handed):
    found = jaxreg.sweep(X.astype(np.float32), Y, GRID, folds=4, device_arrays=True)
    assert found.path.coef.dtype == np.float32
    assert isinstance(found.path.coef, jax.Array)
    tables = [leaf for _, leaves in handed for leaf in leaves if np.shape(leaf) == X.shape]
    assert len(tables) == 2
    assert tables[0] is tables[1]


WRONG = {
    "X at row 3, column 2 is a missing value": lambda X, y: jaxreg.fit(X.at[3, 2].set(jnp.nan), y, 0.1),
    "X at row 3, column 2 is infinite": lambda X, y: jaxreg.fit(X.at[3, 2].set(jnp.inf), y, 0.1),
    "y at row 7 is a missing value": lambda X, y: jaxreg.path(X, y.at[7].set(jnp.nan), 4),
    r"X has 60 rows and y is \(59,\)": lambda X, y: jaxreg.path(X, y[1:], 4),
    r"sample_weight\[0\] is -1": lambda X, y: jaxreg.sweep(X, y, 4, sample_weight=-jnp.ones(60)),
    r"sample_weight must have shape \(60,\)": lambda X, y: jaxreg.sweep(X, y, 4, sample_weight=jnp.ones(9)),
    "measure is 'mae'; with device_arrays": lambda X, y: jaxreg.sweep(X, y, 4, measure="mae"),
    "device_arrays=True is for one table": lambda X, y: jaxreg.fit(X, y, 0.1, by=np.arange(60) % 2),
    "folds that do not train on all other rows": lambda X, y: jaxreg.sweep(
        X, y, 4, folds=[(np.arange(30), np.arange(30, 50)), (np.arange(40), np.arange(40, 60))]
    ),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named(message, there, monkeypatch):
    for name in ("fit", "path", "sweep"):
        door = getattr(jaxreg, name)
        monkeypatch.setattr(jaxreg, name, lambda *a, door=door, **how: door(*a, device_arrays=True, **how))
    with jax.enable_x64(True), pytest.raises(ValueError, match=message):
        WRONG[message](*there[:2])


def test_folds_of_their_own_training_rows_are_solved_on_the_host(there, monkeypatch):
    pairs = [(np.arange(30), np.arange(30, 50)), (np.arange(40), np.arange(40, 60))]
    expected = jaxreg.sweep(X, Y, GRID, folds=pairs)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    found = jaxreg.sweep(*there[:2], GRID, folds=pairs)
    np.testing.assert_allclose(found.fold_mse, expected.fold_mse, rtol=1e-6)
