"""check_gradient: what it answers when all is well, what it refuses, and what its report carries."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg
from jaxreg.checks import Finding, Report, check_gradient
from jaxreg.checks.report import GREEN, RED
from jaxreg.formulas import Params

N, P, LAM = 12, 4, 0.3
RNG = np.random.default_rng(3)
X, Y, W = RNG.normal(size=(N, P)), RNG.normal(size=N), RNG.normal(size=P)


def ridge(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)


def ridge_gradient(w, X, y, lam):
    return 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * lam * w


def lasso(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * jnp.sum(jnp.abs(w))


# ------------------------------------------------------------------------------------------------ all is well


def test_a_right_gradient():
    report = check_gradient(ridge, ridge_gradient, W, X, Y, LAM)
    assert report
    assert report.ok
    report.assert_ok()
    assert report.largest_error < 1e-14
    assert report.points >= 24
    assert set(report.errors) == {"w[0]", "w[1]", "w[2]", "w[3]"}
    assert report.expression == "1"


def test_a_gradient_in_numpy():
    def gradient(w, X, y, lam):
        return 2 * np.dot(X.T, np.dot(X, np.asarray(w)) - y) / len(y) + 2 * lam * np.asarray(w)

    assert check_gradient(ridge, gradient, W, X, Y, LAM)
    wrong = check_gradient(ridge, lambda *a: gradient(*a) * np.sign(np.linspace(-1, 1, P)), W, X, Y, LAM)
    assert wrong.findings[0].kind == "sign"
    assert wrong.findings[0].where == ("w[0]", "w[1]")


def test_any_pytree_and_any_arguments():
    params = {"layers": [(W[:2], np.float64(0.3))], "scale": np.array([[1.0, 2.0]])}
    data = {"x": X[:, :2], "y": Y, "mode": "mean", "steps": 2, "extra": None}

    def loss(params, data, power):
        (w, b), scale = params["layers"][0], params["scale"]
        r = data["x"] @ (w * scale[0]) + b - data["y"]
        assert data["mode"] == "mean"
        return jnp.mean(r**power) * data["steps"]

    right = lambda params, data, power: jax.grad(loss)(params, data, power)
    assert check_gradient(loss, right, params, data, 2)

    def wrong(params, data, power):
        g = right(params, data, power)
        return {**g, "scale": 2 * g["scale"]}

    report = check_gradient(loss, wrong, params, data, 2)
    assert report.findings[0].where == ("scale",)
    assert report.factor == pytest.approx(0.5)


def test_settings_are_neither_used_nor_changed():
    """Float64 inside, with x64 off and rank promotion refused outside; float32 input is taken exactly."""
    assert not jax.config.jax_enable_x64
    report = check_gradient(ridge, ridge_gradient, jnp.asarray(W, jnp.float32), jnp.asarray(X), jnp.asarray(Y), LAM)
    assert report.largest_error < 1e-14
    assert not jax.config.jax_enable_x64
    assert jax.config.jax_numpy_rank_promotion == "raise"


def test_a_loss_that_rounds_to_float32_has_a_measured_noise_floor():
    def coarse(w, X, y, lam):
        return ridge(*(jnp.asarray(a, jnp.float32) for a in (w, X, y)), jnp.float32(lam))

    report = check_gradient(coarse, ridge_gradient, W, X, Y, LAM)
    assert report
    assert 1e-12 < report.largest_error <= report.tolerance < 1e-3
    assert any("less than float64" in note for note in report.notes)
    wrong = check_gradient(coarse, lambda *a: 1.01 * ridge_gradient(*a), W, X, Y, LAM)
    assert not wrong
    assert wrong.factor == pytest.approx(1 / 1.01, rel=1e-4)


def test_a_slip_far_below_the_other_terms_is_seen():
    """λ = 1e-6 beside a data term of size 1: found, though it is the sixth digit."""
    report = check_gradient(ridge, lambda w, X, y, lam: ridge_gradient(w, X, y, lam / 2), W, X, Y, 1e-6)
    assert report.expression == "2"
    assert "lam" in report.findings[0].term


# ------------------------------------------------------------------------------------------------ kinks


def signs(zero):
    return lambda w, X, y, lam: X.T @ (X @ w - y) / N + lam * jnp.where(w == 0, zero, jnp.sign(w))


@pytest.mark.parametrize(("zero", "told"), [(0.0, "0 of [-1, 1]"), (1.0, "1 of [-1, 1]"), (-0.5, "-½ of [-1, 1]")])
def test_any_subgradient_is_right_and_is_told(zero, told):
    report = check_gradient(lasso, signs(zero), W, X, Y, LAM)
    assert report, report
    assert report.kinks >= 3
    assert report.conventions == (f"at the kink of |·| the slope taken is {told}",)


@pytest.mark.parametrize("zero", [1.2, -1.01, np.nan])
def test_no_subgradient_is_wrong(zero):
    report = check_gradient(lasso, signs(zero), W, X, Y, LAM)
    assert [finding.kind for finding in report.findings][:1] == ["kink"]
    assert "w[" in report.findings[0].where[0]


def test_the_slope_of_a_maximum():
    loss = lambda w, z: jnp.sum(jnp.maximum(w, 0.0) * z) + jnp.sum(w**2)
    z = np.array([1.0, 2.0, 0.5])
    half = check_gradient(loss, lambda w, z: z * jnp.where(w == 0, 0.5, w > 0) + 2 * w, np.ones(3), z)
    assert half.conventions == ("at the kink of max the slope taken is ½ of [0, 1]",)
    assert check_gradient(loss, lambda w, z: z * (w > 0) + 2 * w, np.ones(3), z).conventions[0].endswith("0 of [0, 1]")


def test_a_tie():
    """max(w) with all w equal: a share each is a subgradient, 1 each is not, though each alone is in range."""
    loss = lambda w: jnp.max(w) + jnp.sum(w**2) / 2
    shares = lambda w: (w == jnp.max(w)) / jnp.sum(w == jnp.max(w)) + w
    assert check_gradient(loss, shares, np.array([1.0, 2.0, 3.0]))
    report = check_gradient(loss, lambda w: (w == jnp.max(w)) + w, np.array([1.0, 2.0, 3.0]))
    assert report.findings[0].kind == "kink"


def test_the_ball_of_a_norm_at_zero():
    """Each coordinate of (0.9, 0.9) is in [−1, 1], but its norm is above 1."""
    loss = lambda w: jnp.sqrt(jnp.sum(w**2)) + jnp.sum(w)
    gradient = lambda c: lambda w: jnp.where(jnp.all(w == 0), c, w / jnp.sqrt(jnp.sum(w**2))) + 1
    assert check_gradient(loss, gradient(0.7), np.ones(2))
    assert not check_gradient(loss, gradient(0.9), np.ones(2))


def test_the_parameters_given_may_be_at_a_kink_of_the_data():
    """The residual is exactly 0 in one row: |·| has its kink there."""
    A, y = np.eye(3), np.array([1.0, 2.0, 3.0])
    loss = lambda w, A, y: jnp.sum(jnp.abs(A @ w - y))
    gradient = lambda at: lambda w, A, y: A.T @ jnp.where(A @ w == y, at, jnp.sign(A @ w - y))
    given = np.array([1.0, 5.0, 7.0])
    assert check_gradient(loss, gradient(0.3), given, A, y)
    assert check_gradient(loss, gradient(1.3), given, A, y).findings[0].where == ("w[0]",)


# ------------------------------------------------------------------------------------------------ autodiff itself


def test_a_wrong_custom_rule_in_the_loss_is_seen():
    @jax.custom_jvp
    def square(x):
        return x**2

    square.defjvp(lambda primals, tangents: (primals[0] ** 2, primals[0] * tangents[0]))  # the 2 is missing
    loss = lambda w, X, y: jnp.mean(square(X @ w - y))
    gradient = lambda w, X, y: 2 * X.T @ (X @ w - y) / N
    report = check_gradient(loss, gradient, W, X, Y)
    (finding,) = (finding for finding in report.findings if finding.kind == "autodiff")
    assert "the hand-derived formula agrees with them" in finding.sentence
    same_slip = check_gradient(loss, lambda *a: gradient(*a) / 2, W, X, Y)
    assert [finding.kind for finding in same_slip.findings] == ["autodiff"]
    assert "hand-derived" not in same_slip.findings[0].sentence


def test_nan_of_the_gradient_alone():
    report = check_gradient(ridge, lambda w, *a: ridge_gradient(w, *a) + 0 * jnp.log(w), W, X, Y, LAM)
    assert not report
    assert any(finding.kind == "not finite" for finding in report.findings)


def test_points_at_which_the_loss_overflows_are_left_out():
    loss = lambda w, X: jnp.mean(jnp.exp(100 * X @ w))
    report = check_gradient(loss, lambda w, X: 100 * X.T @ jnp.exp(100 * X @ w) / N, W / 5, X)
    assert report
    assert any("left out" in note for note in report.notes)


# ------------------------------------------------------------------------------------------------ the implied loss


def test_the_loss_that_would_have_the_gradient():
    report = check_gradient(ridge, lambda w, X, y, lam: ridge_gradient(w, X, y, lam / N), W, X, Y, LAM)
    assert report.implied == "it is the gradient of Σ (X @ w - y)²/12 + 1/12·[lam·Σ w²]"
    other = lambda w: float(np.mean((X @ w - Y) ** 2) + LAM / N * np.sum(w**2))
    for w in (W, 3 * W, -W[::-1]):
        assert report.implied_loss(w) == pytest.approx(other(w) - other(0 * W), rel=1e-10)


def test_a_potential_that_is_no_recombination():
    wrong = lambda w, X, y, lam: ridge_gradient(w, X, y, lam) + jnp.sin(w)
    report = check_gradient(ridge, wrong, W, X, Y, LAM)
    assert report.findings[0].kind == "unexplained"
    assert "another loss" in report.implied
    more = report.implied_loss(W) - float(np.mean((X @ W - Y) ** 2) + LAM * W @ W - np.mean(Y**2))
    assert more == pytest.approx(np.sum(1 - np.cos(W)), rel=1e-9)


def test_a_field_that_is_no_gradient():
    wrong = lambda w, X, y, lam: ridge_gradient(w, X, y, lam) + jnp.roll(w, 1)
    report = check_gradient(ridge, wrong, W, X, Y, LAM)
    assert "the gradient of no loss" in report.implied
    assert report.implied_loss is None


# ------------------------------------------------------------------------------------------------ factors


def test_data_in_a_closure_every_expression_is_listed():
    loss = lambda w: jnp.mean((X @ w - Y) ** 2)
    report = check_gradient(loss, lambda w: 2 * X.T @ (X @ w - Y), W)
    assert {"1/12", "1/n"} <= set(report.findings[0].expressions)
    assert "12 = n" in report.findings[0].sentence


def test_constants_that_the_user_names():
    loss = lambda w: 0.37 * jnp.sum(w**2)
    report = check_gradient(loss, lambda w: 2 * w, W, constants={"λ": 0.37})
    assert report.expression == "λ"


# ------------------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("loss", "gradient", "params", "error", "message"),
    [
        (lambda w: w**2, lambda w: 2 * w, W, ValueError, r"returns an array of shape \(4,\); a gradient needs"),
        (lambda w: {"fit": w**2}, lambda w: w, W, ValueError, r"shape \(4,\) as fit"),
        (lambda w: "one", lambda w: w, W, TypeError, "the loss returns str"),
        (lambda w: jnp.sum(w**2), lambda w: w[:2], W, ValueError, r"w is \(2,\) instead of \(4,\)"),
        (lambda p: jnp.sum(p["a"]), lambda p: {"b": p["a"]}, {"a": W}, ValueError, r"missing: p\['a'\]; not asked for"),
        (
            lambda p: p.intercept + jnp.sum(p.coef),
            lambda p: Params(np.ones(2), np.ones(3)),
            Params(1.0, W),
            ValueError,
            r"intercept is \(2,\) instead of \(\); coef is \(3,\) instead of \(4,\)",
        ),
        (lambda w: jnp.sum(w**2), lambda w: 2 * w, np.array([1, 2]), TypeError, "w is of dtype int64; .* 1.0 instead"),
        (lambda w: jnp.sum(w**2), lambda w: 2 * w, 3, TypeError, "w is of dtype int64"),
        (lambda w: jnp.sum(w), lambda w: w, np.array([1j]), TypeError, "w is of dtype complex128"),
        (lambda w: jnp.sum(w), lambda w: w, np.array([1.0, np.nan]), ValueError, r"w\[1\] is nan"),
        (lambda w: 0.0, lambda w: w, {}, ValueError, "w holds no numbers"),
        (lambda w: jnp.sum(jnp.log(w)), lambda w: 1 / w, -W**2, ValueError, "the loss is nan at the parameters given"),
    ],
)  # fmt: skip
def test_refused(loss, gradient, params, error, message):
    with pytest.raises(error, match=message):
        check_gradient(loss, gradient, params)


def test_randomness_and_side_effects_are_refused():
    rng, calls = np.random.default_rng(0), []
    noisy = lambda w: jnp.sum(w**2) * rng.normal()
    with pytest.raises(ValueError, match="two evaluations at the same point gave"):
        check_gradient(noisy, lambda w: 2 * w, W)

    def counting(w):
        calls.append(1)
        return jnp.sum(w**2) + len(calls)

    with pytest.raises(ValueError, match="keep no state in it"):
        check_gradient(counting, lambda w: 2 * w, W)
    with pytest.raises(ValueError, match="the gradient the formula is no function"):
        check_gradient(lambda w: jnp.sum(w**2), lambda w: 2 * w * rng.normal(), W)


# ------------------------------------------------------------------------------------------------ the report


def wrong_report():
    return check_gradient(ridge, lambda w, X, y, lam: ridge_gradient(w, X, y, lam / 2), W, X, Y, LAM)


def test_the_report_is_short_and_readable(monkeypatch):
    report = wrong_report()
    lines = report.text().splitlines()
    assert lines[0] == "WRONG: the formula against the gradient of ridge"
    assert lines[1] == "  the term lam·Σ w² is 2 times too small"
    assert len(lines) <= 6
    assert str(report) == report.text()  # no colours where nobody looks
    with pytest.raises(AssertionError, match=re.escape(lines[1])):
        report.assert_ok()


def test_colours_on_a_terminal_only(monkeypatch):
    report = wrong_report()
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert RED in str(report)
    assert GREEN in str(Report("fine"))
    assert re.sub(r"\033\[\d+m", "", str(report)) == report.text()
    monkeypatch.setenv("NO_COLOR", "1")
    assert str(report) == report.text()


def test_html_in_a_notebook():
    finding = Finding("unexplained", "a < b & c")
    text = Report("<loss>", (finding,))._repr_html_()
    assert "&lt;loss&gt;" in text
    assert "a &lt; b &amp; c" in text
    assert "<loss>" not in text


def test_the_report_is_frozen_and_carries_its_numbers():
    report = wrong_report()
    with pytest.raises(AttributeError):
        report.title = "another"
    assert report.factor == pytest.approx(2, rel=1e-12)
    assert report.findings[0].expressions == ("2",)
    assert max(report.errors.values()) == report.largest_error > 0.01
    assert isinstance(jaxreg.check_gradient, type(check_gradient))
