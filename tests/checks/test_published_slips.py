"""Slips that were published – in docstrings, code and lecture notes – re-created as formulas: each found, and named."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import checks
from jaxreg.formulas import sources as s

N, P, LAM, RHO, STEP = 12, 4, 0.3, 0.5, 0.2
RNG = np.random.default_rng(2)
X, Y, W = RNG.normal(size=(N, P)), RNG.normal(size=N), RNG.normal(size=P)
WEIGHT = RNG.uniform(0.5, 2, N)
ONES = np.column_stack([np.ones(N), X[:, 1:]])


def only(report):
    assert not report
    assert len(report.findings) == 1, report
    return report.findings[0]


def test_the_docstring_of_prox_ridge():
    """jaxopt: documented as the prox of l2 ‖x‖², computed as x / (1 + s l2): that is the prox of l2/2 ‖x‖²."""
    documented = lambda u, l2: l2 * jnp.sum(u**2)
    finding = only(checks.prox(documented, lambda z, step, l2: z / (1 + step * l2), W, STEP, LAM))
    assert (finding.kind, finding.expression) == ("factor", "2")
    meant = lambda u, l2: l2 / 2 * jnp.sum(u**2)
    assert checks.prox(meant, lambda z, step, l2: z / (1 + step * l2), W, STEP, LAM)


def test_the_columnwise_lipschitz_constant():
    """jaxopt: Σ_i x_ij² for the loss ½ mean r², whose second derivative by w_j is that over n."""
    for j in range(2):
        column = lambda w, X, y, j=j: jnp.mean((X[:, j] * w - y) ** 2) / 2
        finding = only(checks.bound(column, W[j], X, Y, lipschitz=lambda X, y, j=j: jnp.sum(X[:, j] ** 2)))
        assert finding.kind == "bound"
        assert "n times too large" in finding.sentence
        assert finding.expression == "1/n"
        assert checks.bound(column, W[j], X, Y, lipschitz=lambda X, y, j=j: jnp.mean(X[:, j] ** 2))


def test_the_docstring_of_celer_path():
    """celer: alpha (1 − l1_ratio) ‖w‖² is documented, ½ of it minimised: the gradient of the code against the print."""

    def documented(w, X, y, alpha, l1_ratio):
        return jnp.mean((y - X @ w) ** 2) / 2 + alpha * (
            l1_ratio * jnp.sum(jnp.abs(w)) + (1 - l1_ratio) * jnp.sum(w**2)
        )

    def code(w, X, y, alpha, l1_ratio):
        return X.T @ (X @ w - y) / X.shape[0] + alpha * (l1_ratio * jnp.sign(w) + (1 - l1_ratio) * w)

    finding = only(checks.check_gradient(documented, code, W, X, Y, LAM, 0.7))
    assert (finding.kind, finding.expression) == ("factor", "2")
    assert "Σ w²" in finding.term


def test_alpha_max_of_the_elastic_net():
    """skglm: max |Xᵀy| / n without 1/l1_ratio."""

    def loss(w, X, y, lam, l1_ratio):
        return jnp.mean((y - X @ w) ** 2) / 2 + lam * (
            l1_ratio * jnp.sum(jnp.abs(w)) + (1 - l1_ratio) / 2 * jnp.sum(w**2)
        )

    published = lambda X, y, lam, l1_ratio: jnp.max(jnp.abs(X.T @ y)) / len(y)
    finding = only(checks.bound(loss, np.zeros(P), X, Y, LAM, 0.7, lam_max=published))
    assert "does not hold" in finding.sentence
    assert finding.expression == "1/l1_ratio"
    right = lambda *args: published(*args) / args[3]
    assert checks.bound(loss, np.zeros(P), X, Y, LAM, 0.7, lam_max=right)


def test_the_lipschitz_constant_of_the_weighted_square():
    """skglm: a vector norm in the place of the spectral norm (the Frobenius norm): too large, by no formula."""

    def loss(w, X, y, weight):
        return jnp.sum(weight * (y - X @ w) ** 2) / (2 * jnp.sum(weight))

    root = lambda X, weight: jnp.sqrt(weight)[:, None] * X
    frobenius = lambda X, y, weight: jnp.sum(root(X, weight) ** 2) / jnp.sum(weight)
    finding = only(checks.bound(loss, W, X, Y, WEIGHT, lipschitz=frobenius))
    assert finding.kind == "bound"
    assert "holds but is not tight" in finding.sentence
    spectral = lambda X, y, weight: jnp.linalg.norm(root(X, weight), 2) ** 2 / jnp.sum(weight)
    assert checks.bound(loss, W, X, Y, WEIGHT, lipschitz=spectral)


def test_the_documented_objective_of_cuml():
    """cuML: ½ ‖y − Xw‖² + alpha ‖w‖₁ is documented; the code multiplies alpha by n."""
    documented = lambda w, X, y, alpha: jnp.sum((y - X @ w) ** 2) / 2 + alpha * jnp.sum(jnp.abs(w))
    code = lambda w, X, y, alpha: X.T @ (X @ w - y) + X.shape[0] * alpha * jnp.sign(w)
    finding = only(checks.check_gradient(documented, code, W, X, Y, LAM))
    assert (finding.kind, finding.expression) == ("factor", "1/n")
    assert "Σ |w|" in finding.term


def test_mean_for_sum_between_a_paper_and_its_example():
    """jaxopt #9: the objective of the example is a mean, the closed form that of a sum."""
    objective = lambda w, X, y, lam: jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)
    closed_form = lambda X, y, lam: jnp.linalg.solve(X.T @ X + lam * jnp.eye(P), X.T @ y)
    report = checks.minimizer(objective, closed_form, X, Y, LAM)
    assert only(report).expression == "n"
    assert report.numbers["lam"] == pytest.approx(LAM / N)


def test_the_sign_in_the_lecture_slides():
    """Ng's course: θ_j − α [(1/m) Σ r x_j − (λ/m) θ_j]."""
    slides = lambda theta, X, y, lam: (
        theta - STEP * (s.a_mse_gradient(theta, X, y) - lam / X.shape[0] * s.a_without_intercept(theta))
    )
    finding = only(checks.update(s.e_ridge_implied_loss, slides, W, ONES, Y, LAM, step_size=STEP))
    assert finding.kind == "sign"
    assert "lam" in finding.term
