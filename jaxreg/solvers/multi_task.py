"""Multi-task lasso and elastic net at one λ, from products of columns: block descent, finished by Newton steps.

    ½ tr(U G Uᵀ) − tr(c Uᵀ) + Σ_j ( l1 ‖u_j‖ + ½ l2 ‖u_j‖² ),     G = ZᵀZ,  c = ỸᵀZ

with U, (t, C), the coefficients of C columns: targets are rows here, so that a column of G is added to rows of memory.
A round is one pass of block descent over the columns that are active or violate their bound,

    u_j⁺ = S(c_j − (UG)_j + G_jj u_j, l1) / (G_jj + l2),        S(z, τ) = max(1 − τ/‖z‖, 0) z

which says what is active, and one Newton step for those, where F is smooth. With `κ_j = l1/‖u_j‖` and `e_j = u_j/‖u_j‖`
the Hessian takes a direction D to

    D G + l2 D + κ_j (d_j − e_j e_j·d_j)

The step is found by conjugate gradients, preconditioned by the blocks of single columns,

    (G_jj + l2 + κ_j) I − κ_j e_j e_jᵀ

whose inverse is known, and shortened until F is least along it. Neither part of a round raises F, and block descent
alone ends at the minimum; near it the Newton steps double the digits.

Sources: Simon, Friedman and Hastie, *A blockwise descent algorithm for group-penalized multiresponse and multinomial
regression*, arXiv 1311.6529, 2013; Nocedal and Wright, *Numerical Optimization*, 2006, §7.1 (inexact Newton steps).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxreg.formulas.arrays import varying_like, with_few
from jaxreg.formulas.duality import Penalty, better_dual, largest_scale, penalty_free_scale, relative_gap

__all__ = ["Iterate", "Products", "gap_of", "norms", "solve", "solve_path"]

# The residual of the Newton equation that is enough, as a share of the gradient, and the most steps for it; and the
# gradient that counts as rounding, in ε of the terms that it is the difference of.
ENOUGH, MOST_STEPS, ROUNDING = 1e-2, 60, 16.0
# The least curvature, as a share of that of single columns: where they depend on each other a step would have no end.
BEND = 1e-9
# Halvings of the interval of a step's length; the share of its size below which a row is small; and most steps that are
# not taken whole before block descent looks at all columns again.
HALVINGS, SMALL, NEWTON_STEPS = 60, 0.1, 10
# Newton steps are computed on the leading 32, 64, 128, … of the active columns; 384, 768, … too.
NARROWEST, WIDE = 32, 384
# So much further than asked for, if rounding allows it: a gap leaves the coefficients at its square root.
FURTHER, LEAST = 1e-4, 2e-15
# A round pays that leaves less than this share of the gap; within the tolerance one that does not ends the work, above
# it so many in a row: what is left is rounding.
PAYS, MOST_IDLE = 0.5, 100


class Products(NamedTuple):
    """A problem of C columns: G (C, C), c (t, C) and `‖Ỹ‖²`, (); `Zᵀ`, (C, n), or None where at most n are active."""

    gram: jax.Array
    correlation: jax.Array
    yy: jax.Array
    rows: jax.Array | None = None


class Iterate(NamedTuple):
    """U and UG, each (t, C)."""

    coef: jax.Array
    product: jax.Array


def norms(U: jax.Array) -> jax.Array:
    """`‖u_j‖`, (C,)."""
    return jnp.sqrt(jnp.sum(U**2, axis=0))


def gap_of(z: jax.Array, size: jax.Array, yr: jax.Array, rr: jax.Array, yy: jax.Array, l1: Any, l2: Any) -> jax.Array:
    """The relative duality gap, (), at two values of c that need no search; at the minimum one of them is the best.

    Args:
        z: `‖RZ_j‖` of all columns. size: `‖u_j‖`. yr, rr: `Ỹ·R` and `R·R`. yy: `‖Ỹ‖²`. l1, l2: ().
    """
    primal = 0.5 * rr + jnp.sum(l1 * size + 0.5 * l2 * size**2)
    none = jnp.full_like(z, jnp.inf)
    penalty = Penalty(l1 + jnp.zeros_like(z), l2 + jnp.zeros_like(z), -none, none)
    c_max = largest_scale(z, penalty)
    c_free = penalty_free_scale(yr, rr, z, penalty, c_max)
    return relative_gap(primal, better_dual(c_max, c_free, yr, rr, z, penalty), yy, yy)


def _gap(problem: Products, state: Iterate, l1: jax.Array, l2: jax.Array) -> jax.Array:
    """From U and UG alone: `r·r = yy − 2 c·U + U·UG`, `ỹ·r = yy − c·U`, `RZ = c − UG`."""
    cu = jnp.sum(problem.correlation * state.coef)
    rr = jnp.maximum(problem.yy - 2.0 * cu + jnp.sum(state.coef * state.product), 0.0)
    z = norms(problem.correlation - state.product)
    return gap_of(z, norms(state.coef), problem.yy - cu, rr, problem.yy, l1, l2)


def _sweep(problem: Products, state: Iterate, l1: jax.Array, l2: jax.Array) -> Iterate:
    """One pass of block descent."""
    C = len(problem.gram)
    diagonal = jnp.diagonal(problem.gram)[None, :]
    moves = (norms(state.coef) > 0) | (norms(problem.correlation - state.product) > l1)
    order = jnp.nonzero(moves, size=C, fill_value=0)[0].astype(jnp.int32)

    def one(i: jax.Array, state: Iterate) -> Iterate:
        j = order[i]
        take = lambda A: jax.lax.dynamic_slice_in_dim(A, j, 1, axis=1)
        u, square = take(state.coef), take(diagonal)
        z = take(problem.correlation) - take(state.product) + square * u
        length = jnp.sqrt(jnp.sum(z**2))
        curvature = square + l2
        kept = (length > l1) & (curvature > 0)
        new = jnp.where(kept, (1.0 - l1 / jnp.where(kept, length, 1.0)) / jnp.where(kept, curvature, 1.0), 0.0) * z
        column = jax.lax.dynamic_slice_in_dim(problem.gram, j, 1, axis=0)
        coef = jax.lax.dynamic_update_slice_in_dim(state.coef, new, j, axis=1)
        return Iterate(coef, state.product + (new - u) * column)

    return jax.lax.fori_loop(0, jnp.sum(moves, dtype=jnp.int32), one, state)


def _products(problem: Products, index: jax.Array) -> tuple[Any, Any]:
    """What takes V, (t, width), of some columns to VG on these, and to VG on all; over the rows if they are fewer."""
    some = lambda A: A.at[index].get(mode="fill", fill_value=0)
    if problem.rows is not None and problem.rows.shape[1] < len(index):
        rows = some(problem.rows)
        back = rows.T
        return (lambda V: (V @ rows) @ back), (lambda V: (V @ rows) @ problem.rows.T)
    columns = some(problem.gram)
    G = columns.at[:, index].get(mode="fill", fill_value=0)
    return (lambda V: V @ G), (lambda V: V @ columns)


def _direction(width: int) -> Any:
    """The Newton step D on the active columns, of which there are at most ``width``, static, and DG."""

    def direction(problem: Products, state: Iterate, l1: jax.Array, l2: jax.Array) -> Iterate:
        C = len(problem.gram)
        size = norms(state.coef)
        index = jnp.nonzero(size > 0, size=width, fill_value=C)[0].astype(jnp.int32)
        take = lambda A: A.at[:, index].get(mode="fill", fill_value=0)
        U, UG, c = take(state.coef), take(state.product), take(problem.correlation)
        length = jnp.where(index < C, norms(U), 1.0)
        unit = U / length[None, :]
        kappa = (l1 / length)[None, :]
        along = lambda V: unit * jnp.sum(unit * V, axis=0, keepdims=True)
        G, onto_all = _products(problem, index)
        single = take(jnp.diagonal(problem.gram)[None, :]) + l2
        single = jnp.where((index < C)[None, :] & (single > 0), single, 1.0)
        hessian = lambda V: G(V) + (l2 + kappa + BEND * single) * V - kappa * along(V)
        # ((a + κ) I − κ e eᵀ)⁻¹ = I/(a + κ) + (1/a − 1/(a + κ)) e eᵀ
        precondition = lambda V: V / (single + kappa) + (1.0 / single - 1.0 / (single + kappa)) * along(V)
        residual = c - UG - l2 * U - l1 * unit
        # Where columns depend on each other, a step for a residual of rounding would be long, and lead nowhere.
        rounding = (ROUNDING * jnp.finfo(c.dtype).eps) ** 2 * (jnp.sum(c**2) + jnp.sum(UG**2))
        enough = jnp.maximum(ENOUGH**2 * jnp.sum(residual**2), rounding)

        def unfinished(carry: tuple) -> jax.Array:
            _, residual, _, _, step = carry
            return (jnp.sum(residual**2) > enough) & (step < MOST_STEPS)

        def conjugate(carry: tuple) -> tuple:
            D, residual, ahead, rho, step = carry
            product = hessian(ahead)
            curvature = jnp.sum(ahead * product)
            alpha = jnp.where(curvature > 0, rho / jnp.where(curvature > 0, curvature, 1.0), 0.0)
            D, residual = D + alpha * ahead, residual - alpha * product
            steepest = precondition(residual)
            new = jnp.sum(residual * steepest)
            ahead = steepest + new / jnp.where(rho > 0, rho, 1.0) * ahead
            # Where rounding leaves no curvature the step that is there is taken.
            return D, residual, ahead, new, jnp.where(curvature > 0, step + 1, MOST_STEPS)

        first = precondition(residual)
        begin = (jnp.zeros_like(U), residual, first, jnp.sum(residual * first), jnp.zeros((), jnp.int32))
        D = jax.lax.while_loop(unfinished, conjugate, varying_like(begin, problem, state, l1))[0]
        return Iterate(jnp.zeros_like(state.coef).at[:, index].set(D, mode="drop"), onto_all(D))

    return direction


def _newton(problem: Products, state: Iterate, l1: jax.Array, l2: jax.Array) -> tuple[Iterate, jax.Array]:
    """A Newton step on the active columns, and whether it was taken whole."""
    C, size = len(problem.gram), norms(state.coef)
    widths = [w for k in range(C.bit_length()) for w in (NARROWEST << k, WIDE << k) if w < C] + [C]
    D, DG = with_few(jnp.sum(size > 0, dtype=jnp.int32), sorted(widths), _direction, problem, state, l1, l2)
    # Along U + aD the derivative rises:
    #   F' = ⟨UG − c + l2 U, D⟩ + a ⟨D, DG + l2 D⟩ + l1 Σ_j (u_j·d_j + a d_j·d_j) / ‖u_j + a d_j‖
    slope = jnp.sum((state.product - problem.correlation + l2 * state.coef) * D)
    curvature = jnp.sum(D * DG) + l2 * jnp.sum(D**2)
    ud, dd = jnp.sum(state.coef * D, axis=0), jnp.sum(D**2, axis=0)

    def rises(a: jax.Array) -> jax.Array:
        moved = norms(state.coef + a * D)
        longer = jnp.sum(jnp.where(moved > 0, (ud + a * dd) / jnp.where(moved > 0, moved, 1.0), 0.0))
        return slope + a * curvature + l1 * longer > 0

    def halve(_: int, bracket: tuple) -> tuple:
        low, high = bracket
        middle = 0.5 * (low + high)
        up = rises(middle)
        return jnp.where(up, low, middle), jnp.where(up, middle, high)

    one = jnp.ones_like(slope)
    whole = ~rises(one)
    search = lambda bracket: jax.lax.fori_loop(0, HALVINGS, halve, bracket)[0]
    a = jax.lax.cond(whole, lambda bracket: bracket[1], search, (jnp.zeros_like(one), one))
    # What all but reaches 0 on the way, and turns, is put there, if F falls: a small row that is to change sides would
    # hold up every step.
    coef = state.coef + a * D
    turned = (ud + a * dd < 0) | ((ud < 0) & (norms(coef) < SMALL * size))
    gone = turned & (norms(coef) < SMALL * size) & (size > 0)
    cut = jnp.where(gone[None, :], 0.0, coef)

    def put(state: Iterate) -> Iterate:
        less = Iterate(cut, cut @ problem.gram)
        lower = _value(problem, less, l1, l2) < _value(problem, before, l1, l2)
        return jax.tree.map(lambda new, old: jnp.where(lower, new, old), less, state)

    before = state
    return jax.lax.cond(jnp.any(gone), put, lambda same: same, Iterate(coef, state.product + a * DG)), whole


def _value(problem: Products, state: Iterate, l1: jax.Array, l2: jax.Array) -> jax.Array:
    """F less `½‖Ỹ‖²`."""
    size = norms(state.coef)
    smooth = jnp.sum(state.coef * (0.5 * state.product - problem.correlation))
    return smooth + jnp.sum(l1 * size + 0.5 * l2 * size**2)


def solve(
    problem: Products, coef: jax.Array, l1: jax.Array, l2: jax.Array, tol: jax.Array, max_iter: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Minimise from ``coef`` until the gap is at most ``tol``, and as much further as rounds still pay.

    Args:
        problem: on C columns; those of zeros stay at 0. coef: U, (t, C). l1, l2: the weights, (). tol: (). max_iter:
            most rounds, ().

    Returns:
        U, its gap, (), and the rounds taken, ().
    """
    aim = jnp.maximum(FURTHER * tol, LEAST)

    def unfinished(carry: tuple) -> jax.Array:
        _, gap, _, idle, n_iter = carry
        patience = jnp.where(gap <= tol, 1, MOST_IDLE)
        return ~(gap <= aim) & (idle < patience) & (n_iter < max_iter)

    def one(carry: tuple) -> tuple:
        state, _, least, idle, n_iter = carry
        state = _sweep(problem, state, l1, l2)
        step = lambda carry: (*_newton(problem, carry[0], l1, l2), carry[2] + 1)
        more = lambda carry: ~carry[1] & (carry[2] < NEWTON_STEPS)
        state, *_ = jax.lax.while_loop(more, step, (state, jnp.zeros((), bool), none))
        gap = _gap(problem, state, l1, l2)
        pays = gap < PAYS * least
        return state, gap, jnp.where(pays, gap, least), jnp.where(pays, 0, idle + 1), n_iter + 1

    start, none = Iterate(coef, coef @ problem.gram), jnp.zeros((), jnp.int32)
    gap = _gap(problem, start, l1, l2)
    begin = varying_like((start, gap, gap, none, none), problem, l1, coef)
    state, gap, _, _, n_iter = jax.lax.while_loop(unfinished, one, begin)
    # The gap shows no more, but the coefficients are known to its square root alone: a last step doubles their digits.
    state = jax.lax.cond(gap <= tol, lambda state: _newton(problem, state, l1, l2)[0], lambda same: same, state)
    return state.coef, _gap(problem, state, l1, l2), n_iter


