"""Branches become selections, so that a grid does not copy the data.

Under ``vmap``, a ``lax.cond`` whose predicate differs between members evaluates both branches and selects; so far
nothing is lost. But JAX's batching rule first gives *every* operand a member axis (``_cond_batching_rule`` in
jax/_src/lax/control_flow/conditionals.py), and the line search of ``optax.lbfgs`` passes the data through such
operands: (G, n, p) numbers where (n, p) would do. Here the same selection is written out before ``vmap`` sees it:

    cond(i, branches, operands)   →   select(i, branch₀(operands), branch₁(operands), …)

It holds because branches are pure. ``while`` loops and compiled functions are rewritten inside. What holds no branch is
left as it is, and so is a branch inside a ``scan``, where only the copies remain.
"""

from collections.abc import Sequence

import jax
from jax.extend.core import ClosedJaxpr, JaxprEqn, Literal, Var
from jax.extend.core.primitives import cond_p, jit_p, while_p

from jaxreg.training.arguments import Function, Tree

__all__ = ["without_branches"]


def without_branches(function: Function) -> Function:
    """The same function of the same pytrees, with both branches of every ``lax.cond`` evaluated and one selected.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> function = lambda x: jax.lax.cond(x > 0, lambda: x, lambda: -x)
        >>> float(without_branches(function)(jnp.array(-2.0)))
        2.0
    """

    def rewritten(*args: Tree) -> Tree:
        program, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        if not _has_branch(program):
            return function(*args)
        return jax.tree.unflatten(jax.tree.structure(shapes), _evaluate(program, jax.tree.leaves(args)))

    return rewritten


def _has_branch(program: ClosedJaxpr) -> bool:
    return any(eqn.primitive is cond_p or any(map(_has_branch, _inner(eqn))) for eqn in program.eqns)


def _inner(eqn: JaxprEqn) -> list[ClosedJaxpr]:
    """The programs that an equation holds, where it is one that is rewritten."""
    if eqn.primitive is not jit_p and eqn.primitive is not while_p:
        return []
    values = [v for value in eqn.params.values() for v in (value if isinstance(value, (tuple, list)) else [value])]
    return [v for v in values if hasattr(v, "eqns")]


def _evaluate(program: ClosedJaxpr, args: Sequence[jax.Array]) -> list[jax.Array]:
    """The program (a jaxpr with its constants) on flat arguments, equation by equation."""
    jaxpr = program.jaxpr
    known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*program.consts, *args], strict=True))

    def read(v: Var | Literal) -> jax.Array:
        return v.val if isinstance(v, Literal) else known[v]

    for eqn in jaxpr.eqns:
        known.update(zip(eqn.outvars, _bind(eqn, [read(v) for v in eqn.invars]), strict=True))
    return [read(v) for v in jaxpr.outvars]


def _bind(eqn: JaxprEqn, args: list[jax.Array]) -> Sequence[jax.Array]:
    p = eqn.params
    if eqn.primitive is cond_p:
        index, *operands = args
        outcomes = [_evaluate(branch, operands) for branch in p["branches"]]
        return [jax.lax.select_n(index, *outcome) for outcome in zip(*outcomes, strict=True)]
    rewrite = any(map(_has_branch, _inner(eqn)))
    if rewrite and eqn.primitive is jit_p:
        return _evaluate(p["jaxpr"], args)
    if rewrite:  # a while loop
        first, second = p["cond_nconsts"], p["cond_nconsts"] + p["body_nconsts"]
        test, body, carry = args[:first], args[first:second], args[second:]
        return jax.lax.while_loop(
            lambda carry: _evaluate(p["cond_jaxpr"], [*test, *carry])[0],
            lambda carry: _evaluate(p["body_jaxpr"], [*body, *carry]),
            carry,
        )
    params = eqn.primitive.get_bind_params(p)
    functions, params = params if isinstance(params, tuple) else ((), params)  # JAX 0.10 keeps functions apart
    results = eqn.primitive.bind(*functions, *args, **params)
    return results if eqn.primitive.multiple_results else [results]
