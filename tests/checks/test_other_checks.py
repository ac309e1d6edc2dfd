"""Updates, closed forms, Hessians, proxes and bounds; the package's own formulas; the documents' verdicts."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import checks
from jaxreg import formulas as f
from jaxreg.formulas import Params
from jaxreg.formulas import sources as s

N, P, LAM, RHO, STEP = 12, 4, 0.3, 0.6, 0.2
RNG = np.random.default_rng(8)
X, Y, W = RNG.normal(size=(N, P)), RNG.normal(size=N) + 1, RNG.normal(size=P)
ONES = np.column_stack([np.ones(N), X[:, 1:]])
WEIGHT, FACTOR, SCALE = RNG.uniform(0.5, 2, N), np.array([1.0, 0.0, 2.0, 0.5]), RNG.uniform(0.5, 2, P)
PARAMS = Params(np.float64(0.7), W)


# ------------------------------------------------------------------------------------------------ the documents


def stepping(rule):
    return lambda *args: rule(*args, STEP)


# row: (check, loss, formula, expected factor as a formula); the verdicts of the documents.
VERDICTS = {
    "A-mse": ("update", s.a_mse_loss, stepping(s.a_mse_update), "1"),
    "A-ridge": ("update", s.a_ridge_loss, stepping(s.a_ridge_update_printed), "2n"),
    "A-ridge implied": ("update", s.a_ridge_implied_loss, stepping(s.a_ridge_update_printed), "1"),
    "A-ridge corrected": ("update", s.a_ridge_loss, stepping(s.a_ridge_update_corrected), "1"),
    "A-lasso": ("update", s.a_lasso_loss, stepping(s.a_lasso_update_printed), "n"),
    "A-lasso implied": ("update", s.a_lasso_implied_loss, stepping(s.a_lasso_update_printed), "1"),
    "A-lasso corrected": ("update", s.a_lasso_loss, stepping(s.a_lasso_update_corrected), "1"),
    "B-ridge": ("gradient", s.b_ridge_loss, s.b_ridge_gradient, "1"),
    "C-ridge": ("update", s.c_ridge_loss, stepping(s.c_ridge_update), "1"),
    "D-ridge": ("minimizer", s.d_ridge_loss, s.d_ridge_closed_form_printed, "n"),
    "D-ridge implied": ("minimizer", s.d_ridge_implied_loss, s.d_ridge_closed_form_printed, "1"),
    "D-ridge corrected": ("minimizer", s.d_ridge_loss, s.d_ridge_closed_form_corrected, "1"),
    "E-ridge": ("update", s.e_ridge_implied_loss, stepping(s.e_ridge_update), "1"),
    "E-ridge closed form": ("minimizer", s.e_ridge_implied_loss, s.e_ridge_closed_form, "1"),
    "E-decay": ("update", s.e_ridge_implied_loss, stepping(s.e_decay_update), "1"),
    "E-ols": ("minimizer", s.a_mse_loss, s.e_ols_closed_form, "1"),
}


@pytest.mark.parametrize("row", VERDICTS)
def test_the_verdicts_of_the_documents_come_out_by_themselves(row):
    check, loss, formula, expression = VERDICTS[row]
    args = (ONES, Y) if row in ("A-mse", "E-ols") else (ONES, Y, LAM)
    if check == "gradient":
        report = checks.check_gradient(loss, formula, W, *args)
    elif check == "update":
        report = checks.update(loss, formula, W, *args, step_size=STEP)
    else:
        report = checks.minimizer(loss, formula, *args)
    assert report.expression == expression
    assert bool(report) == (expression == "1")
    if not report:
        (finding,) = report.findings
        assert "lam" in finding.term  # it is the penalty
    if row == "D-ridge":
        assert report.numbers["lam"] == pytest.approx(LAM / N)


def test_one_feature():
    report = checks.check_gradient(s.d_ridge_1d_loss, s.d_ridge_1d_gradient, W[0], X[:, 0], Y, LAM)
    assert report


def test_the_intercept_that_is_penalised_by_mistake():
    closed = lambda X, y, lam: jnp.linalg.solve(X.T @ X + lam * jnp.eye(P), X.T @ y)
    assert not checks.minimizer(s.e_ridge_implied_loss, closed, ONES, Y, LAM)


# ------------------------------------------------------------------------------------------------ the package


def test_the_gradient_of_the_objective():
    options = {"sample_weight": WEIGHT, "penalty_factor": FACTOR, "scale": SCALE}
    loss = lambda params, X, y, lam, rho, options: f.objective(params, X, y, lam, rho, **options)
    gradient = lambda params, X, y, lam, rho, options: f.gradient(params, X, y, lam, rho, **options)
    report = checks.check_gradient(loss, gradient, PARAMS, X, Y, LAM, RHO, options)
    assert report
    assert report.conventions == ("at the kink of |·| the slope taken is 0 of [-1, 1]",)


def test_the_hessian_of_the_objective():
    loss = lambda params, X, y, lam, rho: f.objective(params, X, y, lam, rho)
    assert checks.hessian(loss, lambda params, X, y, lam, rho: f.hessian(X, lam, rho), PARAMS, X, Y, LAM, RHO)
    half = checks.hessian(loss, lambda params, X, y, lam, rho: f.hessian(X, lam / 2, rho), PARAMS, X, Y, LAM, RHO)
    assert half.expression == "2"
    assert "coef²" in half.findings[0].term


def test_the_prox_of_the_elastic_net():
    penalty = lambda u, l1, l2: l1 * jnp.sum(jnp.abs(u)) + l2 / 2 * jnp.sum(u**2)
    report = checks.prox(penalty, f.prox_elastic_net, W, STEP, 0.7, 1.3)
    assert report
    assert report.numbers["moreau"] < 1e-7
    assert checks.prox(lambda u, t: t * jnp.sum(jnp.abs(u)), lambda z, s, t: f.soft_threshold(z, s * t), W, STEP, 0.7)


def test_the_prox_within_bounds():
    inside = lambda u: jnp.all((u >= -0.5) & (u <= 0.3))
    penalty = lambda u, l1: jnp.where(inside(u), l1 * jnp.sum(jnp.abs(u)), jnp.inf)
    start = 0.1 * W
    assert checks.prox(penalty, lambda z, s, l1: f.prox_elastic_net(z, s, l1, 0.0, -0.5, 0.3), start, STEP, 0.7)
    twice = checks.prox(penalty, lambda z, s, l1: f.prox_elastic_net(z, s, 2 * l1, 0.0, -0.5, 0.3), start, STEP, 0.7)
    assert not twice
    too_far = checks.prox(penalty, lambda z, s, l1: f.prox_elastic_net(z, s, l1, 0.0, -0.5, 0.2), start, STEP, 0.7)
    assert not too_far


def test_a_prox_with_the_threshold_inclusive_or_not():
    """A slip at the kink alone: it stops at 0 too early."""
    penalty = lambda u, lam: lam * jnp.sum(jnp.abs(u))
    early = lambda z, step, lam: jnp.where(jnp.abs(z) < 2 * step * lam, 0.0, f.soft_threshold(z, step * lam))
    assert not checks.prox(penalty, early, W, STEP, 0.7)


def objective(params, X, y, lam, rho):
    return f.objective(params, X, y, lam, rho)


def test_the_lipschitz_constant_holds_and_is_tight():
    constant = lambda X, y, lam, rho: f.lipschitz(X, lam, rho)
    report = checks.bound(objective, PARAMS, X, Y, LAM, RHO, lipschitz=constant)
    assert report
    assert report.numbers["claimed"] == pytest.approx(report.numbers["true"], rel=1e-12)


def test_lam_max_holds_and_is_tight():
    null = Params(np.float64(0.0), np.zeros(P))
    claim = lambda X, y, lam, rho: f.lam_max(X, y, rho)
    assert checks.bound(objective, null, X, Y, LAM, RHO, lam_max=claim)
    forgotten = checks.bound(objective, null, X, Y, LAM, RHO, lam_max=lambda X, y, lam, rho: f.lam_max(X, y, 1.0))
    assert "does not hold" in forgotten.findings[0].sentence
    assert forgotten.expression == "1/rho"


def test_the_closed_form_of_an_orthonormal_lasso():
    loss = lambda w, z, lam: jnp.sum((w - z) ** 2) / 2 + lam * jnp.sum(jnp.abs(w))
    assert checks.minimizer(loss, f.soft_threshold, Y, LAM)
    report = checks.minimizer(loss, lambda z, lam: f.soft_threshold(z, lam / 2), Y, LAM)
    assert report.expression == "2"
    assert report.numbers["lam"] == pytest.approx(LAM / 2)


# ------------------------------------------------------------------------------------------------ steps


def test_without_the_step_size_an_overall_factor_is_left_open():
    rule = lambda *args: s.a_ridge_update_corrected(*args, STEP)
    report = checks.update(s.a_ridge_loss, rule, W, ONES, Y, LAM)
    assert report
    assert any("cannot be determined without the step size; taken as 0.2" in note for note in report.notes)
    double = checks.update(s.a_ridge_loss, rule, W, ONES, Y, LAM, step_size=2 * STEP)
    assert double.expression == "2"
    printed = checks.update(s.a_ridge_loss, stepping(s.a_ridge_update_printed), W, ONES, Y, LAM)
    assert printed.expression == "2n"


# ------------------------------------------------------------------------------------------------ bad input


def squares(w, X, y):
    return jnp.mean((X @ w - y) ** 2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: checks.update(squares, lambda w, X, y: w, W, X, Y, step_size=0.0), "step_size is 0.0"),
        (lambda: checks.prox(lambda u: jnp.sum(u**2), lambda z, step: z, W, -1.0), "step_size is -1.0"),
        (lambda: checks.prox(lambda u: jnp.sum(u**2), lambda z, step: z[:2], W, 1.0), r"is \(2,\) instead of \(4,\)"),
        (lambda: checks.hessian(squares, lambda w, X, y: X.T @ X @ w, W, X, Y), r"shape \(4,\); return a \(4, 4\)"),
        (lambda: checks.bound(squares, W, X, Y), "exactly one of lipschitz and lam_max"),
        (lambda: checks.bound(squares, W, X, Y, lam_max=lambda X, y: 1.0), "no argument of the loss is named lam"),
        (lambda: checks.bound(s.a_ridge_loss, 0 * W, ONES, Y, LAM, lam_max=lambda *a: 1), "no parameter is penalised"),
        (lambda: checks.bound(s.a_lasso_loss, W, ONES, Y, LAM, lam_max=lambda *a: 1.0), "have to be 0 in params"),
    ],
)  # fmt: skip
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
