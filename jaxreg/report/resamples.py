"""A bootstrap and a stability selection as tables for the terminal."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxreg.report.text import numbers
from jaxreg.results.chosen import ChosenBootstrap
from jaxreg.results.resampled import Bootstrap, BootstrapStatistics
from jaxreg.results.stable import Stability

__all__ = ["bootstrap_report", "stability_report"]


def bootstrap_report(
    result: Bootstrap | ChosenBootstrap | BootstrapStatistics,
    *,
    title: str,
    l: int,
    level: float,
    kind: str,
    notes: Sequence[str] = (),
    rows: int = 30,
) -> str:
    """The table that ``jaxreg bootstrap`` prints: a row a feature, with its interval and how often it was chosen.

    Args:
        result: of one target, with feature names. title: data and target. l: which λ; of a result with one λ a
            resample it does not count. level, kind: of the intervals. notes: what became of the file. rows: most
            features to print.

    Returns:
        Text without a trailing newline.
    """
    at: Any = (lambda v: v) if isinstance(result, ChosenBootstrap) else (lambda v: v[l])
    estimate, share = at(result.estimate), at(result.selection_frequency)
    if isinstance(result, BootstrapStatistics):
        values = {"estimate": estimate, "mean": at(result.mean), "deviation": at(result.standard_deviation)}
        what = "mean and standard deviation over the resamples"
    else:
        low, high = (at(end) for end in result.interval(level, kind))
        values = {"estimate": estimate, "low": low, "high": high}
        what = f"{100 * level:.4g} % intervals ({kind})"
    size = np.abs(np.stack(list(values.values()))).max(axis=0) * result.scale
    order = np.argsort(-size, kind="stable")[: max(rows, 0)]
    decimals = numbers(np.concatenate([v[order] for v in values.values()]))
    columns = [decimals[k * len(order) : (k + 1) * len(order)] for k in range(len(values))]
    table = [
        ("feature", *values, "chosen %"),
        *zip(_names(result, order), *columns, _percent(share[order]), strict=True),
    ]
    left = (
        f"the {len(order)} largest of {len(estimate)} features by coefficient × scale; "
        if len(order) < len(size)
        else ""
    )
    first, *_, last = result.summary().splitlines()
    where = (
        f"each at its own λ; {result.lam:.4g} on the data"
        if isinstance(result, ChosenBootstrap)
        else f"λ {result.lams[l]:.6g}"
    )
    return "\n".join([title, first, *_sentences(notes), "", *_lines(table), "", f"{left}{where}; {what}", last])


def stability_report(result: Stability, *, title: str, notes: Sequence[str] = (), rows: int = 30) -> str:
    """The table that ``jaxreg stability`` prints: how many of the halves choose each feature, and which are stable.

    Args:
        result: with feature names. title: data and target. notes: what became of the file. rows: most
            features to print.

    Returns:
        Text without a trailing newline.
    """
    share = result.frequency[-1]
    order = np.argsort(-share, kind="stable")
    order = order[share[order] > 0][: max(rows, 0)]
    marks = ["stable" if result.stable[j] else "" for j in order]
    table = [("feature", "chosen %", ""), *zip(_names(result, order), _percent(share[order]), marks, strict=True)]
    more = int((share > 0).sum()) - len(order)
    left = [f"({more} more are chosen by some)"] if more else []
    first, *_, bound, last = result.summary().splitlines()
    return "\n".join([title, first, *_sentences(notes), "", *_lines(table), "", *left, bound, last])


def _names(result: Any, order: np.ndarray) -> list[str]:
    return [" ".join(result.feature_names[j].split()) for j in order]  # no line breaks


def _percent(share: np.ndarray) -> list[str]:
    return [f"{100 * of:.1f}" for of in share]


def _sentences(notes: Sequence[str]) -> list[str]:
    return [f"{note[0].upper()}{note[1:]}" for note in notes]


def _lines(table: Sequence[tuple[str, ...]]) -> list[str]:
    """Names to the left and numbers to the right, under a line."""
    widths = [max(len(row[k]) for row in table) for k in range(len(table[0]))]
    cells = lambda row: [
        f"{cell:{'<' if k == 0 else '>'}{width}}" for k, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]
    lines = ["  ".join(cells(row)).rstrip() for row in table]
    return [lines[0], "─" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]]
