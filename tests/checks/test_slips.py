"""Slips planted on purpose: every one is detected, and nearly every one is named, with the term and the factor.

A row of `SLIPS` is a loss, a gradient of it with one slip, and what the report has to say: the kind of the slip, a part
of the name of the term, the factor that it needs as a formula, and the coordinates that are wrong. What is expected
was written down from the slip, not from the report.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxreg import checks
from jaxreg.formulas import Params, gradient, objective
from jaxreg.formulas import sources as s

N, P, T = 12, 4, 2
RNG = np.random.default_rng(11)
X = RNG.normal(size=(N, P))
ONES = np.column_stack([np.ones(N), X[:, 1:]])
Y = X @ np.array([1.0, -2.0, 0.5, 0.0]) + 0.3 * RNG.normal(size=N) + 1
LABELS = (Y > 1).astype(float)
COUNTS = RNG.poisson(2.0, N).astype(float)
WEIGHTS = RNG.uniform(0.5, 2.0, N)
TARGETS = RNG.normal(size=(N, T))
SQUARE = RNG.normal(size=(P, P))
W = np.array([0.7, -1.1, 0.4, 0.9])
MATRIX = RNG.normal(size=(P, T))
LAM, DELTA = 0.3, 0.8


# ------------------------------------------------------------------------------------------------ losses


def sigmoid(z):
    return 1 / (1 + jnp.exp(-z))


def squares(w, X, y):
    return jnp.mean((X @ w - y) ** 2)


def ridge(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w**2)


def ridge_gradient(w, X, y, lam):
    return 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * lam * w


def ridge_of_sums(w, X, y, lam):
    return jnp.sum((X @ w - y) ** 2) + lam * jnp.sum(w**2)


def free_intercept(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) + lam * jnp.sum(w[1:] ** 2)


def named_terms(w, X, y, lam):
    return {"fit": 0.5 * jnp.mean((X @ w - y) ** 2), "penalty": 0.5 * lam * jnp.sum(w**2)}


def pair_of_terms(w, X, y, lam):
    return 0.5 * jnp.mean((X @ w - y) ** 2), lam * jnp.sum(jnp.abs(w))


def lasso(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * jnp.sum(jnp.abs(w))


def weighted(w, X, y, weight):
    return jnp.sum(weight * (X @ w - y) ** 2) / 2


def logistic(w, X, y, lam):
    z = X @ w
    return jnp.mean(jax.nn.softplus(z) - y * z) + lam / 2 * jnp.sum(w**2)


def logistic_gradient(w, X, y, lam):
    return X.T @ (sigmoid(X @ w) - y) / X.shape[0] + lam * w


def poisson(w, X, y, lam):
    z = X @ w
    return jnp.mean(jnp.exp(z) - y * z) + lam / 2 * jnp.sum(w**2)


def huber(w, X, y, delta):
    r = X @ w - y
    return jnp.mean(jnp.where(jnp.abs(r) <= delta, r**2 / 2, delta * (jnp.abs(r) - delta / 2)))


def huber_gradient(w, X, y, delta):
    r = X @ w - y
    return X.T @ jnp.clip(r, -delta, delta) / X.shape[0]


def hinge(w, X, y, lam):
    return jnp.mean(jnp.maximum(0.0, 1 - (2 * y - 1) * (X @ w))) + lam * jnp.sum(w**2)


def group_lasso(w, X, y, lam):
    return jnp.mean((X @ w - y) ** 2) / 2 + lam * (jnp.linalg.norm(w[:2]) + jnp.linalg.norm(w[2:]))


def many_targets(W, X, Y, lam):
    return jnp.mean(jnp.sum((X @ W - Y) ** 2, axis=1)) / 2 + lam / 2 * jnp.sum(W**2)


def quadratic(w, A, b):
    return jnp.sum((A @ w - b) ** 2) / 2


def network(w, X, y):
    return jnp.mean((jnp.tanh(X @ w) - y) ** 2) / 2


def ratio(w, A):
    return (w @ (A @ A.T) @ w) / (w @ w)


def elastic(params, X, y, lam, l1_ratio):
    return objective(params, X, y, lam, l1_ratio)


def of_objective(change):
    """The package's gradient of the elastic net, with a change made to it."""
    return lambda params, X, y, lam, rho: change(gradient(params, X, y, lam, rho), params, X, y, lam, rho)


