"""pandas, polars, pyarrow: the names of the columns are in the results, the figures, the saved file and the report."""

import time

import numpy as np
import pytest

import jaxreg
from jaxreg.data import inputs
from jaxreg.params import Params
from jaxreg.report import sweep_report
from jaxreg.results import Solution
from jaxreg.tables import Table, read_table

# Small tables have grids that end too early; that is said elsewhere.
pytestmark = pytest.mark.filterwarnings("ignore::jaxreg.GridEndWarning")

N = 24
RNG = np.random.default_rng(9)
VALUES = RNG.normal(size=(N, 4))
Y = VALUES @ [3.0, -2.0, 1.0, 0.5] + 0.1 * RNG.normal(size=N)
NAMES = ("area, m²", "age", "<b>", "面積")


def pandas_frame():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(VALUES, columns=list(NAMES), index=range(100, 100 + N)), pandas.Series(Y, name="price")


def polars_frame():
    polars = pytest.importorskip("polars")
    return polars.DataFrame(VALUES, schema=list(NAMES)), polars.Series("price", Y)


def pyarrow_table():
    pyarrow = pytest.importorskip("pyarrow")
    return pyarrow.table(dict(zip(NAMES, VALUES.T, strict=True))), pyarrow.array(Y)


FRAMES = {"pandas": pandas_frame, "polars": polars_frame, "pyarrow": pyarrow_table}


def select(frame, names):
    return frame.select(names) if hasattr(frame, "select") else frame[names]


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param]()


def assert_equal(found, expected):
    """To rounding: a frame's columns lie one after the other in memory, and are summed in another order."""
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-13 * np.abs(expected.coef).max())


def test_the_answers_are_those_of_arrays_and_have_names(frame, tmp_path):
    X, y = frame
    options = {"sample_weight": abs(np.asarray(y)), "lams": 6}
    plain = {"sample_weight": abs(Y), "lams": 6}
    path, sweep = jaxreg.path(X, y, **options), jaxreg.sweep(X, y, folds=3, **options)
    assert_equal(path, jaxreg.path(VALUES, Y, **plain))
    expected = jaxreg.sweep(VALUES, Y, folds=3, **plain)
    # Rounding is that of the squares of y, of which a small error is what is left.
    np.testing.assert_allclose(sweep.fold_mse, expected.fold_mse, rtol=1e-12, atol=1e-15 * (Y**2).sum())
    solution, loo = jaxreg.fit(X, y, 0.1), jaxreg.ridge_leave_one_out(X, y, 6)
    assert_equal(solution, jaxreg.fit(VALUES, Y, 0.1))
    for result in (path, sweep, solution, loo, sweep.path, sweep.best, sweep.one_se, loo.best):
        assert result.feature_names == NAMES
        np.testing.assert_allclose(result.predict(X), result.predict(VALUES), rtol=1e-13)
    for result in (path, sweep, solution, loo):
        result.save(tmp_path / "result.npz")
        loaded = jaxreg.load(tmp_path / "result.npz")
        assert loaded.feature_names == NAMES
        np.testing.assert_array_equal(loaded.predict(X), result.predict(X))


def test_a_loaded_result_refuses_other_columns(frame, tmp_path):
    X, y = frame
    jaxreg.fit(X, y, 0.1).save(tmp_path / "fit.npz")
    loaded = jaxreg.load(tmp_path / "fit.npz")
    with pytest.raises(ValueError, match="right columns in another order"):
        loaded.predict(select(X, list(NAMES[::-1])))
    with pytest.raises(ValueError, match=r"X lacks the columns \['面積'\]"):
        loaded.predict(select(X, list(NAMES[:3])))


def test_names_are_on_the_figures_and_in_the_table(frame):
    pytest.importorskip("matplotlib")
    X, y = frame
    sweep = jaxreg.sweep(X, y, lams=6, folds=3)
    for against in ("lam", "l1_norm", "df"):
        ax = sweep.path.plot(against=against)
        assert {text.get_text() for text in ax.texts} == set(NAMES)
    facts = {"title": "t", "shape": X.shape, "folds": "3 folds", "seconds": (1.0, 1.0), "tol": None, "dtype": "float64"}
    table = sweep_report(sweep, **facts).splitlines()
    assert [line.split("  ")[0] for line in table if line.startswith(NAMES)] == list(NAMES)


