"""The examples in the docstrings run, in the mode in which a user meets them: 64-bit mode off."""

import doctest
import importlib
import pkgutil

import pytest

import jaxreg

CORE = {"jax", "jaxlib", "numpy", "optax", "jaxreg"}  # what `pip install jaxreg` brings; anything else is optional


def module_names():
    # A package is imported to list what is in it; one that cannot be is reported by its own test below.
    found = pkgutil.walk_packages(jaxreg.__path__, "jaxreg.", onerror=lambda name: None)
    return ["jaxreg", *(module.name for module in found if not module.name.endswith("__main__"))]


@pytest.mark.parametrize("name", module_names())
def test_examples_of_the_docstrings_run(name, tmp_path, monkeypatch, capsys):
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in CORE:
            raise
        pytest.skip(f"needs {error.name}")
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(module)
    assert results.failed == 0, capsys.readouterr().out


def test_there_are_examples():
    found = [example for name in ("objective", "duality") for example in examples(f"jaxreg.formulas.{name}")]
    assert len(found) >= 10


def examples(name):
    tests = doctest.DocTestFinder().find(importlib.import_module(name))
    return [example for test in tests for example in test.examples]