def package_weighted(params, X, y, lam, weight):
    return objective(params, X, y, lam, 0.5, sample_weight=weight)


# ------------------------------------------------------------------------------------------------ slips


class Slip(NamedTuple):
    loss: Any
    wrong: Any
    params: Any
    args: tuple
    kind: str
    term: str | None = None
    expression: str | None = None
    where: tuple[str, ...] = ()
    says: str = ""


PACKAGE = (Params(np.float64(0.4), W), (X, Y, LAM, 0.6))
DATA, LOGISTIC, COUNT = (X, Y, LAM), (X, LABELS, LAM), (X, COUNTS, LAM)

SLIPS = {
    # wrong factors
    "2 of the square is forgotten": Slip(
        squares, lambda w, X, y: X.T @ (X @ w - y) / len(y), W, (X, Y), "factor", None, "2"
    ),
    "2 of the penalty is forgotten": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + lam * w, W, DATA, "factor", "w²", "2"
    ),
    "sum instead of mean": Slip(
        squares, lambda w, X, y: 2 * X.T @ (X @ w - y), W, (X, Y), "factor", None, "1/n"
    ),
    "sum instead of mean, with a penalty": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) + 2 * lam * w, W, DATA, "factor", "(X @ w - y)²", "1/n"
    ),
    "mean instead of sum": Slip(
        ridge_of_sums, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / len(y) + 2 * lam * w, W, DATA, "factor",
        "(X @ w - y)²", "n",
    ),
    "the penalty is divided by n": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * lam / X.shape[0] * w, W, DATA, "factor",
        "w²", "n",
    ),
    "degrees of freedom": Slip(
        squares, lambda w, X, y: 2 * X.T @ (X @ w - y) / (X.shape[0] - 1), W, (X, Y), "factor", None, "(n - 1)/n"
    ),
    "mean over coordinates": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * lam * w / w.size, W, DATA, "factor",
        "w²", "p",
    ),
    "λ is squared": Slip(
        lasso, lambda w, X, y, lam: X.T @ (X @ w - y) / X.shape[0] + lam**2 * jnp.sign(w), W, DATA, "factor", "|w|",
        "1/lam",
    ),
    "a stale λ from a closure": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * 0.1 * w, W, DATA, "factor", "w²", "10·lam",
        says="as if lam were 0.1",
    ),
    "½ too much in a named term": Slip(
        named_terms, lambda w, X, y, lam: X.T @ (X @ w - y) / X.shape[0] + lam / 2 * w, W, DATA, "factor", "penalty",
        "2"
    ),
    "2 too much in a tuple": Slip(
        pair_of_terms, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + lam * jnp.sign(w), W, DATA, "factor",
        "term 1", "1/2",
    ),
    "the package: ρ for 1 − ρ": Slip(
        elastic, of_objective(lambda g, params, X, y, lam, rho: g._replace(
            coef=g.coef + lam * (2 * rho - 1) * params.coef)), *PACKAGE, "factor", "coef²", None
    ),
    "the package: ½ of the L2 part twice": Slip(
        elastic, of_objective(lambda g, params, X, y, lam, rho: g._replace(
            coef=g.coef - lam * (1 - rho) / 2 * params.coef)), *PACKAGE, "factor", "coef²", "2"
    ),
    "Poisson: 1/n is missing": Slip(
        poisson, lambda w, X, y, lam: X.T @ (jnp.exp(X @ w) - y) + lam * w, W, COUNT, "factor", None, "1/n"
    ),
    "Huber: δ/2 for δ": Slip(
        huber, lambda w, X, y, delta: huber_gradient(w, X, y, delta) / 2, W, (X, Y, DELTA), "factor", None, "2"
    ),
    # signs
    "the whole sign": Slip(squares, lambda w, X, y: 2 * X.T @ (y - X @ w) / N, W, (X, Y), "sign", None, "-1"),
    "the sign of the penalty": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] - 2 * lam * w, W, DATA, "sign", "w²", "-1"
    ),
    "the sign of y": Slip(
        logistic, lambda w, X, y, lam: X.T @ (sigmoid(X @ w) + y) / X.shape[0] + lam * w, W, LOGISTIC, "sign", "y·",
        "-1"
    ),
    "Poisson: the sign of the linear term": Slip(
        poisson, lambda w, X, y, lam: X.T @ (jnp.exp(X @ w) + y) / X.shape[0] + lam * w, W, COUNT, "sign", "y·", "-1"
    ),
    "the sign of the intercept": Slip(
        elastic, of_objective(lambda g, *_: g._replace(intercept=-g.intercept)), *PACKAGE, "sign", None, "-1",
        ("intercept",),
    ),
    # terms that are missing or too much
    "the penalty is missing": Slip(
        ridge, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0], W, DATA, "missing", "w²"
    ),
    "the targets are missing": Slip(
        poisson, lambda w, X, y, lam: X.T @ jnp.exp(X @ w) / X.shape[0] + lam * w, W, COUNT, "missing", "y·"
    ),
    "the L1 part is missing": Slip(
        elastic, of_objective(lambda g, params, X, y, lam, rho: g._replace(
            coef=g.coef - lam * rho * jnp.sign(params.coef))), *PACKAGE, "missing", "|coef|"
    ),
    "the intercept is penalised": Slip(
        free_intercept, lambda w, X, y, lam: ridge_gradient(w, X, y, lam), W, (ONES, Y, LAM), "penalised", "w[1:]²",
        None, ("w[0]",),
    ),
    "the package: the intercept is penalised": Slip(
        elastic, of_objective(lambda g, params, X, y, lam, rho: g._replace(
            intercept=g.intercept + lam * (1 - rho) * params.intercept)), *PACKAGE, "penalised", "coef²", None,
        ("intercept",),
    ),
    "the intercept is not penalised": Slip(
        ridge, lambda w, X, y, lam: ridge_gradient(w, X, y, lam) - 2 * lam * w * jnp.eye(P)[0], W, (ONES, Y, LAM),
        "missing", "w²", None, ("w[0]",),
    ),
    "off by one: the penalty starts a coordinate late": Slip(
        free_intercept, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + 2 * lam * w.at[:2].set(0), W,
        (ONES, Y, LAM), "missing", "w[1:]²", None, ("w[1]",),
    ),
    "the derivative by the intercept is forgotten": Slip(
        elastic, of_objective(lambda g, *_: g._replace(intercept=0 * g.intercept)), *PACKAGE, "missing", None, None,
        ("intercept",),
    ),
    # data
    "a forgotten weight": Slip(
        weighted, lambda w, X, y, weight: X.T @ (X @ w - y), W, (X, Y, WEIGHTS), "data", "weight", says="forgotten"
    ),
    "the package: a forgotten weight": Slip(
        package_weighted, lambda params, X, y, lam, weight: gradient(params, X, y, lam, 0.5), PACKAGE[0],
        (X, Y, LAM, WEIGHTS), "data", "weight", says="forgotten",
    ),
    "a weight used twice": Slip(
        weighted, lambda w, X, y, weight: X.T @ (weight**2 * (X @ w - y)), W, (X, Y, WEIGHTS), "data", "weight",
        says="squared",
    ),
    "off by one: the last row": Slip(
        ridge_of_sums, lambda w, X, y, lam: 2 * X[:-1].T @ (X[:-1] @ w - y[:-1]) + 2 * lam * w, W, DATA, "data",
        says="last row",
    ),
    "off by one: the first row of a mean": Slip(
        logistic, lambda w, X, y, lam: X[1:].T @ (sigmoid(X[1:] @ w) - y[1:]) / X.shape[0] + lam * w, W, LOGISTIC,
        "data", says="first row",
    ),
    "a matrix not transposed": Slip(
        quadratic, lambda w, A, b: A @ (A @ w - b), W, (SQUARE, Y[:P]), "transposed", "A @ w"
    ),
    "a gradient transposed": Slip(
        lambda B, A: jnp.sum((A @ B) ** 2) / 2, lambda B, A: (A.T @ A @ B).T, RNG.normal(size=(P, P)), (SQUARE,),
        "transposed", says="transposed",
    ),
    "stale δ": Slip(
        huber, lambda w, X, y, delta: huber_gradient(w, X, y, 1.0), W, (X, Y, DELTA), "data", "delta", says="delta = 1 "
    ),
    # coordinates
    "one coordinate wrong by 1e-4": Slip(
        logistic, lambda w, X, y, lam: logistic_gradient(w, X, y, lam) * (1 + 1e-4 * jnp.eye(P)[2]), W, LOGISTIC,
        "factor", None, None, ("w[2]",), "1.0001",
    ),
    "the data term without 1/n, in one leaf": Slip(
        elastic, of_objective(lambda g, params, X, y, lam, rho: g._replace(
            coef=g.coef + (1 - 1 / len(y)) * X.T @ (X @ params.coef + params.intercept - y))), *PACKAGE, "factor",
        "y", "1/n", ("coef",),
    ),
    "coordinates shifted by one": Slip(
        squares, lambda w, X, y: jnp.roll(2 * X.T @ (X @ w - y) / N, 1), W, (X, Y), "order", says="shifted"
    ),
    "one target of two": Slip(
        many_targets, lambda W, X, Y, lam: (X.T @ (X @ W - Y) / X.shape[0]).at[:, 1].set(0) + lam * W, MATRIX,
        (X, TARGETS, LAM), "missing", "X @ W", None, tuple(f"W[{j}, 1]" for j in range(P)),
    ),
    # chain rule and branches
    "the inner derivative of tanh is forgotten": Slip(
        network, lambda w, X, y: X.T @ (jnp.tanh(X @ w) - y) / N, W, (X, Y), "chain rule", "tanh"
    ),
    "the quotient rule is forgotten": Slip(
        ratio, lambda w, A: 2 * A @ A.T @ w / (w @ w), W, (SQUARE,), "chain rule", "w @ w"
    ),
    "Huber: the branches the wrong way round": Slip(
        huber, lambda w, X, y, delta: X.T @ jnp.where(
            jnp.abs(X @ w - y) > delta, X @ w - y, delta * jnp.sign(X @ w - y)) / X.shape[0], W, (X, Y, DELTA),
        "branch", "where",
    ),
    "Huber: always the square": Slip(
        huber, lambda w, X, y, delta: X.T @ (X @ w - y) / X.shape[0], W, (X, Y, DELTA), "branch", "where"
    ),
    "hinge: the wrong branch": Slip(
        hinge, lambda w, X, y, lam: X.T @ (-(2 * y - 1) * ((2 * y - 1) * (X @ w) > 1)) / X.shape[0] + 2 * lam * w, W,
        LOGISTIC, "branch", "max",
    ),
    # kinks
    "the wrong branch at a kink": Slip(
        lasso, lambda w, X, y, lam: X.T @ (X @ w - y) / X.shape[0] + lam * jnp.where(w == 0, 2.0, jnp.sign(w)), W, DATA,
        "kink", says="no subgradient",
    ),
    "0/0 at a kink": Slip(
        group_lasso, lambda w, X, y, lam: X.T @ (X @ w - y) / X.shape[0] + lam * jnp.concatenate(
            [w[:2] / jnp.linalg.norm(w[:2]), w[2:] / jnp.linalg.norm(w[2:])]), W, DATA, "kink", says="nan",
    ),
    # two at once
    "another penalty, and the intercept in it": Slip(
        free_intercept, lambda w, X, y, lam: 2 * X.T @ (X @ w - y) / X.shape[0] + lam / X.shape[0] * w, W,
        (ONES, Y, LAM), "factor", "w[1:]²", "2n",
    ),
    "documents: the ridge update": Slip(
        s.a_ridge_loss, s.a_ridge_gradient_printed, W, (ONES, Y, LAM), "factor", "theta[1:]²", "2n"
    ),
}  # fmt: skip


def checked(slip):
    return checks.check_gradient(slip.loss, slip.wrong, slip.params, *slip.args)


def named(slip, report):
    """Whether the first finding says what the slip is, with term, factor and place."""
    finding = report.findings[0]
    return (
        finding.kind == slip.kind
        and (slip.term is None or slip.term in (finding.term or ""))
        and (slip.expression is None or slip.expression == finding.expression)
        and (not slip.where or slip.where == finding.where)
        and slip.says in finding.sentence
    )


# Every fifth in the quick tests.
@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (k % 5 > 0)) for k, n in enumerate(SLIPS)])
def test_slip(name):
    report = checked(SLIPS[name])
    assert not report
    assert named(SLIPS[name], report), f"{report}\n{report.findings}"
