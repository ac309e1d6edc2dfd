"""How a :class:`~jaxreg.training.Training` is read: a few lines, columns of numbers, its best member, a figure."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.results.summaries import Shown

__all__ = ["best_member", "columns", "numbers_of", "plotted", "shown"]

# Rows of a table below its headings.
MOST_ROWS = 5
MEASURES = ("loss", "validation", "residual")


def shown(training: Any) -> Shown:
    """The course of a run, or the best members of a grid."""
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(training)):
        return Shown("Training inside a program", [], [])
    count = sum(np.size(leaf) for leaf in jax.tree.leaves(training.params))
    steps, known = np.asarray(training.n_steps), columns(training)
    if steps.ndim == 0:
        some = np.unique(np.linspace(0, len(known["step"]) - 1, MOST_ROWS).round().astype(int))
        end = "converged" if training.converged else "DIVERGED" if training.diverged else "not asked to converge"
        text = f"{end} after {int(steps):,} steps"
        return Shown(f"Training: {_parameters(count)}", _table(known, some), [text, *_kept(training)])
    G = len(steps)
    order = np.argsort(np.where(known["diverged"], np.inf, _measured(training, None)), kind="stable")[:MOST_ROWS]
    names = [name for name in known if name not in ("converged", "diverged")]
    text = f"{int(np.sum(training.converged)):,} of {G:,} converged, {int(np.sum(training.diverged)):,} diverged"
    rows = _table({"member": np.arange(G), **{name: known[name] for name in names}}, order)
    title = f"Training: {G:,} members of {_parameters(count // G)}, the best first"
    return Shown(title, rows, [f"{text}; {int(steps.max()):,} steps at most"])


def columns(training: Any) -> dict[str, Any]:
    """A row a record of one run, or a row a member of a grid."""
    history, best = training.history, training.best
    one = np.ndim(training.n_steps) == 0
    if one:
        found = {"step": history.step, "loss": history.loss, "residual": history.residual}
        found |= {} if best is None else {"validation": best.history}
    else:
        numbers = lambda a: np.ndim(a) == 1 and not jnp.issubdtype(a.dtype, jax.dtypes.prng_key)
        found = {name: a for name, a in (training.grid or {}).items() if numbers(a)}
        found |= {"loss": training.loss} | ({} if best is None else {"validation": best.loss})
        found |= {"residual": training.residual, "steps": training.n_steps}
        found |= {"converged": training.converged, "diverged": training.diverged}
    return {name: np.asarray(values) for name, values in found.items()}


def best_member(training: Any, measure: Any = None) -> int:
    """The number of the member of least measure that has not diverged.

    Args:
        measure: "loss", "residual", "validation" (that of the best step), or a number for every member, (G,); None
            takes the validation loss where there is one, else the loss.

    Raises:
        ValueError: one run alone, another measure, or no member of finite measure that has not diverged.
    """
    if np.ndim(training.n_steps) == 0:
        raise ValueError("this Training is of one run; only a grid (train_grid) has a best member.")
    values = _measured(training, measure)
    finite = np.isfinite(values) & ~np.asarray(training.diverged)
    if not finite.any():
        raise ValueError("all members have diverged, or their measure is not finite; try smaller learning rates.")
    return int(np.argmin(np.where(finite, values, np.inf)))


def _measured(training: Any, measure: Any) -> np.ndarray:
    if measure is None:
        measure = "loss" if training.best is None else "validation"
    if isinstance(measure, str):
        if measure not in MEASURES or (measure == "validation" and training.best is None):
            allowed = [name for name in MEASURES if name != "validation" or training.best is not None]
            raise ValueError(f"measure is {measure!r}; here it may be one of {allowed}, or a number for every member.")
        return np.asarray(training.best.loss if measure == "validation" else getattr(training, measure), float)
    values, G = np.asarray(measure, float), len(training.n_steps)
    if values.shape != (G,):
        raise ValueError(f"measure has the shape {values.shape}; it must have a number for each of the {G} members.")
    return values


def plotted(training: Any, x: str | None, y: str | None, measure: Any, ax: Any) -> Any:
    """The figure of :meth:`Training.plot`."""
    from jaxreg.plot.training import loss_curves, over_hyperparameters

    if x is None:
        step, loss = np.atleast_2d(training.history.step), np.atleast_2d(training.history.loss)
        chosen = None if np.ndim(training.n_steps) == 0 else best_member(training, measure)
        return loss_curves(step, loss, chosen, np.atleast_1d(training.diverged), ax=ax)
    values = np.where(np.asarray(training.diverged), np.nan, _measured(training, measure))
    label = measure if isinstance(measure, str) else "measure" if measure is not None else "loss"
    label = "validation" if measure is None and training.best is not None else label
    return over_hyperparameters(numbers_of(training, x, y), label, values, ax=ax)


def numbers_of(training: Any, *names: str | None) -> dict[str, np.ndarray]:
    """The hyperparameters of these names, (G,) each, without those that are None.

    Raises:
        ValueError: a name that is not in the grid, or whose values are no numbers.
    """
    grid, known = training.grid or {}, columns(training)
    known = {name: known[name] for name in grid if name in known}
    for name in names:
        if name is not None and name not in known:
            raise ValueError(
                f"{name!r} is no hyperparameter of the grid with a number a member; it has {sorted(known)}."
            )
    return {name: known[name] for name in names if name is not None}


def _parameters(count: int) -> str:
    return "1 parameter" if count == 1 else f"{count:,} parameters"


def _kept(training: Any) -> list[str]:
    if training.best is None:
        return []
    return [f"least validation loss {float(training.best.loss):.6g}, at step {int(training.best.step):,}"]


def _table(known: dict[str, np.ndarray], rows: np.ndarray) -> list[tuple[str, ...]]:
    cell = lambda value: f"{value:,}" if np.issubdtype(np.asarray(value).dtype, np.integer) else f"{float(value):.6g}"
    return [tuple(known), *(tuple(cell(values[row]) for values in known.values()) for row in rows)]
