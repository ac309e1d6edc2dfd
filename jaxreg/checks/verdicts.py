"""Which formulas of the source documents are right: each held against automatic differentiation, each error measured.

A document prints a loss, and beside it a gradient, an update or a closed form that should belong to it: a row is one of
the public checks, ``check_gradient``, ``update`` or ``minimizer``. Where it fails and names a factor, the formula is
checked again with its λ multiplied by that. Nothing here knows a verdict beforehand.

``python -m jaxreg.checks.verdicts`` prints the table.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from unicodedata import combining

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.gradients import check_gradient
from jaxreg.checks.inputs import Function
from jaxreg.checks.minimizers import minimizer
from jaxreg.checks.report import Report
from jaxreg.checks.updates import update
from jaxreg.formulas.sources import a_lasso, a_ridge, b_ridge, c_ridge, d_closed_form, e_normal_equations

__all__ = ["DOCUMENTS", "Verdict", "source_verdicts", "verdict_table"]

DOCUMENTS = ("000", "001", "002", "003", "004")
# Rows and features of the problem, and its λ and step size.
ROWS, FEATURES = 12, 4
LAM, STEP = 1.7, 0.3
# θ, X and y.
Problem = tuple[np.ndarray, np.ndarray, np.ndarray]
# Points, or data sets, at which a formula is checked.
POINTS = 9


class Verdict(NamedTuple):
    """What came out of one comparison.

    Attributes:
        id: row of the table, such as "A-ridge".
        document: number of the source document, "000" to "004".
        compared: the two things compared, "claim against truth".
        holds: whether they agree, as far as rounding allows.
        factor: by what the penalty of the claim must be multiplied, measured on ``ROWS`` rows; 1 where the claim holds,
            None where no factor was found, or ranks are compared.
        expression: the factor as a formula in the letters of the document, such as "2m", or "?" where none was
            recognised; where ranks are compared, the condition that was found.
        error: largest relative error after the penalty was multiplied by ``factor``; where ranks are compared, the
            share of the shapes at which ``expression`` is wrong.
        sentence: the verdict in words.
    """

    id: str
    document: str
    compared: str
    holds: bool
    factor: float | None
    expression: str
    error: float
    sentence: str


class _Print(NamedTuple):
    document: str
    letters: str  # the document's letters for the numbers of rows and of features
    loss: str
    update: str
    closed_form: str


# What the documents print. r = Xθ − y, L = diag(0, 1, …, 1); θ̃, Σ θ_j² and Σ abs(θ_j) leave the intercept θ₀ out.
_PRINTED = {
    "A-mse": _Print("000", "mn", "1/(2m) Σ r²", "(1/m) Xᵀr", "–"),
    "A-ridge": _Print("000", "mn", "1/(2m) Σ r² + λ Σ θ_j²", "θ − α [(1/m) Xᵀr + (λ/m) θ̃]", "–"),
    "A-lasso": _Print("000", "mn", "1/(2m) Σ r² + λ Σ abs(θ_j)", "θ − α [(1/m) Xᵀr + (λ/m) sign(θ̃)]", "–"),
    "B-ridge": _Print("001", "mn", "‖y − Xβ‖² + λ‖β‖²", "−2Xᵀ(y − Xβ) + 2λβ", "–"),
    "C-ridge": _Print("002", "np", "(1/n) Σ (y − ŷ)² + λ Σ w²", "w − η (∇MSE + 2λw)", "–"),
    "D-ridge-1d": _Print("003", "np", "(1/n) Σ (y − wx)² + λw²", "−(2/n) Σ x(y − wx) + 2λw", "–"),
    "D-ridge": _Print("003", "np", "(1/n) Σ (y − wᵀx)² + λ Σ w²", "–", "(XᵀX + λI)⁻¹Xᵀy"),
    "E-ridge": _Print("004", "mn", "–", "θ_j − α [(1/m) Σ r x_j + (λ/m) θ_j]", "(XᵀX + λL)⁻¹Xᵀy"),
    "E-decay": _Print("004", "mn", "–", "θ_j (1 − αλ/m) − α (1/m) Σ r x_j", "–"),
    "E-ols": _Print("004", "mn", "λ = 0", "–", "(XᵀX)⁻¹Xᵀy, perhaps singular for m = n"),
}


def source_verdicts(seed: int = 0, documents: Sequence[str] = DOCUMENTS) -> tuple[Verdict, ...]:
    """Holds every formula of the source documents against automatic differentiation, in float64.

    The user's configuration of JAX is not changed.

    Args:
        seed: of the random problems.
        documents: numbers of the documents to look at.

    Returns:
        The verdicts in the order of ``documents``, one or several a row of the table.

    Raises:
        KeyError: there is no such document.

    Source: documents 000 to 004.

    Example:
        >>> wrong = [verdict for verdict in source_verdicts(documents=["003", "004"]) if not verdict.holds]
        >>> [(verdict.id, verdict.expression) for verdict in wrong]
        [('D-ridge', 'n'), ('E-ols', 'm ≤ n')]
    """
    with jax.enable_x64(True):
        return tuple(verdict for document in documents for verdict in _CHECKS[document](np.random.default_rng(seed)))


def verdict_table(verdicts: Iterable[Verdict] | None = None) -> str:
    """The verdicts as a Markdown table, one line a row of the source documents, its columns lined up.

    Args:
        verdicts: what ``source_verdicts`` returned; None computes them.

    Returns:
        The table: id, document, what it prints as loss, as gradient or update and as closed form, and the verdict.

    Source: documents 000 to 004.

    Example:
        >>> table = verdict_table(source_verdicts(documents=["001"]))
        >>> print("\\n".join(line[:41].rstrip() for line in table.splitlines()))
        | id      | document | loss
        |---------|----------|-------------------
        | B-ridge | 001      | ‖y − Xβ‖² + λ‖β‖²
    """
    lines = [["id", "document", "loss", "gradient or update", "closed form", "verdict"]]
    for row, group in groupby(source_verdicts() if verdicts is None else verdicts, key=lambda verdict: verdict.id):
        printed = _PRINTED[row]
        # A correction is worth a word only where it fails.
        sentences = [v.sentence for v in group if not (v.holds and "corrected" in v.compared)]
        lines.append([row, printed.document, printed.loss, printed.update, printed.closed_form, "; ".join(sentences)])
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    rows = [
        "| " + " | ".join(cell + " " * (w - _width(cell)) for cell, w in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([rows[0], rule, *rows[1:]])


# Each formula is looked up in its module at each call.


def _document_000(rng: np.random.Generator) -> Iterator[Verdict]:
    problem = _problem(rng, ones=1)
    yield _descends("A-mse", problem, _without_lam(a_ridge.a_mse_loss), _without_lam(a_ridge.a_mse_update))

    loss, implied = a_ridge.a_ridge_loss, a_ridge.a_ridge_implied_loss
    printed, corrected = a_ridge.a_ridge_update_printed, a_ridge.a_ridge_update_corrected
    yield _descends("A-ridge", problem, loss, printed)
    yield _descends("A-ridge", problem, implied, printed, truth="gradient of 1/(2m) [Σ r² + λ Σ θ_j²]")
    yield _descends("A-ridge", problem, loss, corrected, claim="step of corrected update")

    loss, implied = a_lasso.a_lasso_loss, a_lasso.a_lasso_implied_loss
    printed, corrected = a_lasso.a_lasso_update_printed, a_lasso.a_lasso_update_corrected
    yield _descends("A-lasso", problem, loss, printed)
    yield _descends("A-lasso", problem, implied, printed, truth="gradient of 1/(2m) Σ r² + (λ/m) Σ abs(θ_j)")
    yield _descends("A-lasso", problem, loss, corrected, claim="step of corrected update")


def _document_001(rng: np.random.Generator) -> Iterator[Verdict]:
    yield _is_gradient("B-ridge", _problem(rng, ones=0), b_ridge.b_ridge_loss, b_ridge.b_ridge_gradient)


def _document_002(rng: np.random.Generator) -> Iterator[Verdict]:
    yield _descends("C-ridge", _problem(rng, ones=0), c_ridge.c_ridge_loss, c_ridge.c_ridge_update)


def _document_003(rng: np.random.Generator) -> Iterator[Verdict]:
    d, problem = d_closed_form, _problem(rng, ones=0)
    theta, X, y = problem
    one_feature = theta[0], X[:, 0], y
    yield _is_gradient("D-ridge-1d", one_feature, d.d_ridge_1d_loss, d.d_ridge_1d_gradient)

    printed, corrected = d.d_ridge_closed_form_printed, d.d_ridge_closed_form_corrected
    loss, implied, squares = d.d_ridge_loss, d.d_ridge_implied_loss, "‖y − Xw‖² + λ‖w‖²"
    yield _minimises("D-ridge", problem, loss, printed)
    yield _minimises("D-ridge", problem, implied, printed, truth=f"minimum of {squares}")
    yield _minimises("D-ridge", problem, loss, corrected, claim="corrected closed form")

    # A multiple of a loss has the same minimum: the scale of both losses is held against the rows that have a gradient.
    # None has a constant term, so that losses of equal gradient are equal.
    many, same = jax.grad(lambda w, x, y, lam: d.d_ridge_loss(w[None], x[:, None], y, lam)), jax.grad(implied)
    yield _is_gradient("D-ridge", one_feature, d.d_ridge_1d_loss, many, "loss of D-ridge-1d", "loss for p = 1")
    yield _is_gradient("D-ridge", problem, b_ridge.b_ridge_loss, same, "loss of B-ridge", squares)


def _document_004(rng: np.random.Generator) -> Iterator[Verdict]:
    e, problem, squares = e_normal_equations, _problem(rng, ones=1), "1/(2m) [Σ r² + λ Σ θ_j²]"
    loss = e.e_ridge_implied_loss
    yield _descends("E-ridge", problem, loss, e.e_ridge_update, truth=f"gradient of {squares}")
    yield _minimises("E-ridge", problem, loss, e.e_ridge_closed_form, truth=f"minimum of {squares}")

    # What the row above has shown to descend, or to minimise, this loss.
    yield _descends("E-decay", problem, loss, e.e_decay_update, truth="step of E-ridge")
    unpenalised, ols = lambda theta, X, y, lam: loss(theta, X, y, 0.0), lambda X, y, lam: e.e_ols_closed_form(X, y)
    yield _minimises("E-ols", problem, unpenalised, ols, truth="closed form of E-ridge at λ = 0")
    yield from _ranks(rng)


def _problem(rng: np.random.Generator, ones: int) -> Problem:
    """θ, X behind ``ones`` (0 or 1) columns of ones, and y."""
    X = np.column_stack([np.ones((ROWS, ones)), rng.normal(size=(ROWS, FEATURES))])
    return (rng.uniform(0.5, 2, FEATURES + ones), X, rng.normal(size=ROWS))


def _descends(
    row: str,
    p: Problem,
    loss: Function,
    rule: Function,
    claim: str = "step of update",
    truth: str = "gradient of loss",
) -> Verdict:
    """An update against the gradient of a loss."""
    at = lambda factor: lambda theta, X, y, lam: rule(theta, X, y, factor * lam, STEP)
    check = lambda factor: update(loss, at(factor), *p, LAM, step_size=STEP, points=POINTS)
    return _verdict(row, claim, truth, check)


def _is_gradient(
    row: str, p: Problem, loss: Function, gradient: Function, truth: str = "gradient of loss", claim: str = "gradient"
) -> Verdict:
    """A gradient against that of a loss."""
    at = lambda factor: lambda theta, X, y, lam: gradient(theta, X, y, factor * lam)
    return _verdict(row, claim, truth, lambda factor: check_gradient(loss, at(factor), *p, LAM, points=POINTS))


def _minimises(
    row: str, p: Problem, loss: Function, form: Function, truth: str = "minimum of loss", claim: str = "closed form"
) -> Verdict:
    """A closed form against the minimum of a loss."""
    at = lambda factor: lambda X, y, lam: form(X, y, factor * lam)
    return _verdict(row, claim, truth, lambda factor: minimizer(loss, at(factor), *p[1:], LAM, points=POINTS))


def _verdict(row: str, claim: str, truth: str, check: Callable[[float], Report]) -> Verdict:
    """What is said of the report on a claim; ``check`` gives it with the λ of the claim multiplied by a factor."""
    document, letters, *_ = _PRINTED[row]
    report = check(1.0)
    factor = 1.0 if report else report.factor
    right = check(factor) if not report and factor is not None and np.isfinite(factor) else report
    expression = report.expression.translate(str.maketrans("np", letters))
    remedy = f": its penalty needs the factor {expression}" if right else ""
    sentence = f"{claim} = {truth}" if report else f"**{claim} ≠ {truth}{remedy}**"
    compared = f"{claim} against {truth}"
    return Verdict(row, document, compared, bool(report), factor, expression, right.largest_error, sentence)


# A random X has the largest rank that its shape allows: where it makes XᵀX singular, every X does. Rows of zeros add
# nothing to XᵀX; with them X has one shape for every m.
def _ranks(rng: np.random.Generator) -> tuple[Verdict, Verdict]:
    shapes = [(m, n) for n in range(1, 5) for m in range(1, n + 3)]

    def singular(m: int, n: int, lam: float) -> bool:
        X = np.zeros((n + 2, n + 1))
        X[:m] = np.column_stack([np.ones(m), rng.normal(size=(m, n))])
        return bool(np.linalg.matrix_rank(e_normal_equations.e_ridge_matrix(jnp.array(X), lam)) < n + 1)

    document = _PRINTED["E-ols"].document
    below = np.mean([singular(m, n, 0.0) != (m < n) for m, n in shapes])
    up_to = np.mean([singular(m, n, 0.0) != (m <= n) for m, n in shapes])
    condition, error = ("m < n", below) if below < up_to else ("m ≤ n", up_to)
    holds = bool(below == 0)
    sentence = "XᵀX is singular for m < n" if holds else f"**XᵀX is singular for every {condition}**"
    claim = "XᵀX singular for m < n, perhaps for m = n, against its rank"
    plain = Verdict("E-ols", document, claim, holds, None, condition, float(error), sentence)

    share = float(np.mean([singular(m, n, rng.uniform(1, 3)) for m, n in shapes]))
    holds = share == 0
    sentence = "XᵀX + λL is invertible for λ > 0" if holds else "**XᵀX + λL is not always invertible for λ > 0**"
    claim = "XᵀX + λL invertible for λ > 0 against its rank"
    return plain, Verdict("E-ols", document, claim, holds, None, "λ > 0", share, sentence)


def _without_lam(formula: Function) -> Function:
    return lambda theta, X, y, lam, *step: formula(theta, X, y, *step)


# A combining character, such as the tilde of θ̃, takes no column of its own.
def _width(cell: str) -> int:
    return sum(not combining(character) for character in cell)


_CHECKS = dict(zip(DOCUMENTS, (_document_000, _document_001, _document_002, _document_003, _document_004), strict=True))


if __name__ == "__main__":
    print(verdict_table())
