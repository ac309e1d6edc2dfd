"""Recognises a number as a formula in n, p and named constants: 24 as "2n".

A quantity that can be varied (n by leaving rows out, λ by changing it) betrays its exponent: if the number goes from a
to a' while the quantity goes from q to q', the exponent is log(a'/a) / log(q'/q), and it must be the same twice. What
is left after the powers of all varied quantities is a plain fraction, or a product with constants that could not be
varied; of those every match is listed.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import product
from typing import NamedTuple

__all__ = ["Varied", "recognise"]

EXPONENTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
SUPERSCRIPT = {1.0: "", 2.0: "²"}
# Fractions up to this size are read as part of a formula; with constants in it, up to the second.
LARGEST, LARGEST_WITH_CONSTANTS = 64, 2


class Varied(NamedTuple):
    """A quantity, and the number measured at several of its values, the given one first."""

    name: str
    values: Sequence[float]
    measured: Sequence[float]


def recognise(
    value: float, varied: Sequence[Varied] = (), constants: Mapping[str, float] | None = None, tolerance: float = 1e-8
) -> list[str]:
    """The formulas that ``value`` may be, the simplest first; [] where none is found.

    Args:
        value: the number.
        varied: what was varied; its exponents are measured.
        constants: what could not be; every combination that fits is listed.
        tolerance: relative.

    Example:
        >>> recognise(24.0, [Varied("n", [12, 8, 7], [24.0, 16.0, 14.0])])
        ['2n']
        >>> recognise(24.0, constants={"n": 12, "p": 4})
        ['24', '2n', 'n·p/2']
        >>> recognise(0.3, [Varied("lam", [0.5, 0.8], [0.3, 0.1875])])
        ['3/(20·lam)']
    """
    if not math.isfinite(value) or value == 0:
        return []
    powers: list[tuple[str, float]] = []
    for quantity in varied:
        power = _power(quantity, tolerance)
        if power is None:
            return []
        if power[2]:
            powers.append((power[0], power[2]))
            value /= power[1] ** power[2]
    found = []
    for names, exponents, size in _combinations(constants or {}):
        limit = LARGEST_WITH_CONSTANTS if names else LARGEST
        fraction = _fraction(value / size, limit, tolerance)
        if fraction is not None:
            difficulty = (len(names), abs(fraction.numerator) + fraction.denominator - sum(exponents))
            found.append((difficulty, _text(fraction, [*powers, *zip(names, exponents, strict=True)])))
    found_texts = [text for _, text in sorted(found)]
    if not found_texts and powers and not constants:  # a constant of the formula's own, such as 0.1 in 0.1/λ
        found_texts.append(_text(value, powers))
    return list(dict.fromkeys(found_texts))[:6]


def _power(quantity: Varied, tolerance: float) -> tuple[str, float, float] | None:
    """(name, value, exponent) of the quantity, or of one of the forms of a count, or None."""
    start, *others = quantity.measured
    if any(not math.isfinite(m) or m * start <= 0 for m in others):
        return None
    whole = isinstance(quantity.values[0], int)
    for name, of in _forms(quantity.name) if whole else [(quantity.name, float)]:
        first, *rest = (of(value) for value in quantity.values)
        if first <= 0 or any(value <= 0 or value == first for value in rest):
            continue
        slopes = [math.log(m / start) / math.log(v / first) for m, v in zip(others, rest, strict=True)]
        exponent = min(EXPONENTS, key=lambda e: abs(e - slopes[0]))
        if all(abs(slope - exponent) <= 1e4 * tolerance for slope in slopes):
            return name, first, exponent
    return None


def _forms(n: str) -> list[tuple[str, Callable[[float], float]]]:
    """What a count may stand in a factor as."""
    return [
        (n, lambda q: q),
        (f"({n} - 1)", lambda q: q - 1),
        (f"({n} + 1)", lambda q: q + 1),
        (f"({n} - 1)/{n}", lambda q: (q - 1) / q),
        (f"{n}/({n} - 1)", lambda q: q / (q - 1)),
    ]


def _combinations(constants: Mapping[str, float]) -> list[tuple[tuple[str, ...], tuple[float, ...], float]]:
    usable = {name: value for name, value in constants.items() if value > 0 and value != 1}
    found = []
    for exponents in product((0.0, 1.0, -1.0), repeat=min(len(usable), 4)):
        chosen = [(name, e) for name, e in zip(usable, exponents, strict=False) if e]
        if len(chosen) <= 2:
            size = math.prod(usable[name] ** e for name, e in chosen)
            found.append((tuple(name for name, _ in chosen), tuple(e for _, e in chosen), size))
    return sorted(found, key=lambda item: len(item[0]))


def _fraction(value: float, largest: int, tolerance: float) -> Fraction | None:
    """A fraction near the number, if one of few digits is."""
    near = Fraction(value).limit_denominator(largest)
    if near == 0 or abs(float(near) - value) > tolerance * abs(value):
        return None
    return near if abs(near.numerator) <= largest else None


def _text(value: Fraction | float, powers: Sequence[tuple[str, float]]) -> str:
    """The value times powers of quantities, above and below one line."""
    if isinstance(value, Fraction):
        number, divisor = str(abs(value.numerator)), str(value.denominator)
    else:
        number, divisor = f"{abs(value):.6g}", "1"
    top = [_factor(name, e) for name, e in powers if e > 0]
    bottom = [_factor(name, -e) for name, e in powers if e < 0]
    above = ([] if number == "1" and top else [number]) + top
    below = ([] if divisor == "1" else [divisor]) + bottom
    over, under = _joined(above), _joined(below)
    return ("-" if value < 0 else "") + over + (f"/({under})" if len(below) > 1 else f"/{under}" if below else "")


def _joined(factors: list[str]) -> str:
    """2n, but ``2·lam``: letters stand beside a number, words behind a dot."""
    text = ""
    for factor in factors:
        letter = len(factor.rstrip("²")) == 1 or factor.startswith(("(", "√"))
        text += factor if not text or (letter and text.isdigit()) else f"·{factor}"
    return text


def _factor(name: str, exponent: float) -> str:
    if exponent == 0.5:
        return f"√{name}"
    return name + SUPERSCRIPT[exponent]
