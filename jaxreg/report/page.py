"""A sweep as one page for a browser: everything is in the file, and nothing is fetched or run.

The page asks its reader's browser for nothing, and says so itself (a Content-Security-Policy without network and
scripts): it can be mailed, kept and printed. Names of columns come from outside and are escaped wherever they stand.
"""

import base64
import html
import re
from collections.abc import Mapping, Sequence

from jaxreg.plot.errors import MEASURES
from jaxreg.report.pictures import BLACK, Picture
from jaxreg.report.text import coefficients, head, hidden, merits
from jaxreg.report.words import choice_in_words, time_in_words
from jaxreg.results import Sweep
from jaxreg.solvers.paths import default_tol

__all__ = ["sweep_page"]

STYLE = """
:root { color-scheme: light dark; --ink: #1d1f23; --paper: #fff; --faint: #5d636d; --line: #d5d8de; --code: #f4f5f7; }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ea; --paper: BLACK; --faint: #a3a9b4; --line: #3a3f48; --code: #20242b; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif; }
main { max-width: 46rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
p, figure { margin: 0.5rem 0; }
.faint, figcaption { color: var(--faint); font-size: 0.875rem; }
.warning { border: 2px solid currentColor; padding: 0.5rem 0.75rem; font-weight: 600; }
img { display: block; width: 100%; max-width: 560px; height: auto; margin: 0 auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9375rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.15rem 0.25rem; text-align: right; vertical-align: top; font-weight: normal; }
th:first-child { text-align: left; }
td { white-space: nowrap; overflow-wrap: normal; }
thead th { border-bottom: 1px solid var(--ink); vertical-align: bottom; font-weight: 600; }
tbody + tbody tr:first-child > * { border-top: 1px solid var(--line); }
pre { background: var(--code); padding: 0.75rem; white-space: pre-wrap; font-size: 0.8125rem; }
@media print {
  :root { font-size: 10pt; }
  main { max-width: none; padding: 0; }
  h2 { break-after: avoid; }
  figure, tr, pre { break-inside: avoid; }
  pre { border: 1px solid var(--line); }
}
""".replace("BLACK", BLACK)


def sweep_page(
    sweep: Sweep,
    pictures: Mapping[str, Picture],
    *,
    title: str,
    shape: tuple[int, int],
    folds: str,
    seconds: tuple[float, float],
    tol: float | None,
    dtype: str,
    notes: Sequence[str] = (),
    command: str,
    python: str,
    rows: int = 200,
) -> str:
    """The page that ``jaxreg sweep --out DIR`` writes to ``report.html``.

    Args:
        sweep, title, shape, folds, seconds, tol, dtype, notes: as in :func:`jaxreg.report.sweep_report`.
        pictures: "error_curve" and "coefficient_paths", as :func:`jaxreg.report.draw` makes them.
        command, python: what does the same again. rows: most features in the table.

    Returns:
        HTML, to be written in UTF-8.
    """
    import jax

    from jaxreg.version import __version__

    tol = default_tol(dtype) if tol is None else tol
    fits = sweep.fold_gap.size + sweep.path.gap.size
    certificate = (
        f"All {fits:,} fits, in the folds and on all rows, are within a relative duality gap of {tol:g}; the largest "
        f"is {sweep.largest_gap:.1e}: no other coefficients have an objective that is smaller by more than that share "
        "of the target's variance."
        if sweep.converged
        else f"NOT all of the {fits:,} fits reached the relative duality gap {tol:g}; the largest is "
        f"{sweep.largest_gap:.1e}. Raise --max-iter, or loosen --tol, before you rely on these numbers."
    )
    too_short = f"The grid is too short: {sweep.end_in_words}" if sweep.end_in_words else ""
    words = [f"<p>{_text(said)}</p>" for said in choice_in_words(sweep)]
    parts = [
        f"<h1>{_text(title)}</h1>",
        *(f'<p class="faint">{_text(line)}</p>' for line in head(sweep, shape, folds, notes)[: 2 + len(notes)]),
        *([] if sweep.converged else [f'<p class="warning" role="alert">{_text(certificate)}</p>']),
        *([f'<p class="warning" role="alert">{_text(too_short)}</p>'] if too_short else []),
        "<h2>The choice</h2>",
        *words,
        _figure(
            pictures["error_curve"],
            f"Held-out {MEASURES[sweep.measure]} over λ",
            "The line is the mean over the folds, the band one standard error on either side; the numbers on top count "
            "the coefficients that are not 0. The level line between the two choices is one standard error from the "
            "best: the second is the largest λ that is not beyond it.",
        ),
        "<h2>The coefficients</h2>",
        _table(sweep, shape[1], rows),
        *(f'<p class="faint">{_text(line)}</p>' for line in hidden(sweep, rows, "coefficients.csv has all")[:1]),
        '<p class="faint">On the original scale of each column. · is exactly 0.</p>',
        _figure(
            pictures["coefficient_paths"],
            "Coefficients along λ",
            "Each coefficient times the standard deviation of its column, so that columns in different units can be "
            "compared."
            if (sweep.path.scale != 1).any()
            else "Each coefficient along the path.",
        ),
        "<h2>Once more</h2>",
        "<p>The same sweep, from the folder that the data are in:</p>",
        f"<pre>{_text(command)}</pre>",
        f"<pre>{_text(python)}</pre>",
        "<h2>What was computed</h2>",
        "<p>1/(2 Σs) Σ s (y − b − Xw)² + λ Σ v (ρ σ |w| + (1 − ρ)/(2τ) σ² w²) is minimised at every λ and l1_ratio "
        "ρ; σ is the standard deviation of a column and τ that of the target, so that λ is in units of the target; "
        "both are 1 if nothing is standardised. In each fold, means and standard deviations are those of the training "
        "rows alone.</p>",
        *([f"<p>{_text(certificate)}</p>"] if sweep.converged else []),
        f'<p class="faint">jaxreg {__version__}, jax {jax.__version__}; {jax.devices()[0].platform}, {_text(dtype)}: '
        f"{time_in_words(seconds)}.</p>",
    ]
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; style-src '
            "'unsafe-inline'\">",
            f"<title>{_text(title)} – jaxreg</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            "<main>",
            *parts,
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _text(words: str) -> str:
    """Text as HTML: escaped, and without control characters and halves of pairs, which HTML does not have."""
    return html.escape(re.sub(r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]", "\ufffd", words))


def _figure(picture: Picture, words: str, caption: str) -> str:
    light, dark = (f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in (picture.light, picture.dark))
    return (
        f'<figure><picture><source media="screen and (prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img src="{light}" alt="{_text(words)}" width="960" height="744"></picture>'
        f"<figcaption>{_text(caption)}</figcaption></figure>"
    )


def _table(sweep: Sweep, p: int, rows: int) -> str:
    bodies = []
    for body in (coefficients(sweep, rows), merits(sweep, p)):
        lines = [
            f'<tr><th scope="row"><bdi>{_text(name)}</bdi></th><td>{_text(best)}</td><td>{_text(one_se)}</td></tr>'
            for name, best, one_se in body
        ]
        bodies.append("\n".join(["<tbody>", *lines, "</tbody>"]))
    columns = ("feature", "at the minimum", "one standard error")
    top = "".join(f'<th scope="col">{words}</th>' for words in columns)
    return "\n".join(["<table>", f"<thead><tr>{top}</tr></thead>", *bodies, "</table>"])
