"""Arguments by the names that other programs give them: the error says what they are called here."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

__all__ = ["OURS", "names_ours"]

P = ParamSpec("P")
R = TypeVar("R")

_LAM = "λ, in the unit of this objective: jaxreg.convert turns the numbers of other programs into it"
_LAMS = "the λs, or how many; jaxreg.convert turns the numbers of other programs into them"
_FOLDS = "a number of folds, a label for every row, a splitter, or pairs (training rows, held-out rows)"
_GROUPS = "a label for every row, so that a group is held out as a whole, or list(splitter.split(X, y, groups))"

# Names elsewhere; and ours, of which the first that the function has is meant, with a word about it.
_TABLE: tuple[tuple[str, dict[str, str]], ...] = (
    ("alpha lambda_ lambd reg", {"lam": _LAM, "lams": _LAMS}),
    ("alphas n_alphas lambdas lambda_path nlambda", {"lams": _LAMS, "lam": _LAM}),
    ("cv nfolds n_folds n_splits", {"folds": _FOLDS}),
    ("groups foldid", {"folds": _GROUPS}),
    ("l1_ratios rho mixing", {"l1_ratio": "1 for a lasso, 0 for ridge"}),
    ("weights weight sample_weights", {"sample_weight": "a weight for every row, (n,)"}),
    ("penalty_factors p_fac penalty_weight", {"penalty_factor": "how much each column is penalised, (p,)"}),
    ("positive", {"lower": "lower=0 keeps all coefficients from being negative"}),
    ("normalize scale", {"standardize": "whether columns and y are measured in their standard deviations"}),
    ("intercept", {"fit_intercept": "whether there is one"}),
    ("random_state", {"seed": "of the random folds", "key": "a jax.random.key"}),
    ("scoring", {"measure": '"mse", "mae" or "r2"'}),
    ("verbose", {"progress": "True shows a line while it works"}),
    ("epochs n_steps maxiter", {"steps": "how many", "max_iter": "at most so many"}),
)
OURS = {name: ours for names, ours in _TABLE for name in names.split()}


def names_ours(function: Callable[P, R]) -> Callable[P, R]:
    """The function, which names its own argument where it is given one by another program's name.

    Example:
        >>> @names_ours
        ... def path(X, y, lams=100): ...
        >>> path(None, None, n_alphas=50)
        Traceback (most recent call last):
        ...
        TypeError: path() has no argument 'n_alphas'; it is lams here: the λs, or how many; jaxreg.convert turns the \
numbers of other programs into them.
    """
    own = inspect.signature(function).parameters

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        for name in kwargs:
            if name not in own and (meant := _meant(name, own)):
                raise TypeError(f"{function.__name__}() has no argument {name!r}; {meant}.")
        return function(*args, **kwargs)

    return call


def _meant(name: str, own: Any) -> str | None:
    """What it is called here; None where we do not know."""
    if name == "n_jobs":
        return "all cores are used by themselves (with threadpoolctl), and none is to be asked for"
    for ours, word in OURS.get(name, {}).items():
        if ours in own:
            return f"it is {ours} here: {word}"
    return None
