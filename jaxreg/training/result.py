"""What ``train`` and ``train_grid`` return: parameters, their course, and how they are read."""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxreg.results.readable import Readable
from jaxreg.training import reading
from jaxreg.training.arguments import Tree

__all__ = ["Best", "History", "Training"]


class Best(NamedTuple):
    """The parameters of the smallest validation loss so far.

    Attributes:
        params. loss: (), the validation loss. step: at which they were looked at. history: validation loss at every
            record, beside those of :class:`History`; None while the run lasts.
    """

    params: Tree
    loss: jax.Array
    step: jax.Array
    history: jax.Array | None = None


class History(NamedTuple):
    """Info: what a person wants to see, at every record (before the leading axis of records, that of members).

    Attributes:
        step: steps taken. loss: at the params of that step. residual: largest entry of the gradient (with a prox: of
            the gradient mapping), or the value of ``gap`` where one is given.
    """

    step: jax.Array
    loss: jax.Array
    residual: jax.Array


class Training(NamedTuple):
    """What ``train`` and ``train_grid`` return; of a grid, every array has a leading member axis (G,).

    Attributes:
        params: as given; those of the last step, or of the last finite one where a member diverged.
        loss: at params, (). residual: at params, (): see :class:`History`.
        n_steps: steps taken. converged: `residual ≤ tol` (False without ``tol``). diverged: the params ceased to be
            finite in step ``n_steps``, or at the record after it the loss was not finite or had grown by 1e12, or the
            gradient is not finite at the start. (The loss is looked at when a record is made; with ``record_every=1``
            that is after every step.)
        history: History with a record axis of length `T = ⌈steps / record_every⌉` after the member axis; the records
            after a member stopped repeat its last.
        state: the optimiser's.
        aux: what the loss returned besides its value, at params (of a stream: on the last batch); None without
            ``has_aux``.
        best: Best, the params of the smallest validation loss, that loss and its step; None without ``validation``.
        grid: of ``train_grid``: the hyperparameters of every member, arrays (G, ...) by name; else None.

    Example:
        >>> import jax.numpy as jnp, optax, jaxreg
        >>> def loss(w, target, lam):
        ...     return 0.5 * jnp.sum((w - target) ** 2 + lam * w**2)
        >>> grid = {"lam": jnp.array([0.0, 1.0, 3.0])}
        >>> result = jaxreg.train_grid(loss, jnp.zeros(2), grid, jnp.array(2.0), optimizer=optax.sgd(0.2), steps=9)
        >>> print(result.summary().splitlines()[0])
        Training: 3 members of 2 parameters, the best first
        >>> result.best_member(), float(result.member(2).grid["lam"])
        (0, 3.0)
    """

    params: Tree
    loss: jax.Array
    residual: jax.Array
    n_steps: jax.Array
    converged: jax.Array
    diverged: jax.Array
    history: History
    state: Tree
    aux: Tree = None
    best: Best | None = None
    grid: Any = None

    def summary(self) -> str:
        """At most 12 lines: the course of a run, or the best members of a grid."""
        readable: Any = self
        return Readable.summary(readable)

    def __repr__(self) -> str:
        return self.summary()

    def to_frame(self, kind: str | None = None) -> Any:
        """A row a record of one run, or a row a member of a grid; as :meth:`jaxreg.results.Path.to_frame`."""
        readable: Any = self
        return Readable.to_frame(readable, kind)

    def best_member(self, measure: Any = None) -> int:
        """The number of the member of a grid that has the least measure and has not diverged.

        Args:
            measure: "loss", "residual", "validation" (of the best step), or a number for every member, (G,); None takes
                the validation loss where there is one, else the loss.

        Raises:
            ValueError: one run alone, another measure, or no member that has not diverged.
        """
        return reading.best_member(self, measure)

    def member(self, number: int) -> "Training":
        """One member of a grid, as ``train`` would have returned it; ``grid`` has its hyperparameters.

        Raises:
            IndexError, ValueError: there is no such member; one run alone.
        """
        if np.ndim(self.n_steps) == 0:
            raise ValueError("this Training is of one run; only a grid (train_grid) has members.")
        G = len(self.n_steps)
        if not -G <= number < G:
            raise IndexError(f"member {number}: the grid has {G} members, numbered from 0.")
        return jax.tree.map(lambda leaf: leaf[number], self)

    def plot(self, x: str | None = None, y: str | None = None, measure: Any = None, ax: Any = None) -> Any:
        """Loss curves, the best member's in a colour of its own; or a measure over hyperparameters. Returns the axes.

        Args:
            x, y: names of hyperparameters: the measure over one, or as colours over two. measure: as in
                :meth:`best_member`. ax: axes to draw on; a new figure's if None.

        Raises:
            ValueError: a name that is not in the grid. ImportError: matplotlib is missing.
        """
        return reading.plotted(self, x, y, measure, ax)


# A NamedTuple takes no other base.
for _name, _function in {
    "_shown": reading.shown,
    "_columns": reading.columns,
    "on_host": lambda self: self,
    "_figure": Readable._figure,
    "_repr_html_": Readable._repr_html_,
}.items():
    setattr(Training, _name, _function)
