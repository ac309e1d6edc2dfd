"""scikit-learn's installed tests of its linear models, run with jaxreg's classes in the place of its own.

A test function runs if its source, or that of a helper that it calls, names one of the six classes; of its parameters,
those of other estimators are left out (conftest.py). EXCEPTIONS is the table of all that do not hold, each with its
reason: they have to fail, so that the table cannot grow old.
"""

import ast
import functools
import importlib.util
import inspect
from collections.abc import Collection
from pathlib import Path

import pytest
import sklearn.linear_model

import jaxreg

NAMES = ("Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV")
FILES = ("test_ridge", "test_coordinate_descent", "test_sparse_coordinate_descent", "test_common")

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]

EXCEPTIONS = {}


@pytest.fixture
def global_random_seed():
    return 42


def loaded(file):
    """The test module, imported while ``sklearn.linear_model`` holds jaxreg's classes."""
    path = Path(sklearn.linear_model.__file__).parent / "tests" / f"{file}.py"
    spec = importlib.util.spec_from_file_location(f"scikit_learns_{file}", path)
    module = importlib.util.module_from_spec(spec)
    before = {name: getattr(sklearn.linear_model, name) for name in NAMES}
    try:
        for name in NAMES:
            setattr(sklearn.linear_model, name, getattr(jaxreg, name))
        spec.loader.exec_module(module)
    finally:
        for name, value in before.items():
            setattr(sklearn.linear_model, name, value)
    return module


def names_of_a_class(module):
    """Which test functions name one of the classes, by themselves or by a helper."""
    named = {}
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef):
            named[node.name] = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    while True:
        more = {
            f
            for f, names in named.items()
            if not names & set(NAMES) and any(named[g] & set(NAMES) for g in names & set(named))
        }
        if not more:
            return {f for f, names in named.items() if names & set(NAMES)}
        for f in more:
            named[f].add(NAMES[0])


def where_dense(test):
    """The test; sparse tables do not count for or against it."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        try:
            return test(*args, **kwargs)
        except TypeError as error:
            if "parse data was passed" in str(error):
                pytest.xfail("X is sparse")
            raise

    for mark in test.__dict__.get("pytestmark", ()):
        if mark.name == "parametrize" and not isinstance(mark.args[1], Collection):
            listed = pytest.mark.parametrize(mark.args[0], list(mark.args[1]), **mark.kwargs).mark
            run.pytestmark = [listed if other is mark else other for other in run.pytestmark]
    return run


for file in FILES:
    module = loaded(file)
    about = names_of_a_class(module)
    for name, value in vars(module).items():
        if name in about and name.startswith("test_"):
            globals()[f"{file}__{name[5:]}"] = where_dense(value)
        elif type(value).__name__ == "FixtureFunctionDefinition":
            globals()[name] = value
