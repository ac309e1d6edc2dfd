"""A model that was stored predicts without JAX, whose import takes longer than most predictions."""

import subprocess
import sys

import numpy as np
import pytest

import jaxreg

LOADED = """
import sys
import numpy as np
import jaxreg

model = jaxreg.load(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3])))
heavy = {"jax", "jaxlib", "optax", "sklearn", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
assert model.converged if not hasattr(model, "best") else model.best.lam > 0
"""


def run(*arguments):
    done = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["fit", "sweep", "leave_one_out"])
def test_a_saved_result_predicts_without_jax(tmp_path, kind):
    data = jaxreg.datasets.diabetes()
    make = {
        "fit": lambda: jaxreg.fit(data.X, data.y, lam=1.0),
        "sweep": lambda: jaxreg.sweep(data.X, data.y, lams=5, folds=3),
        "leave_one_out": lambda: jaxreg.ridge_leave_one_out(data.X, data.y, lams=5),
    }
    result = make[kind]()
    result.save(tmp_path / "model.npz")
    np.save(tmp_path / "rows.npy", data.X[:7])
    run("-c", LOADED, tmp_path / "model.npz", tmp_path / "predictions.npy", tmp_path / "rows.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "predictions.npy"), result.predict(data.X[:7]))


def test_the_command_predicts_without_jax(tmp_path):
    (tmp_path / "result.json").write_text(
        """{"format": "jaxreg sweep", "version": 1, "feature_names": ["a", "b"], "target": "y",
            "best": {"coef": [2.0, 0.0], "intercept": 1.0}}"""
    )
    (tmp_path / "new.csv").write_text("a,b\n1,5\n3,7\n")
    code = (
        "import sys; from jaxreg.cli import main; code = main(sys.argv[1:]); "
        "assert 'jax' not in sys.modules; sys.exit(code)"
    )
    assert run("-c", code, "predict", tmp_path, tmp_path / "new.csv") == "line,y\n2,3.0\n3,7.0\n"


def test_every_public_name_is_there():
    for name in jaxreg.__all__:
        assert getattr(jaxreg, name) is not None
        assert name in dir(jaxreg)
    assert jaxreg.results.Path.__name__ == "Path"
    with pytest.raises(AttributeError, match="has no attribute 'lasso'"):
        jaxreg.lasso  # noqa: B018
