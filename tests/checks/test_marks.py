"""Formulas marked in files: the command and the pytest plugin."""

import os
import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import checks, cli
from jaxreg.checks.marks import pair_of

ROOT = Path(__file__).parents[2]
FORMULAS = """
import jax.numpy as jnp
from jaxreg import checks

def loss(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * jnp.sum(w**2)

@checks.hand_derived(of=loss)
def right(w, X, y, lam):
    return X.T @ (X @ w - y) / len(y) + 2 * lam * w

@checks.hand_derived(of=loss)
def wrong(w, X, y, lam):
    return X.T @ (X @ w - y) / len(y) + lam * w

@checks.hand_derived(of=loss, check=checks.update, step_size=0.5)
def step(w, X, y, lam):
    return w - 0.5 * right(w, X, y, lam)
"""


@pytest.fixture
def formulas(tmp_path):
    path = tmp_path / "my_formulas.py"
    path.write_text(FORMULAS, encoding="utf-8")
    return path


# ------------------------------------------------------------------------------------------------ the command


def test_a_file_is_checked(formulas, capsys):
    assert cli.main(["check", str(formulas)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "ok: right against the gradient of loss"
    assert "WRONG: wrong against the gradient of loss" in out
    assert "  the term lam·Σ w² is 2 times too small" in out
    assert "ok: the step of step against the gradient of loss" in out
    assert out[-1] == "3 checked, 1 wrong"
    assert "my_formulas" not in sys.modules


def test_by_name(formulas, capsys):
    assert cli.main(["check", str(formulas), "right", "step"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 checked, 0 wrong"
    assert cli.main(["check", str(formulas), "left"]) == 2
    assert "marks no formula left; it marks right, wrong, step" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "is no file"),
        ("x = 1\n", "marks no formula; put @jaxreg.checks.hand_derived(of=loss) above"),
        ("x = 1 +\n", "cannot be imported: SyntaxError"),
        ("import no_such_module\n", "cannot be imported: ModuleNotFoundError"),
        (
            "from jaxreg import checks\n@checks.hand_derived(of=sum)\ndef f(zebra): ...\n",
            "f: f: no example for zebra can be made up from the name; give one: @hand_derived(of=..., at=(zebra))",
        ),
    ],
)
def test_refused_in_one_line(tmp_path, capsys, text, message):
    path = tmp_path / "formulas.py"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    assert cli.main(["check", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# ------------------------------------------------------------------------------------------------ the mark


def test_the_function_stays_what_it_is():
    def loss(w):
        return jnp.sum(w**2)

    @checks.hand_derived(of=loss, at=(np.ones(3),))
    def gradient(w):
        return 2 * w

    assert gradient(np.float64(1.5)) == 3.0
    assert pair_of(gradient).run()
    assert pair_of(loss) is None
    assert pair_of(np) is None


def test_an_example_may_be_made_by_a_function():
    made = []

    def example():
        made.append(1)
        return np.ones(2), {"a": 2.0}

    @checks.hand_derived(of=lambda w, data: data["a"] * jnp.sum(w**2), at=example)
    def gradient(w, data):
        return data["a"] * w

    assert pair_of(gradient).run().expression == "2"
    assert made == [1]


# ------------------------------------------------------------------------------------------------ the plugin


def run_pytest(folder, *arguments):
    """pytest in a process of its own: it must not see the settings of these tests."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
def test_one_test_a_formula(formulas):
    done = run_pytest(formulas.parent, "-vv", "-p", "jaxreg.checks.pytest_plugin", "my_formulas.py")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "my_formulas.py::right PASSED" in done.stdout
    assert "my_formulas.py::wrong FAILED" in done.stdout
    assert "my_formulas.py::step PASSED" in done.stdout
    assert "the term lam·Σ w² is 2 times too small" in done.stdout
    assert "1 failed, 2 passed" in done.stdout
    assert "Traceback" not in done.stdout  # the report is the message


@pytest.mark.slow
def test_from_a_conftest_where_a_test_file_imports_them(formulas):
    folder = formulas.parent
    (folder / "conftest.py").write_text('pytest_plugins = ["jaxreg.checks.pytest_plugin"]\n', encoding="utf-8")
    (folder / "test_all.py").write_text("from my_formulas import right, wrong\n\ndef test_other():\n    pass\n")
    done = run_pytest(folder)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_it_is_opt_in(formulas):
    """Without the plugin an installed jaxreg changes nothing."""
    folder = formulas.parent
    (folder / "test_all.py").write_text("from my_formulas import right, wrong\n\ndef test_other():\n    pass\n")
    done = run_pytest(folder)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
