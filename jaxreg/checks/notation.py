"""A program written down as a formula, with the names of its inputs: ``Σ (X @ theta - y)² / (2·7)``."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from jaxreg.checks.program import Constant, Operation, Program

__all__ = ["formula", "number"]

# A formula longer than this says less than "term 2".
LONGEST = 72
# And one longer than this does not become short again: x·sign(x) is written |x|, and that is all.
HOPELESS = 8 * LONGEST
ATOM, POWER, PRODUCT, SUM, LOOSE = 4, 3, 2, 1, 0
Written = tuple[str, int]  # the text, and how tightly it holds together

FUNCTIONS = {"logistic": "sigmoid", "reduce_max": "max", "reduce_min": "min"}
TRANSPARENT = {"reshape", "broadcast_in_dim", "convert_element_type", "squeeze", "copy", "stop_gradient", "copy_p"}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def formula(program: Program, ref: int | Constant, names: Mapping[int, str], choices: Mapping[int, int]) -> str | None:
    """One value of a program as a formula, or None where it would be long or has no name for something.

    Args:
        program: what is written.
        ref: which of its values.
        names: of values that are not written out: its inputs, and what they are taken apart into.
        choices: the sums of which one summand alone is written.
    """
    producers = program.producers()
    known: dict[int, Written] = {}  # a value that is used twice is written once, or time would double with each step

    def write(ref: int | Constant) -> Written:
        if isinstance(ref, int) and ref in known:
            return known[ref]
        written = write_anew(ref)
        if len(written[0]) > HOPELESS:
            raise ValueError("too long")
        if isinstance(ref, int):
            known[ref] = written
        return written

    def write_anew(ref: int | Constant) -> Written:
        if isinstance(ref, Constant):
            return (number(float(ref.value)), ATOM) if np.ndim(ref.value) == 0 else ("…", ATOM)
        if ref in names:
            return names[ref], ATOM
        place = producers[ref]
        operation = program.operations[place]
        if place in choices:
            text = write(operation.inputs[choices[place]])
            return ("-" + _wrap(text, PRODUCT), SUM) if operation.name == "sub" and choices[place] else text
        return _operation(operation, [write(inner) for inner in operation.inputs])

    try:
        text, _ = write(ref)
    except (RecursionError, TypeError, ValueError):
        return None
    return text if len(text) <= LONGEST else None


def number(value: float) -> str:
    """A number as one reads it: 1/14 rather than 0.0714285…

    Example:
        >>> number(1 / 14), number(-0.5), number(3.0), number(0.123456789)
        ('1/14', '-1/2', '3', '0.1235')
    """
    if not np.isfinite(value):
        return str(value)
    near = Fraction(value).limit_denominator(200)
    short = near.denominator == 2 or 100 % near.denominator  # 1/3 or 1/2, but 0.25
    return str(near) if value and short and abs(float(near) - value) <= 1e-9 * abs(value) else f"{value:.4g}"


def _operation(operation: Operation, inputs: list[Written]) -> Written:
    name, first = operation.name, inputs[0] if inputs else ("", ATOM)
    if name in TRANSPARENT:
        return first
    if name in INFIX:
        return INFIX[name](*inputs)
    if name == "integer_pow":
        return _power(first, str(operation.params["y"]))
    if name == "square":
        return _power(first, "2")
    if name == "dot_general":
        return _product_of_arrays(operation, inputs)
    if name == "reduce_sum":
        return "Σ " + _wrap(first, POWER if first[1] != PRODUCT else PRODUCT), PRODUCT
    if name == "transpose":
        return _wrap(first, ATOM) + "ᵀ", ATOM
    if name == "slice":
        return _wrap(first, ATOM) + _slice(operation), ATOM
    if name == "abs":
        return f"|{first[0]}|", ATOM
    if name == "sqrt":
        return "√" + _wrap(first, ATOM), POWER
    if name == "select_n" and len(inputs) == 3:
        return f"where({inputs[0][0]}, {inputs[2][0]}, {inputs[1][0]})", ATOM
    word = _called(operation) if name.startswith("custom_") else FUNCTIONS.get(name, name)
    return f"{word}({', '.join(text for text, _ in inputs)})", ATOM


def _called(operation: Operation) -> str:
    """The name of the function that has a derivative rule of its own."""
    inner: Any = operation.params.get("call_jaxpr")
    info: Any = getattr(getattr(inner, "jaxpr", inner), "debug_info", None)
    return str(getattr(info, "func_name", operation.name)).split(" ")[0]


def _wrap(written: Written, tightness: int) -> str:
    text, held = written
    return text if held >= tightness else f"({text})"


def _times(left: Written, right: Written) -> Written:
    if left == right:
        return _power(left, "2")
    if right[0] == f"sign({left[0]})":
        return f"|{left[0]}|", ATOM
    if left[0] == "1":
        return right
    return f"{_wrap(left, PRODUCT)}·{_wrap(right, PRODUCT)}", PRODUCT


def _power(base: Written, exponent: str) -> Written:
    return _wrap(base, ATOM) + exponent.translate(SUPERSCRIPT), POWER


def _infix(sign: str, tightness: int) -> Callable[[Written, Written], Written]:
    return lambda left, right: (f"{_wrap(left, tightness)} {sign} {_wrap(right, tightness + 1)}", tightness)


def _divided(left: Written, right: Written) -> Written:
    return f"{_wrap(left, PRODUCT)}/{_wrap(right, ATOM)}", PRODUCT


INFIX: dict[str, Callable[..., Written]] = {
    "add": _infix("+", SUM),
    "add_any": _infix("+", SUM),
    "sub": _infix("-", SUM),
    "mul": _times,
    "div": _divided,
    "neg": lambda inner: ("-" + _wrap(inner, PRODUCT), SUM),
    "pow": lambda base, exponent: (f"{_wrap(base, ATOM)}^{_wrap(exponent, ATOM)}", POWER),
    "max": lambda left, right: (f"max({left[0]}, {right[0]})", ATOM),
    "min": lambda left, right: (f"min({left[0]}, {right[0]})", ATOM),
    "lt": _infix("<", LOOSE),
    "le": _infix("≤", LOOSE),
    "gt": _infix(">", LOOSE),
    "ge": _infix("≥", LOOSE),
    "eq": _infix("=", LOOSE),
    "ne": _infix("≠", LOOSE),
}


def _product_of_arrays(operation: Operation, inputs: list[Written]) -> Written:
    """A @ B in the order in which it was written: JAX may contract the first axis of either."""
    (left_axes, right_axes), _ = operation.params["dimension_numbers"]
    left, right = inputs
    if tuple(right_axes) == (1,) and tuple(left_axes) != (1,):
        left, right = right, left
    return f"{_wrap(left, POWER)} @ {_wrap(right, POWER)}", PRODUCT


def _slice(operation: Operation) -> str:
    starts, limits = operation.params["start_indices"], operation.params["limit_indices"]
    parts = [f"{start or ''}:" for start in starts]
    if len(starts) == 1 and starts[0] == 0:
        parts = [f":{limits[0]}"]
    return f"[{', '.join(parts)}]"
