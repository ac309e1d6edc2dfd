"""Usual slips, made on purpose: the gradient of a loss in which one of them was made.

A slip is a change of the arguments (a weight forgotten, a row left out) or of one operation on the way back (a branch
taken the wrong way round, a factor of the chain rule left out, a matrix not transposed). The terms of the changed loss
are differentiated automatically; if the claimed gradient is made up of them, the slip has a name.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.evaluation import each
from jaxreg.checks.fits import fit
from jaxreg.checks.inputs import Function
from jaxreg.checks.notation import formula
from jaxreg.checks.program import Change, Constant, Operation
from jaxreg.checks.report import Finding
from jaxreg.checks.subjects import Check, Subject
from jaxreg.checks.variation import rows_of

__all__ = ["Slip", "slips"]

# Values tried for a scalar that may be another one in the formula, as multiples of its own.
GRID = np.geomspace(0.05, 20, 41)
# How often the grid is closed in: each time to a twentieth, in the end to the last digit.
CLOSER = 12
# A slip in one operation is looked for in losses of at most so many: each is a program of its own.
OPERATIONS = 100
ELEMENTWISE = {
    "exp", "log", "log1p", "expm1", "tanh", "logistic", "sin", "cos", "sqrt", "rsqrt", "abs", "integer_pow", "square",
    "erf", "pow", "custom_jvp_call",
}  # fmt: skip


class Slip(NamedTuple):
    """The gradients (P, K, d) of the terms of the changed loss, and what to say if they fit.

    ``needs`` is a condition on the coefficients; None where all but one have to be 1.
    """

    finding: Finding
    terms: np.ndarray
    needs: Callable[[np.ndarray], bool] | None = None


def slips(check: Check, points: np.ndarray) -> Iterator[Slip]:
    """Every slip that can be made in this loss, one after the other."""
    subject = check.subject
    if not subject.differentiates:
        return
    yield from _arrays(subject, points)
    yield from _rows(check, points)
    if len(subject.program.operations) <= OPERATIONS:
        yield from _operations(subject, points)
        yield from _branches(subject, points)
    yield from _scalars(subject, points)


def _arrays(subject: Subject, points: np.ndarray) -> Iterator[Slip]:
    """One array of the arguments forgotten, used twice, with another sign, transposed, …"""
    for place, (name, array) in enumerate(zip(subject.args.names, subject.args.arrays, strict=True)):
        if array.ndim == 0 or not jnp.issubdtype(array.dtype, jnp.floating):
            continue
        others = [
            (f"{name} is forgotten: the formula is right for {name} = 1", jnp.ones_like(array)),
            (f"{name} is forgotten: the formula is right for {name} = 0", jnp.zeros_like(array)),
            (f"{name} has the wrong sign", -array),
            (f"{name} is squared", array**2),
        ]
        if bool(jnp.all(array >= 0)):
            others.append((f"the square root of {name} is taken", jnp.sqrt(array)))
        if array.ndim == 2 and array.shape[0] == array.shape[1]:
            others.append((f"{name} is transposed", array.T))
        for sentence, other in others:
            kind = "transposed" if "transposed" in sentence else "data"
            yield Slip(Finding(kind, sentence, name), _terms(subject, points, {place: other}))
        if array.ndim == 1:  # the mean of the weighted: an overall weight is lost or there twice
            relative = array / jnp.mean(array)
            yield Slip(
                Finding("data", f"{name} is divided by its mean", name), _terms(subject, points, {place: relative})
            )


def _rows(check: Check, points: np.ndarray) -> Iterator[Slip]:
    """The first or the last row left out, in a sum or in a mean."""
    args = check.subject.args
    n = rows_of(check.given, args)
    if n is None or n < 3:
        return
    for which, keep in (("last", slice(0, n - 1)), ("first", slice(1, n))):
        try:
            rows = [a[keep] if a.ndim and a.shape[0] == n else a for a in args.arrays]
            smaller = check.build(check.given, args.rebuild(rows))
            terms = _terms(smaller, points, {})
        except Exception:  # the loss holds on to n in some way
            continue
        share = (n - 1) / n
        fits = lambda a, share=share: all(min(abs(x - 1), abs(x - share), abs(x - 1 / share)) < 1e-7 for x in a)
        yield Slip(Finding("data", f"the {which} row of the data is left out"), terms, fits)


def _operations(subject: Subject, points: np.ndarray) -> Iterator[Slip]:
    """One operation of the loss with a wrong derivative or the wrong branch."""
    program = subject.program
    dependent = program.dependent([0])
    for place, operation in enumerate(program.operations):
        varying = [k for k, ref in enumerate(operation.inputs) if isinstance(ref, int) and ref in dependent]
        if not varying:
            continue
        for kind, sentence, change in _changes(operation, varying):
            text = _written(subject, operation)
            finding = Finding(kind, sentence.format(text), text)
            try:
                changed = partial(subject.terms, changes={place: change})
                terms = each(changed, points, subject.args.arrays)
            except (TypeError, ValueError):
                continue
            if np.isfinite(terms).all():
                yield Slip(finding, terms)


def _written(subject: Subject, operation: Operation) -> str:
    """The operation as a formula; of a long choice the condition alone."""
    text = formula(subject.program, operation.outputs[0], subject.loss.value_names, {})
    if text is None and operation.name == "select_n":
        condition = formula(subject.program, operation.inputs[0], subject.loss.value_names, {})
        return f"where({condition}, …)" if condition else "where"
    return text or operation.name


def _changes(operation: Operation, varying: Sequence[int]) -> Iterator[tuple[str, str, Change]]:
    if operation.name == "select_n" and len(operation.inputs) == 3:
        yield "branch", "the branches of {} are taken the wrong way round", _swap
        yield "branch", "one branch of {} is always taken, whatever the condition", _always(1)
        yield "branch", "one branch of {} is always taken, whatever the condition", _always(2)
    if operation.name in ("max", "min"):
        yield "branch", "the branches of {} are taken the wrong way round", _other_extreme
        for k in range(2):
            yield "branch", "one branch of {} is always taken", _always(k)
    if operation.name in ELEMENTWISE:
        yield (
            "chain rule",
            "the inner derivative is missing: {} is differentiated as if it were its argument",
            _identity(varying[0]),
        )
    if operation.name == "dot_general":
        for k in varying:
            other = operation.inputs[1 - k]
            if not isinstance(other, Constant):
                yield "transposed", "the matrix in {} is not transposed on the way back", _not_transposed(k)
    if len(varying) > 1:
        for k in varying:
            yield "chain rule", "the product rule is not followed: one factor of {} is taken as constant", _held(k)


# Where a loss chooses between two branches, its gradient is what comes through the one, through the other, and from the
# rest; a slip in one branch alone is another coefficient of that part.
def _branches(subject: Subject, points: np.ndarray) -> Iterator[Slip]:
    """A factor on the derivative of one branch of a choice."""
    program = subject.program
    dependent = program.dependent([0])
    whole = _terms(subject, points, {}).sum(axis=1)
    for place, operation in enumerate(program.operations):
        cases = {"select_n": (1, 2), "max": (0, 1), "min": (0, 1)}.get(operation.name, ())
        if not cases or not all(
            isinstance(operation.inputs[k], int) and operation.inputs[k] in dependent for k in cases
        ):
            continue
        held = lambda k, place=place: each(
            lambda x, arrays: subject.terms(x, arrays, {place: _held(k)}).sum(axis=0), points, subject.args.arrays
        )
        parts = [whole - held(k) for k in cases]
        terms = np.stack([whole - parts[0] - parts[1], *parts], axis=1)
        found = fit(each(subject.claimed, points, subject.args.arrays), terms)
        first, *others = (abs(a - 1) > 1e-7 and known for a, known in zip(found.coefficients, found.known, strict=True))
        if not found.exact or first or sum(others) != 1:
            continue
        k = others.index(True)
        a, text = float(found.coefficients[1 + k]), _written(subject, operation)
        branch = formula(program, operation.inputs[cases[k]], subject.loss.value_names, {}) or ("first", "second")[k]
        if abs(a) < 1e-9:
            yield Slip(Finding("branch", f"the branch {branch} of {text} is missing", text), terms, lambda c: True)
        else:
            way, size = ("small", 1 / a) if abs(a) < 1 else ("large", a)
            sentence = f"the branch {branch} of {text} is {size:.6g} times too {way}"
            yield Slip(Finding("branch", sentence, text, (), 1 / a, (f"{1 / a:.6g}",)), terms, lambda c: True)


def _scalars(subject: Subject, points: np.ndarray) -> Iterator[Slip]:
    """A scalar that has another value in the formula: looked for on a grid that closes in on the best value."""
    claimed = each(subject.claimed, points, subject.args.arrays)
    size = np.max(np.abs(claimed), axis=1, keepdims=True)
    size = np.where(size > 0, size, 1.0)
    for place, (name, array) in enumerate(zip(subject.args.names, subject.args.arrays, strict=True)):
        if array.ndim or not jnp.issubdtype(array.dtype, jnp.floating) or float(array) == 0:
            continue

        at = lambda v, place=place: jax.vmap(lambda x: subject.truth(x, _with(subject, {place: v})))(
            jnp.asarray(points)
        )
        at_each = jax.jit(jax.vmap(at))

        def off(values: np.ndarray, at_each: Function = at_each) -> np.ndarray:
            """How far the gradient at each value is from the one claimed, (len(values),)."""
            gradients = np.asarray(at_each(jnp.asarray(values)))
            return np.max(np.abs(gradients - claimed) / size, axis=(1, 2))

        values = GRID * float(array)
        for _ in range(CLOSER):
            errors = off(values)
            best = int(np.argmin(errors))
            low, high = values[max(best - 1, 0)], values[min(best + 1, len(values) - 1)]
            values = np.linspace(low, high, len(GRID))
        if errors[best] < 1e-9:
            value = low + (high - low) / 2
            sentence = f"the formula takes {name} = {value:.6g} instead of {float(array):.6g}"
            yield Slip(Finding("data", sentence, name), _terms(subject, points, {place: jnp.asarray(value)}))


def _terms(subject: Subject, points: np.ndarray, replaced: dict[int, jax.Array]) -> np.ndarray:
    """The gradients of the terms with some arrays replaced."""
    return each(subject.terms, points, _with(subject, replaced))


def _with(subject: Subject, replaced: dict[int, jax.Array]) -> list[jax.Array]:
    return [replaced.get(place, array) for place, array in enumerate(subject.args.arrays)]


def _swap(inputs: Sequence[jax.Array], operation: Operation) -> list[jax.Array]:
    return operation(inputs[0], inputs[2], inputs[1])


def _always(k: int) -> Change:
    return lambda inputs, operation: [jnp.broadcast_to(inputs[k], jnp.shape(operation(*inputs)[0]))]


def _other_extreme(inputs: Sequence[jax.Array], operation: Operation) -> list[jax.Array]:
    return [inputs[0] + inputs[1] - operation(*inputs)[0]]


def _identity(k: int) -> Change:
    """The same value, with the derivative 1."""

    def change(inputs: Sequence[jax.Array], operation: Operation) -> list[jax.Array]:
        (out,) = operation(*inputs)
        inner = inputs[k]
        return [jax.lax.stop_gradient(out) + inner - jax.lax.stop_gradient(inner)]

    return change


def _held(k: int) -> Change:
    """The same value, with the k-th input held constant."""
    return lambda inputs, operation: operation(
        *(jax.lax.stop_gradient(x) if place == k else x for place, x in enumerate(inputs))
    )


def _not_transposed(k: int) -> Change:
    """M v forwards, M instead of `Mᵀ` backwards, for square M."""

    def change(inputs: Sequence[jax.Array], operation: Operation) -> list[jax.Array]:
        matrix = inputs[1 - k]
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
            raise ValueError("only a square matrix can be mistaken for its transpose")
        right, wrong = list(inputs), list(inputs)
        wrong[1 - k] = matrix.T
        wrong[k] = inputs[k]
        right[k] = jax.lax.stop_gradient(inputs[k])
        (value,), (path,) = operation(*right), operation(*wrong)
        return [jax.lax.stop_gradient(value) + path - jax.lax.stop_gradient(path)]

    return change
