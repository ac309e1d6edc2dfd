"""What is said of members that diverged."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.convergence import warn_caller
from jaxreg.training.arguments import Tree
from jaxreg.training.methods import first_step, has_derivatives
from jaxreg.training.programs import Member, Recipe, loss_of, method_of, with_values
from jaxreg.training.result import Training
from jaxreg.training.stability import curvature_along_steepest

__all__ = ["DivergenceWarning", "warn_divergence"]


class DivergenceWarning(UserWarning):
    """The loss or the parameters of some members ceased to be finite."""


def warn_divergence(
    result: Training, recipe: Recipe, params: Tree, grid: dict[str, jax.Array], args: tuple, earlier: Training | None
) -> None:
    """One warning for all that diverged, with the largest stable step of the first; silent under tracing.

    params: at the start, None where a function makes them, and of each member where they are of an ``earlier``
    Training.
    """
    # Under an eager jax.grad the loss is a tracer, but the boolean `diverged` is not.
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(result)) or not bool(jnp.any(result.diverged)):
        return
    late = np.flatnonzero(np.atleast_1d(np.asarray(result.diverged)))
    lines = []
    for g in late[:5]:
        hyper = {name: values[g] for name, values in grid.items()}
        start = (
            params if earlier is None or not recipe.plan.members else jax.tree.map(lambda leaf, g=g: leaf[g], params)
        )
        if recipe.make_params is not None:
            start = with_values(recipe.make_params, hyper)()
        method = method_of(recipe._replace(lifted=None), Member(hyper))
        numbers = {name: v for name, v in hyper.items() if v.ndim == 0 and jnp.issubdtype(v.dtype, jnp.number)}
        values = ", ".join(f"{name}={v:.6g}" if v.dtype.kind == "f" else f"{name}={v}" for name, v in numbers.items())
        step = int(np.atleast_1d(np.asarray(result.n_steps))[g])
        who = f"member {g} ({values})" if recipe.plan.members else "training"
        if step == 0:
            lines.append(f"{who} in step 0: the loss or its gradient is not finite at the start")
            continue
        text = f"{who} in step {step}"
        if method.step_size is not None and "step_size" not in hyper:
            text += f", step size {float(method.step_size):.6g}"
        if method.step_size is None and "learning_rate" not in hyper and has_derivatives(method.init(start)):
            text += f", learning rate {first_step(method, jax.tree.map(jnp.zeros_like, start)):.6g} at first"
        if args:
            largest = float(curvature_along_steepest(loss_of(recipe, hyper), start, *args))
            what = "this method" if method.step_size is not None else "gradient descent"
            if np.isfinite(largest) and largest > 0:
                text += f"; the largest stable step of {what} is {method.stable / largest:.6g}"
        lines.append(text)
    more = f"; and {len(late) - 5} more" if len(late) > 5 else ""
    warn_caller(
        f"diverged: {'; '.join(lines)}{more}. Their params are the last finite ones.",
        DivergenceWarning,
    )
