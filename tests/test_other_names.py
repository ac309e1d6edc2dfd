"""Arguments that are given by the name they have in other programs."""

import inspect

import numpy as np
import pytest

import jaxreg
from jaxreg.other_names import OURS

X, Y = np.eye(4), np.arange(4.0)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: jaxreg.sweep(X, Y, cv=2), "'cv'; it is folds here: a number of folds"),
        (lambda: jaxreg.sweep(X, Y, groups=Y), "'groups'; it is folds here: a label for every row"),
        (lambda: jaxreg.sweep(X, Y, l1_ratios=[0.5, 1]), "'l1_ratios'; it is l1_ratio here"),
        (lambda: jaxreg.sweep(X, Y, random_state=0), "'random_state'; it is seed here"),
        (lambda: jaxreg.path(X, Y, alphas=[1.0]), "'alphas'; it is lams here"),
        (lambda: jaxreg.fit(X, Y, alpha=1.0), "'alpha'; it is lam here: .*jaxreg.convert"),
        (lambda: jaxreg.fit(X, Y, 1.0, positive=True), "'positive'; it is lower here: lower=0"),
        (lambda: jaxreg.ridge_leave_one_out(X, Y, alphas=[1.0]), "'alphas'; it is lams here"),
        (lambda: jaxreg.path(X, Y, n_jobs=2), "'n_jobs'; all cores are used"),
        (lambda: jaxreg.train(None, X, optimizer=None, epochs=3), "'epochs'; it is steps here"),
    ],
)
def test_ours_is_named(call, words):
    with pytest.raises(TypeError, match=words):
        call()


def test_what_is_not_known_is_refused_as_python_does():
    with pytest.raises(TypeError, match="unexpected keyword argument 'foo'"):
        jaxreg.path(X, Y, foo=1)


def test_signatures_are_those_of_the_functions():
    assert list(inspect.signature(jaxreg.fit).parameters)[:3] == ["X", "y", "lam"]


def test_every_name_of_ours_belongs_to_a_function():
    doors = jaxreg.fit, jaxreg.path, jaxreg.sweep, jaxreg.train, jaxreg.train_grid
    known = set().union(*(inspect.signature(door).parameters for door in doors))
    for elsewhere, ours in OURS.items():
        assert set(ours) <= known, elsewhere
        assert elsewhere not in known, elsewhere
