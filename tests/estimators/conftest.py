"""Of scikit-learn's parametrised tests, the cases of other estimators than jaxreg's are left out."""

import inspect

from sklearn.base import BaseEstimator

HERE = "tests/estimators/test_with_scikit_learns_tests.py"


def is_other(value):
    kind = value if inspect.isclass(value) else type(value)
    return issubclass(kind, BaseEstimator) and kind.__module__.startswith("sklearn.")


def is_own(value):
    kind = value if inspect.isclass(value) else type(value)
    return kind.__module__.startswith("jaxreg.estimators")


def pytest_collection_modifyitems(config, items):
    kept, left_out = [], []
    for item in items:
        values = item.callspec.params.values() if hasattr(item, "callspec") else ()
        about_others = any(map(is_other, values)) and not any(map(is_own, values))
        here = item.nodeid.startswith(HERE)
        (left_out if here and about_others else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept
