"""pandas and polars: the names of the columns are in the results, the figures, the saved file and the report."""

import numpy as np
import pytest

import jaxreg
from jaxreg.report import sweep_report

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


FRAMES = {"pandas": pandas_frame, "polars": polars_frame}


@pytest.fixture(params=FRAMES)
def frame(request):
    return FRAMES[request.param]()


def assert_equal(found, expected):
    """To rounding: a frame's columns lie one after the other in memory, and are summed in another order."""
    np.testing.assert_allclose(found.coef, expected.coef, rtol=0, atol=1e-13 * np.abs(expected.coef).max())


def test_the_answers_are_those_of_arrays_and_have_names(frame, tmp_path):
    X, y = frame
    options = {"sample_weight": abs(y), "lams": 6}
    plain = {"sample_weight": abs(Y), "lams": 6}
    path, sweep = jaxreg.path(X, y, **options), jaxreg.sweep(X, y, folds=3, **options)
    assert_equal(path, jaxreg.path(VALUES, Y, **plain))
    expected = jaxreg.sweep(VALUES, Y, folds=3, **plain)
    np.testing.assert_allclose(sweep.fold_mse, expected.fold_mse, rtol=1e-12)
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
        loaded.predict(X[list(NAMES[::-1])])
    with pytest.raises(ValueError, match=r"X lacks the columns \['面積'\]"):
        loaded.predict(X[list(NAMES[:3])])


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
        heights = [line.get_ydata() for line in ax.lines if len(line.get_ydata()) == 6]
        np.testing.assert_array_equal(heights[0], getattr(sweep, f"mean_{measure}")[0])
        marks = [text.get_text().split(": λ = ")[1] for text in ax.get_legend().get_texts()]
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
