"""Which formulas of the source documents are right: each held against automatic differentiation, each error measured.

A document prints a loss, and beside it a gradient, an update or a closed form that should belong to it. Where it does
not, the factor is measured by which its penalty must be multiplied. Nothing here knows a verdict beforehand.

`python -m jaxreg.checks.verdicts` prints the table.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple
from unicodedata import combining

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg.checks.factors import (
    TOLERANCE,
    Comparison,
    Formula,
    equal,
    gradient_of,
    minimises,
    random_problems,
    step_of,
    value_of,
)
from jaxreg.formulas.sources import a_lasso, a_ridge, b_ridge, c_ridge, d_closed_form, e_normal_equations

__all__ = ["DOCUMENTS", "Verdict", "source_verdicts", "verdict_table"]

DOCUMENTS = ("000", "001", "002", "003", "004")


class Verdict(NamedTuple):
    """What came out of one comparison.

    Attributes:
        id: row of the table, such as "A-ridge".
        document: number of the source document, "000" to "004".
        compared: the two things compared, "claim against truth".
        holds: whether they agree, to a relative 1e-12.
        factor: by what the penalty of the claim must be multiplied, measured on the last of `factors.SHAPES`; 1 where
            the claim holds or has no penalty, None where ranks are compared.
        expression: the factor as a formula in the letters of the document, such as "2m", or "?" where none was
            recognised; where ranks are compared, the condition that was found.
        error: largest relative error after the penalty was multiplied by `expression`; where ranks are compared, the
            share of the shapes at which `expression` is wrong.
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
        The verdicts in the order of `documents`, one or several a row of the table.

    Raises:
        KeyError: there is no such document.

    Source: documents 000 to 004.

    Example:
        >>> wrong = [verdict for verdict in source_verdicts() if not verdict.holds]
        >>> [(verdict.id, verdict.expression) for verdict in wrong]
        [('A-ridge', '2m'), ('A-lasso', 'm'), ('D-ridge', 'n'), ('E-ols', 'm ≤ n')]
    """
    with jax.enable_x64(True):
        return tuple(verdict for document in documents for verdict in _CHECKS[document](np.random.default_rng(seed)))


def verdict_table(verdicts: Iterable[Verdict] | None = None) -> str:
    """The verdicts as a Markdown table, one line a row of the source documents, its columns lined up.

    Args:
        verdicts: what `source_verdicts` returned; None computes them.

    Returns:
        The table: id, document, what it prints as loss, as gradient or update and as closed form, and the verdict.

    Source: documents 000 to 004.

    Example:
        >>> print("\\n".join(line[:55].rstrip() for line in verdict_table().splitlines()[:4]))
        | id         | document | loss                        |
        |------------|----------|-----------------------------|
        | A-mse      | 000      | 1/(2m) Σ r²                 |
        | A-ridge    | 000      | 1/(2m) Σ r² + λ Σ θ_j²      |
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
    problems = random_problems(rng, ones=1)
    update = step_of("update", _without_lam(a_ridge.a_mse_update))
    yield _verdict("A-mse", equal(problems, update, gradient_of("loss", _without_lam(a_ridge.a_mse_loss))))

    update, loss = step_of("update", a_ridge.a_ridge_update_printed), gradient_of("loss", a_ridge.a_ridge_loss)
    implied = gradient_of("1/(2m) [Σ r² + λ Σ θ_j²]", a_ridge.a_ridge_implied_loss)
    corrected = step_of("corrected update", a_ridge.a_ridge_update_corrected)
    yield _verdict("A-ridge", equal(problems, update, loss))
    yield _verdict("A-ridge", equal(problems, update, implied))
    yield _verdict("A-ridge", equal(problems, corrected, loss))

    update, loss = step_of("update", a_lasso.a_lasso_update_printed), gradient_of("loss", a_lasso.a_lasso_loss)
    implied = gradient_of("1/(2m) Σ r² + (λ/m) Σ abs(θ_j)", a_lasso.a_lasso_implied_loss)
    corrected = step_of("corrected update", a_lasso.a_lasso_update_corrected)
    yield _verdict("A-lasso", equal(problems, update, loss))
    yield _verdict("A-lasso", equal(problems, update, implied))
    yield _verdict("A-lasso", equal(problems, corrected, loss))


def _document_001(rng: np.random.Generator) -> Iterator[Verdict]:
    gradient, loss = value_of("gradient", b_ridge.b_ridge_gradient), gradient_of("loss", b_ridge.b_ridge_loss)
    yield _verdict("B-ridge", equal(random_problems(rng, ones=0), gradient, loss))


