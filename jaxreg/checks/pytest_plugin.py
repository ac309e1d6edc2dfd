"""A pytest plugin: every function marked ``@hand_derived(of=loss)`` in a test file is a test.

It is opt-in. Put ``pytest_plugins = ["jaxreg.checks.pytest_plugin"]`` into the conftest.py at the root of your tests,
or run ``pytest -p jaxreg.checks.pytest_plugin``. Formulas that live in a module of yours are collected where a test
file imports them, or from the module itself if it is named on the command line:
``pytest -p jaxreg.checks.pytest_plugin formulas.py``.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from jaxreg.checks.marks import Pair, pair_of

__all__ = ["Formula", "pytest_pycollect_makeitem"]


class Formula(pytest.Item):
    """The test that one formula is right."""

    pair: Pair

    def runtest(self) -> None:
        self.pair.run().assert_ok()

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        if excinfo.errisinstance(AssertionError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Any, int | None, str]:
        code = getattr(self.pair.formula, "__code__", None)
        return self.path, code.co_firstlineno - 1 if code else None, f"{self.name} (hand-derived)"


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, name: str, obj: object) -> pytest.Item | Iterable[pytest.Item] | None:
    """Makes a test of a marked function, whatever its name."""
    pair = pair_of(obj)
    if pair is None:
        return None
    item = Formula.from_parent(collector, name=name)
    item.pair = pair
    return [item]