def test_results_draw_themselves(frame):
    pytest.importorskip("matplotlib")
    X, y = frame
    for measure, words in (("mse", "mean squared error"), ("mae", "mean absolute error"), ("r2", "R²")):
        sweep = jaxreg.sweep(X, y, lams=6, folds=3, measure=measure)
        ax = sweep.plot()
        assert ax.get_ylabel() == f"held-out {words}"
        heights = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == sweep.lams.shape[1]]
        np.testing.assert_array_equal(heights[0], getattr(sweep, f"mean_{measure}")[0])
        marks = [text.get_text().split(": λ = ")[1] for text in ax.get_legend().get_texts() if "λ" in text.get_text()]
        assert set(marks) == {f"{sweep.best.lam:.3g}", f"{sweep.one_se.lam:.3g}"}
    assert jaxreg.ridge_leave_one_out(X, y, 6).plot().get_ylabel() == "held-out mean squared error"


def test_several_targets_have_no_one_figure():
    Z = np.column_stack([Y, -Y])
    for result in (
        jaxreg.path(VALUES, Z, 6),
        jaxreg.sweep(VALUES, Z, 6, folds=3),
        jaxreg.ridge_leave_one_out(VALUES, Z, 6),
    ):
        with pytest.raises(ValueError, match="several targets; plot one with"):
            result.plot()


# ---- Names that are no text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["numbers", "several rows of names", "dates"])
def test_names_that_are_no_text_are_kept_as_the_text_they_print(kind, tmp_path):
    """A frame that was made from an array has the names 0, 1, 2, …; scikit-learn takes it, too."""
    pandas = pytest.importorskip("pandas")
    names = {
        "numbers": range(4),
        "several rows of names": pandas.MultiIndex.from_product([["a", "b"], ["x", "y"]]),
        "dates": pandas.date_range("2024", periods=4).date,
    }[kind]
    texts = {
        "numbers": ("0", "1", "2", "3"),
        "several rows of names": ("('a', 'x')", "('a', 'y')", "('b', 'x')", "('b', 'y')"),
        "dates": ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"),
    }[kind]
    X = pandas.DataFrame(VALUES, columns=names)
    for result in (
        jaxreg.fit(X, Y, 0.1),
        jaxreg.path(X, Y, 3),
        jaxreg.sweep(X, Y, 3, folds=3),
        jaxreg.ridge_leave_one_out(X, Y, 3),
    ):
        assert result.feature_names == texts
        result.save(tmp_path / "result.npz")
        loaded = jaxreg.load(tmp_path / "result.npz")
        np.testing.assert_allclose(loaded.predict(X), result.predict(VALUES), rtol=1e-12)
        with pytest.raises(ValueError, match="right columns in another order"):
            loaded.predict(X[X.columns[::-1]])
        with pytest.raises(ValueError, match=r"X lacks the columns .* and has the unknown columns \['4'\]"):
            loaded.predict(pandas.DataFrame(VALUES, columns=[*X.columns[:3], 4]))


def test_a_fit_on_an_array_predicts_for_any_names():
    pandas = pytest.importorskip("pandas")
    solution = jaxreg.fit(VALUES, Y, 0.1)
    for names in (range(4), list("abcd")):
        found = solution.predict(pandas.DataFrame(VALUES, columns=names))
        np.testing.assert_allclose(found, solution.predict(VALUES), rtol=1e-12)


def test_the_advice_for_names_of_two_kinds_works():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(VALUES, columns=["a", "b", 3, "c"])
    with pytest.raises(ValueError, match=r"the column name 3 .*: X\.columns = X\.columns\.astype\(str\)\.$") as caught:
        jaxreg.fit(X, Y, 0.1)
    exec(str(caught.value).split(": ")[1].rstrip("."), {"X": X})
    assert jaxreg.fit(X, Y, 0.1).feature_names == ("a", "b", "3", "c")


# ---- What is no table yet -------------------------------------------------------------------------------------------


def test_the_advice_for_what_is_no_table_works():
    pandas, polars, pyarrow = (pytest.importorskip(name) for name in ("pandas", "polars", "pyarrow"))
    column = VALUES[:, 0]
    expected = jaxreg.fit(column[:, None], Y, 0.1)
    for X in (
        column,
        column.tolist(),
        pandas.Series(column),
        polars.Series(column),
        pyarrow.array(column),
        pyarrow.chunked_array([column[:9], column[9:]]),
    ):
        with pytest.raises(ValueError, match=r"X must be a table .* use .* for one feature, .* for one row") as caught:
            jaxreg.fit(X, Y, 0.1)
        feature, row = str(caught.value).split("use ")[1].split(", np" if "np" in str(caught.value) else ", X")
        feature = eval(feature.removesuffix(" for one feature"), {"X": X, "np": np})
        row = eval(("np" if "np" in str(caught.value) else "X") + row.removesuffix(" for one row"), {"X": X, "np": np})
        assert_equal(jaxreg.fit(feature, Y, 0.1), expected)
        assert inputs.check_matrix(row).tolist() == [column.tolist()]