def _document_002(rng: np.random.Generator) -> Iterator[Verdict]:
    update, loss = step_of("update", c_ridge.c_ridge_update), gradient_of("loss", c_ridge.c_ridge_loss)
    yield _verdict("C-ridge", equal(random_problems(rng, ones=0), update, loss))


def _document_003(rng: np.random.Generator) -> Iterator[Verdict]:
    d, problems = d_closed_form, random_problems(rng, ones=0)
    one_feature = [p._replace(theta=p.theta[0], X=p.X[:, 0]) for p in problems]
    gradient, loss = value_of("gradient", d.d_ridge_1d_gradient), gradient_of("loss", d.d_ridge_1d_loss)
    yield _verdict("D-ridge-1d", equal(one_feature, gradient, loss))

    printed, corrected = d.d_ridge_closed_form_printed, d.d_ridge_closed_form_corrected
    squares = "‖y − Xw‖² + λ‖w‖²"
    yield _verdict("D-ridge", minimises(problems, "closed form", printed, "loss", d.d_ridge_loss))
    yield _verdict("D-ridge", minimises(problems, "closed form", printed, squares, d.d_ridge_implied_loss))
    yield _verdict("D-ridge", minimises(problems, "corrected closed form", corrected, "loss", d.d_ridge_loss))

    # A multiple of a loss has the same minimum: the scale of both losses is held against the rows that have a gradient.
    many = value_of("loss for p = 1", lambda w, x, y, lam: d.d_ridge_loss(w[None], x[:, None], y, lam))
    implied = value_of(squares, d.d_ridge_implied_loss)
    yield _verdict("D-ridge", equal(one_feature, many, value_of("loss of D-ridge-1d", d.d_ridge_1d_loss)))
    yield _verdict("D-ridge", equal(problems, implied, value_of("loss of B-ridge", b_ridge.b_ridge_loss)))


def _document_004(rng: np.random.Generator) -> Iterator[Verdict]:
    e, problems, squares = e_normal_equations, random_problems(rng, ones=1), "1/(2m) [Σ r² + λ Σ θ_j²]"
    update, decay = step_of("update", e.e_ridge_update), step_of("update", e.e_decay_update)
    yield _verdict("E-ridge", equal(problems, update, gradient_of(squares, e.e_ridge_implied_loss)))
    yield _verdict(
        "E-ridge", minimises(problems, "closed form", e.e_ridge_closed_form, squares, e.e_ridge_implied_loss)
    )
    yield _verdict("E-decay", equal(problems, decay, update._replace(name="step of E-ridge")))

    ols = value_of("closed form", lambda theta, X, y, lam: e.e_ols_closed_form(X, y))
    ridge = value_of("closed form of E-ridge at λ = 0", lambda theta, X, y, lam: e.e_ridge_closed_form(X, y, 0.0))
    yield _verdict("E-ols", equal(problems, ols, ridge))
    yield from _ranks(rng)


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
    holds = below == 0
    sentence = "XᵀX is singular for m < n" if holds else f"**XᵀX is singular for every {condition}**"
    claim = "XᵀX singular for m < n, perhaps for m = n, against its rank"
    plain = Verdict("E-ols", document, claim, holds, None, condition, float(error), sentence)

    share = float(np.mean([singular(m, n, rng.uniform(1, 3)) for m, n in shapes]))
    holds = share == 0
    sentence = "XᵀX + λL is invertible for λ > 0" if holds else "**XᵀX + λL is not always invertible for λ > 0**"
    claim = "XᵀX + λL invertible for λ > 0 against its rank"
    return plain, Verdict("E-ols", document, claim, holds, None, "λ > 0", share, sentence)


def _verdict(row: str, comparison: Comparison) -> Verdict:
    claim, truth, factor, expression, error = comparison
    document, letters, *_ = _PRINTED[row]
    expression = expression.translate(str.maketrans("mn", letters))
    holds = expression == "1" and error < TOLERANCE
    remedy = f": its penalty needs the factor {expression}" if error < TOLERANCE else ""
    sentence = f"{claim} = {truth}" if holds else f"**{claim} ≠ {truth}{remedy}**"
    return Verdict(row, document, f"{claim} against {truth}", holds, factor, expression, error, sentence)


def _without_lam(formula: Formula) -> Formula:
    return lambda theta, X, y, lam, *step: formula(theta, X, y, *step)


# A combining character, such as the tilde of θ̃, takes no column of its own.
def _width(cell: str) -> int:
    return sum(not combining(character) for character in cell)


_CHECKS = dict(zip(DOCUMENTS, (_document_000, _document_001, _document_002, _document_003, _document_004), strict=True))


if __name__ == "__main__":
    print(verdict_table())
