"""One figure of all: times beside the peers, and how jaxreg's grow. It stays legible in shades of grey."""

from pathlib import Path
from typing import Any

from problems import SHAPES

__all__ = ["draw"]

MARKERS = {
    "scikit-learn": "o",
    "LassoCV": "p",
    "celer": "s",
    "skglm": "^",
    "adelie": "v",
    "R glmnet": "D",
    "jaxreg on a GPU": "X",
}
LINES = {"o": "-", "s": "--", "^": "-.", "D": ":"}


def draw(measured: dict[str, Any], file: Path) -> None:
    """Writes the figure of what was measured; parts that were not are left out."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    parts = [part for part in ("paths", "cv", "growth") if part in measured]
    if not parts:
        return
    figure, axes = plt.subplots(1, len(parts), figsize=(5.2 * len(parts), 4.2), layout="constrained", squeeze=False)
    for ax, part in zip(axes[0], parts, strict=True):
        if part == "growth":
            _growth(ax, measured[part])
        else:
            _times(ax, measured[part])
            ax.set_title("lasso path, 100 λ" if part == "paths" else "ten-fold cross-validation, 100 λ")
    _one_legend(figure, [ax for ax, part in zip(axes[0], parts, strict=True) if part != "growth"])
    figure.savefig(file, dpi=130)
    plt.close(figure)


def _times(ax: Any, shapes: dict[str, Any]) -> None:
    """A row a shape, time to the right: jaxreg filled, peers hollow, those without the gap crossed out in grey."""
    shapes = {name: shapes[name] for name in SHAPES if name in shapes}
    for place, record in enumerate(shapes.values()):
        for row in record["rows"]:
            time = row.get("median")
            if time is None:
                continue
            if row["name"] == "jaxreg":
                exact = row["tolerance"] < 1e-8
                style = {
                    "marker": "|" if exact else "o",
                    "color": "black",
                    "markersize": 13 if exact else 9,
                    "zorder": 3,
                }
                label = "jaxreg, gap 1e-10" if exact else "jaxreg, gap 1e-6"
            else:
                counts = row["status"] == "counts"
                style = {"marker": MARKERS.get(row["name"], "h"), "markerfacecolor": "none", "markersize": 7}
                style |= {"color": "0.35" if counts else "0.75"}
                label = row["name"] if counts else None
            ax.plot(time, -place, linestyle="none", label=label, **style)
    names = [f"{record['shape']}\n{record['n']:,} × {record['p']:,}" for record in shapes.values()]
    ax.set_yticks([-place for place in range(len(names))], names)
    ax.set_ylim(0.6 - len(names), 0.4)
    ax.set_xscale("log")
    ax.set_xlabel("seconds")
    ax.grid(axis="x", which="major", color="0.85")
    ax.set_axisbelow(True)


def _one_legend(figure: Any, axes: list[Any]) -> None:
    """The programs of all panels, each once, below them."""
    found: dict[str, Any] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    if found:
        figure.legend(found.values(), found.keys(), loc="outside lower left", ncols=3 * len(figure.axes), frameon=False)


def _growth(ax: Any, record: dict[str, Any]) -> None:
    """Time over that of the smallest size, against size over the smallest: straight lines, one a quantity."""
    for (marker, line), (what, axis) in zip(LINES.items(), record["axes"].items(), strict=False):
        relative = [size / axis["sizes"][0] for size in axis["sizes"]]
        times = [time / axis["seconds"][0] for time in axis["seconds"]]
        label = f"{what}, {axis['sizes'][0]:,} – {axis['sizes'][-1]:,}: exponent {axis['exponent']:.2f}"
        ax.plot(relative, times, marker=marker, linestyle=line, color="black", markerfacecolor="white", label=label)
    longest = max(axis["sizes"][-1] / axis["sizes"][0] for axis in record["axes"].values())
    ax.plot([1, longest], [1, longest], color="0.8", zorder=0)
    ax.set(xscale="log", yscale="log", xlabel="size, as a multiple of the smallest", ylabel="time, likewise")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_title("how jaxreg's time grows (grey: in proportion)")
    ax.legend(frameon=False, fontsize="small")