def solve_path(
    problem: Products, lams: jax.Array, count: jax.Array, l1_ratio: jax.Array, tol: jax.Array, max_iter: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Down the first ``count`` of the λs, (L,), each from where the one before it and its slope lead.

    Returns:
        U at every λ, (L, t, C), the gaps, (L,), ∞ where nothing is solved, and the rounds, (L,).
    """
    c = problem.correlation
    L = len(lams)

    value = lambda U, l1, l2: _value(problem, Iterate(U, U @ problem.gram), l1, l2)

    def one(carry: tuple) -> tuple:
        index, coef, before, coefs, gaps, n_iters = carry
        lam = lams[index]
        l1, l2 = lam * l1_ratio, lam * (1.0 - l1_ratio)
        # Linearly on, if that is lower: what was 0 stays so.
        last, older = lams[jnp.maximum(index - 1, 0)], lams[jnp.maximum(index - 2, 0)]
        fell = older - last
        share = jnp.where(fell > 0, (last - lam) / jnp.where(fell > 0, fell, 1.0), 0.0)
        both = (norms(coef) > 0) & (norms(before) > 0)
        ahead = coef + jnp.where(both[None, :], share, 0.0) * (coef - before)
        start = jnp.where(value(ahead, l1, l2) < value(coef, l1, l2), ahead, coef)
        new, gap, n_iter = solve(problem, start, l1, l2, tol, max_iter)
        coefs = jax.lax.dynamic_update_index_in_dim(coefs, new, index, 0)
        return index + 1, new, coef, coefs, gaps.at[index].set(gap), n_iters.at[index].set(n_iter)

    zero, none = jnp.zeros_like(c), jnp.zeros((), jnp.int32)
    begin = (none, zero, zero, jnp.zeros((L, *c.shape), c.dtype), jnp.full((L,), jnp.inf, c.dtype))
    begin = varying_like((*begin, jnp.zeros((L,), jnp.int32)), problem, lams)
    *_, coefs, gaps, n_iters = jax.lax.while_loop(lambda carry: carry[0] < count, one, begin)
    return coefs, gaps, n_iters
