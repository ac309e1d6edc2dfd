"""How far it is from a door to the mathematics: few calls, and no module that is left and entered again and again.

What counts is a function of jaxreg between the door and the step from knot to knot. A function that is defined inside
another one is part of it, the call of a compiled program (``jaxreg.programs``, around ``jax.jit``) is JAX's, as is the
loop over members (``jaxreg.solvers.in_turn``, around ``jax.lax.fori_loop``) or devices (``jaxreg.solvers.divided``,
around ``jax.shard_map``), and what looks at the names of the
arguments (``jaxreg.other_names``) is Python's.
"""

import sys
import threading
from itertools import groupby
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.solvers import homotopy

MOST_CALLS, MOST_ENTRIES = 7, 2
NOT_COUNTED = (
    "programs.py",
    "precision.py",
    "other_names.py",
    *(str(Path("solvers", file)) for file in ("in_turn.py", "divided.py")),
)
FOLDER = str(Path(jaxreg.__file__).parent)
DOORS = {
    "path": lambda X, y: jaxreg.path(X, y, 20),
    "sweep": lambda X, y: jaxreg.sweep(X, y, 20, folds=3),
    "solvers.path": lambda X, y: jaxreg.solvers.path(X, y, 20),
}


def calls_to_a_knot(door):
    """(module, function) from the door to the step, both included; the outermost first."""
    found = []

    def record(frame, event, _):
        if event != "call" or frame.f_code is not homotopy.advance.__code__ or found:
            return
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(FOLDER):
                found.append((name[len(FOLDER) + 1 :], frame.f_code.co_qualname.split(".<locals>")[0]))
            frame = frame.f_back

    rng = np.random.default_rng(0)
    X = rng.normal(size=(67, 5))
    jax.clear_caches()  # what is compiled already is not traced
    threading.setprofile(record)
    sys.setprofile(record)
    try:
        door(X, X[:, 0] + rng.normal(size=67))
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return [call for call, _ in groupby(call for call in reversed(found) if call[0] not in NOT_COUNTED)]


@pytest.mark.parametrize("name", DOORS)
def test_it_is_not_far_from_a_door_to_a_knot(name, x64):
    own = calls_to_a_knot(DOORS[name])
    assert own[0][1] == name.split(".")[-1]
    assert own[-1] == (str(Path("solvers", "homotopy.py")), "advance")
    assert len(own) - 2 <= MOST_CALLS, own
    modules = [module for module, _ in groupby(module for module, _ in own)]
    assert all(modules.count(module) <= MOST_ENTRIES for module in modules), own
