"""The command and the estimators are ``tune``."""

import inspect

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg import cli
from jaxreg.convergence import TuningWarning


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3))
    return X, 2 * X[:, 0] + rng.standard_normal(40)


@pytest.fixture
def table(data, tmp_path):
    X, y = data
    path = tmp_path / "table.csv"
    np.savetxt(path, np.column_stack([X, y]), delimiter=",", header="a,b,c,y", comments="")
    return path


def test_the_command_writes_what_python_computes(table, data, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("jaxreg.cli.prepare.keep_programs", lambda: None)  # the settings of this process stay
    out = tmp_path / "out"
    assert cli.main(["tune", str(table), "--target", "y", "--folds", "4", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    with pytest.warns(TuningWarning, match="bound"):  # three columns need no penalty
        found = jaxreg.tune(*data, folds=4)
    assert "stands at a bound" in printed
    assert f"{found.value:.6g}" in printed
    assert sorted(file.name for file in out.iterdir()) == ["tune.csv", "tune.npz", "tune_trace.png"]
    stored = jaxreg.load(out / "tune.npz")
    np.testing.assert_allclose(stored.coef, found.coef, rtol=1e-10)
    assert stored.feature_names == ("a", "b", "c")


def test_the_command_refuses_in_one_line(table, capsys):
    assert cli.main(["tune", str(table), "--target", "y", "--start", "-1"]) == 2
    said = capsys.readouterr().err
    assert "start is -1.0" in said.splitlines()[-1]


def test_the_names_and_defaults_of_the_options_are_those_of_python():
    of_python = inspect.signature(jaxreg.tune).parameters
    (commands,) = (action for action in cli.parser()._actions if hasattr(action, "choices") and action.choices)
    options = {action.dest: action for action in commands.choices["tune"]._actions}
    data = ("file", "target", "dataset", "ignore", "delimiter", "encoding", "decimal", "na", "categorical")
    for name in (*data, "help", "out"):
        del options[name]
    assert set(of_python) - set(options) == {"X", "y", "groups", "row_groups", "optimizer", "penalty_factor"}
    assert set(options) <= set(of_python)
    for name, action in options.items():
        assert f"--{name.replace('_', '-')}" in action.option_strings
        default = action.default[0] if isinstance(action.default, list) else action.default
        if name != "dtype":
            assert str(default) == str(of_python[name].default), name


@pytest.mark.parametrize(("kind", "l1_ratio"), [("TunedLasso", 1.0), ("TunedRidge", 0.0)])
def test_the_estimators(data, kind, l1_ratio):
    X, y = data
    model = clone(getattr(jaxreg, kind)(criterion="gcv", standardize=True)).fit(X, y)
    found = jaxreg.tune(X, y, criterion="gcv", l1_ratio=l1_ratio)
    assert model.alpha_ == found.lam
    np.testing.assert_array_equal(model.coef_, found.coef)
    np.testing.assert_allclose(model.predict(X), found.predict(X))
    assert model.score(X, y) > 0.5


def test_in_a_pipeline_with_factors_of_groups_and_a_splitter(data):
    X, y = data
    model = jaxreg.TunedRidge(tune_factors=True, groups=["a", "b", "b"], cv=4, steps=20)
    fitted = make_pipeline(StandardScaler(), model).fit(X, y)[-1]
    assert fitted.penalty_factor_[1] == fitted.penalty_factor_[2] > fitted.penalty_factor_[0]
    with pytest.raises(ValueError, match="y should be a 1d array"):
        jaxreg.TunedLasso().fit(X, np.column_stack([y, y]))
