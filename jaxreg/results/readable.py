"""How a result is read: a few lines in a terminal, a table and a figure in a notebook, a frame for other programs."""

import base64
import html
import io
import sys
from collections.abc import Callable
from copy import copy
from typing import Any, Self

from jaxreg.params import Params
from jaxreg.results.summaries import Shown

__all__ = ["Readable"]


class Readable:
    """A result that can be looked at.

    A class says how by ``_shown`` and ``_columns``, two functions of :mod:`jaxreg.results.summaries`.
    """

    _shown: Callable[..., Shown]
    _columns: Callable[..., dict[str, Any]]

    def on_host(self) -> Self:
        """The result with NumPy arrays, where it holds JAX arrays (``device_arrays=True``); else itself."""
        fields = vars(self)
        brought = {name: _on_host(value) for name, value in fields.items()}
        if all(brought[name] is value for name, value in fields.items()):
            return self
        new = copy(self)
        for name, value in brought.items():
            object.__setattr__(new, name, value)
        return new

    def summary(self) -> str:
        r"""At most 12 lines: what the result is of, a small table, and whether all fits are certified.

        Example:
            >>> import jaxreg
            >>> data = jaxreg.datasets.diabetes()
            >>> print(*jaxreg.path(data.X, data.y, lams=3).summary().splitlines()[:3], sep="\n")
            Path: 3 λs, 10 columns
                   λ  not 0  degrees of freedom  largest gap
               45.16      0                   0            0
        """
        title, rows, foot = self.on_host()._shown()
        if not rows:
            return "\n".join([title, *foot])
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        words = _begins_with_words(rows)
        line = lambda row: "  ".join(
            f"{cell:<{width}}" if words and k == 0 else f"{cell:>{width}}"
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        return "\n".join([title, *map(line, rows), *foot])

    def __repr__(self) -> str:
        return self.summary()

    def _repr_html_(self) -> str:
        title, rows, foot = self.on_host()._shown()
        side = lambda k: "left" if k == 0 and _begins_with_words(rows) else "right"
        cells = lambda row, kind: "".join(
            f'<{kind} style="text-align:{side(k)}">{html.escape(cell)}</{kind}>' for k, cell in enumerate(row)
        )
        table = "".join(f"<tr>{cells(row, 'td' if k else 'th')}</tr>" for k, row in enumerate(rows))
        below = "".join(f"<p>{html.escape(text)}</p>" for text in foot)
        return f"<div><p><b>{html.escape(title)}</b></p><table>{table}</table>{below}{self._figure()}</div>"

    def _figure(self) -> str:
        """The figure of the result as an image; none where it has none, or matplotlib is missing."""
        draw = getattr(self, "plot", None)
        if draw is None:
            return ""
        try:
            axes = draw()
        except (ImportError, ValueError):  # several targets have a figure each
            return ""
        png = io.BytesIO()
        axes.figure.savefig(png, format="png", dpi=110)
        return f'<img alt="figure" src="data:image/png;base64,{base64.b64encode(png.getvalue()).decode()}">'

    def to_frame(self, kind: str | None = None) -> Any:
        """The numbers in long form: a row a λ, or a row a column of X.

        Args:
            kind: "pandas", "polars" or "dict"; None takes the library that the program has imported, pandas before
                polars, and a dict of arrays where it has neither.

        Raises:
            ValueError: another kind. ImportError: the library is missing.
        """
        if kind not in (None, "pandas", "polars", "dict"):
            raise ValueError(f"kind is {kind!r}; it must be 'pandas', 'polars', 'dict' or None.")
        kind = kind or next((name for name in ("pandas", "polars") if name in sys.modules), "dict")
        columns = self.on_host()._columns()
        if kind == "pandas":
            import pandas

            return pandas.DataFrame(columns)
        if kind == "polars":
            import polars

            return polars.DataFrame(columns)
        return columns


def _on_host(value: Any) -> Any:
    jax = sys.modules.get("jax")  # where it is not loaded, nothing is its array
    if jax is not None and isinstance(value, jax.Array):
        array = jax.device_get(value)
        return array.item() if array.ndim == 0 else array
    if isinstance(value, Readable):
        return value.on_host()
    if isinstance(value, Params):
        parts = [_on_host(part) for part in value]
        return value if all(new is old for new, old in zip(parts, value, strict=True)) else Params(*parts)
    return value


def _begins_with_words(rows: list[tuple[str, ...]]) -> bool:
    """Whether the first cells are words, which stand at the left."""
    return rows[0][0] in ("", "column", "band")
