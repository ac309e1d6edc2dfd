"""What results say of themselves: short, right, and as frames that others can use."""

import subprocess
import sys

import numpy as np
import pytest

import jaxreg
from jaxreg.engines import ridge

rng = np.random.default_rng(0)
X = rng.normal(size=(40, 6))
Y = X[:, :2] @ np.array([[2.0, 0.5], [-1.0, 1.0]]) + 0.1 * rng.normal(size=(40, 2))
LAMS = np.array([2.0, 1.0, 0.5, 0.3, 0.2, 0.1, 0.05])
NAMES = ("a", "b", "<c>", "lam", "e\nf", "g")


def results(y):
    """One of each kind."""
    sweep = jaxreg.sweep(X, y, LAMS, [0.5, 1.0], folds=4, measure="mae")
    loo = jaxreg.ridge_leave_one_out(X, y, LAMS)
    fit, path = jaxreg.fit(X, y, 0.1), jaxreg.path(X, y, LAMS)
    return {"fit": fit, "path": path, "sweep": sweep, "choice": sweep.best, "leave one out": loo}


@pytest.fixture(scope="module", params=["one", "several"])
def each(request):
    return results(Y[:, 0] if request.param == "one" else Y)


def test_a_bare_result_prints_at_most_12_lines(each):
    for result in each.values():
        text = repr(result)
        assert text == str(result) == result.summary()
        assert len(text.splitlines()) <= 12
        assert max(map(len, text.splitlines())) <= 120


def test_many_columns_and_targets_are_cut_short():
    wide = rng.normal(size=(30, 2000))
    many = wide[:, :20] @ rng.normal(size=(20, 30))
    for result in (jaxreg.fit(wide, many[:, 0], 0.01), jaxreg.fit(X[:30], many, 0.01), jaxreg.path(X[:30], many, 20)):
        assert len(repr(result).splitlines()) <= 12
    assert "more" in repr(jaxreg.fit(wide, many[:, 0], 0.01))


def test_the_numbers_are_those_of_the_result():
    fit, path, sweep, choice, loo = results(Y[:, 0]).values()
    assert f"{np.sum(fit.coef != 0)} of 6 coefficients are not 0; intercept {fit.intercept:.6g}" in repr(fit)
    largest = int(np.argmax(np.abs(fit.coef) * fit.scale))
    assert repr(fit).splitlines()[2].split() == ["column", str(largest), f"{fit.coef[largest]:.6g}"]
    first, last = repr(path).splitlines()[2].split(), repr(path).splitlines()[-2].split()
    assert first[:2] == ["2", str(path.n_nonzero[0])]
    assert last[:2] == ["0.05", str(path.n_nonzero[-1])]
    assert "all 7 fits are within the tolerance" in repr(path)
    lines = dict(line.split("  ", 1) for line in repr(sweep).splitlines()[2:7])
    assert lines["λ"].split() == [f"{sweep.best.lam:.6g}", f"{sweep.one_se.lam:.6g}"]
    assert f"{sweep.best.mean_mse:.6g} ± {sweep.best.se_mse:.3g}" in lines["mean squared error"]
    mean, se = (v[tuple(sweep.best.index)] for v in (sweep.mean_mae, sweep.se_mae))
    assert f"{mean:.6g} ± {se:.3g}" in lines["mean absolute error"]
    assert f"{choice.n_nonzero}" == repr(choice).split()[-1]
    assert f"{loo.best.lam:.6g}" in repr(loo)


def test_what_has_not_converged_is_said():
    with pytest.warns(jaxreg.ConvergenceWarning):
        found = jaxreg.path(X, Y[:, 0], LAMS, tol=1e-30)
    late = int((~found.converged).sum())
    assert late > 0
    assert f"{late} of 7 fits are NOT within the tolerance" in repr(found)


def test_a_notebook_shows_a_table_and_a_figure():
    import pandas as pd

    found = jaxreg.path(pd.DataFrame(X, columns=NAMES), Y[:, 0], LAMS)
    page = found._repr_html_()
    assert page.count("<tr>") == 6
    assert 'src="data:image/png;base64,' in page
    fit = jaxreg.fit(pd.DataFrame(X, columns=NAMES), X[:, 2], 0.1)
    assert "<c>" not in fit._repr_html_()
    assert "&lt;c&gt;" in fit._repr_html_()
    assert "img" not in jaxreg.path(X, Y, LAMS)._repr_html_()  # several targets have a figure each


def test_frames_hold_every_number(each):
    import pandas as pd
    import polars as pl

    for name, result in each.items():
        columns = result.to_frame("dict")
        frame, other = result.to_frame("pandas"), result.to_frame("polars")
        assert isinstance(frame, pd.DataFrame)
        assert isinstance(other, pl.DataFrame)
        assert list(frame.columns) == other.columns == list(columns)
        for column, values in columns.items():
            np.testing.assert_array_equal(frame[column], values, err_msg=name)
            np.testing.assert_array_equal(other[column].to_numpy(), values, err_msg=name)
        with pytest.raises(ValueError, match="kind is 'excel'"):
            result.to_frame("excel")


def test_a_row_of_a_frame_is_one_model():
    path = jaxreg.path(X, Y, LAMS)
    frame = path.to_frame("pandas")
    row = frame[(frame.target == 1) & (frame.lam == 0.3)].iloc[0]
    assert row["intercept"] == path.intercept[3, 1]
    assert row["column 2"] == path.coef[3, 2, 1]
    assert row["gap"] == path.gap[3, 1]
    sweep = jaxreg.sweep(X, Y, LAMS, [0.5, 1.0], folds=4)
    frame = sweep.to_frame("pandas")
    assert len(frame) == 2 * 7 * 2
    row = frame[(frame.target == 1) & (frame.lam == 0.2) & (frame.l1_ratio == 0.5)].iloc[0]
    assert row["mean_mse"] == sweep.mean_mse[0, 4, 1]
    assert "mean_mae" not in frame
    named = jaxreg.path(jaxreg_frame(), Y[:, 0], LAMS).to_frame("dict")
    assert set(named) >= {"a", "b", "<c>", "coefficient of lam", "g", "lam"}


def jaxreg_frame():
    import pandas as pd

    return pd.DataFrame(X, columns=NAMES)


def test_coefficients_that_wait_to_be_read_are_not_computed_to_be_shown(monkeypatch):
    monkeypatch.setattr(ridge, "COEF_BYTES", 0)
    found = jaxreg.sweep(X, Y, LAMS, 0.0, folds=3).path
    assert callable(vars(found)["n_nonzero"])
    assert "not 0" not in repr(found)
    assert callable(vars(found)["n_nonzero"])


def test_without_pandas_or_polars_a_frame_is_a_dict():
    code = """
import sys, numpy as np, jaxreg
found = jaxreg.fit(np.eye(4), np.arange(4.0), 0.1).to_frame()
assert isinstance(found, dict) and not {"pandas", "polars", "matplotlib"} & set(sys.modules), set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