def test_a_plan_of_a_frame_has_to_be_carried_out_first():
    polars = pytest.importorskip("polars")
    X = polars.DataFrame(VALUES, schema=list(NAMES))
    for call in (
        lambda X: jaxreg.fit(X, Y, 0.1),
        lambda X: jaxreg.path(X, Y, 3),
        lambda X: jaxreg.sweep(X, Y, 3, folds=3),
        lambda X: jaxreg.fit(VALUES, Y, 0.1).predict(X),
    ):
        with pytest.raises(TypeError, match=r"X is a LazyFrame, which holds no numbers yet; use X\.collect\(\)\."):
            call(X.lazy())
        call(X.lazy().collect())


def test_a_dictionary_is_no_table():
    with pytest.raises(TypeError, match="X is a dict; give an array or a data frame"):
        jaxreg.fit(dict(zip(NAMES, VALUES.T, strict=True)), Y, 0.1)


def test_columns_of_pyarrow_that_are_no_numbers_are_named():
    pyarrow = pytest.importorskip("pyarrow")
    import datetime

    X, _ = pyarrow_table()
    for column, match in (
        (pyarrow.array(["u", "v"] * 12).dictionary_encode(), "X column 'more' has dtype dictionary"),
        (pyarrow.array([datetime.date(2024, 1, 1)] * N), "X column 'more' has dtype date32"),
        (pyarrow.array(["low", "high"] * 12), r"X at row 0, column 'more' is 'low', which is not a number"),
        (pyarrow.array([None, *Y[1:]]), "X at row 0, column 'more' is a missing value"),
    ):
        with pytest.raises(ValueError, match=match):
            jaxreg.fit(X.append_column("more", column), Y, 0.1)


def test_every_container_of_y_and_weights_is_the_same():
    pyarrow = pytest.importorskip("pyarrow")
    s = np.arange(N) + 1.0
    expected = jaxreg.fit(VALUES, Y, 0.1, sample_weight=s)
    for of in (pyarrow.array, lambda v: pyarrow.chunked_array([v[:5], v[5:]])):
        assert_equal(jaxreg.fit(VALUES, of(Y), 0.1, sample_weight=of(s)), expected)
    table = pyarrow.table({"y": Y, "z": 2 * Y})
    assert_equal(jaxreg.fit(VALUES, table, 0.1), jaxreg.fit(VALUES, np.column_stack([Y, 2 * Y]), 0.1))


# ---- Many columns ---------------------------------------------------------------------------------------------------


def doors(p, folder):
    """Everything that goes through the names of p columns, as calls."""
    pandas = pytest.importorskip("pandas")
    names = [f"gene_{j}" for j in range(p)]
    X = pandas.DataFrame(np.zeros((2, p)), columns=names)
    backwards, other = X[names[::-1]], X.rename(columns=str.upper)
    file = folder / f"{p}.csv"
    file.write_text("\n".join([",".join(names), *[",".join(["1"] * p)] * 2]), encoding="utf-8")
    model = Solution(Params(0.0, np.zeros(p)), 0.0, True, 0, np.ones(p), tuple(names))
    table = Table(tuple(names), np.zeros((2, p)))

    def refused(X):
        with pytest.raises(ValueError, match="columns"):
            model.predict(X)

    return {
        "names": lambda: inputs.feature_names_of(X),
        "checks": lambda: inputs.check_matrix(X),
        "predict": lambda: model.predict(X),
        "predict, another order": lambda: refused(backwards),
        "predict, other names": lambda: refused(other),
        "CSV": lambda: read_table(file),
        "CSV, some columns": lambda: read_table(file, columns=names[: p // 2]),
        "CSV, others left out": lambda: read_table(file, ignore=names[: p // 2]),
        "without": lambda: table.without(*names[: p // 2]),
    }


def test_the_names_of_many_columns_cost_as_much_as_there_are(tmp_path):
    """Ten times as many take about ten times as long; looking each up among all would take a hundred times.

    Other programs on the machine may slow down one measurement, not five of them.
    """

    def seconds(call):
        start = time.process_time()
        call()
        return time.process_time() - start

    small, large = doors(3_000, tmp_path), doors(30_000, tmp_path)
    ratio = dict.fromkeys(small, np.inf)
    for _ in range(5):
        for name in [name for name, value in ratio.items() if value >= 35]:
            once, tenfold = (min(map(seconds, [size[name]] * 3)) for size in (small, large))
            ratio[name] = min(ratio[name], tenfold / once)
    assert all(value < 35 for value in ratio.values()), ratio
