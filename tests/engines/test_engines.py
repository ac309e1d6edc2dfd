"""Every route gives the same answers: the one chosen, and all λs at once on the rows (``strategy="parallel"``)."""

import warnings

import numpy as np
import pytest

import jaxreg
from jaxreg.data import members, row_blocks
from jaxreg.data.problem import check_problem
from jaxreg.engines import certificate, choose, columns, held_out, moments, ridge, rows
from jaxreg.engines.order import Order

INF = np.inf
ZERO, OWN = np.zeros((2, 2)), np.array([[1.0, 2.0], [0.5, 1.0]])
LAMS = np.array([0.02, 1.0, 0.1, 0.02, 5.0, 0.3])
SHAPES = {"moments": (25, 5), "moments, p > n": (12, 20), "columns": (20, 60)}
CASES = {
    "lasso": {},
    "elastic net": {"l1_ratio": 0.4},
    "weights, factors": {
        "sample_weight": lambda n: np.arange(n) % 4 / 2.0,
        "penalty_factor": lambda p: 1.0 + np.arange(p) % 3,
    },
    "signs": {
        "lower": lambda p: np.where(np.arange(p) % 2, 0.0, -INF),
        "upper": lambda p: np.where(np.arange(p) % 3, INF, 0.0),
    },
}


def data(n, p, targets=2, seed=3):
    """Correlated columns of different size and location, one of them constant."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) * np.geomspace(0.2, 30, p) + np.linspace(-3, 20, p) + rng.normal(size=(n, 1))
    X[:, 2] = 0.1
    coef = np.where(np.arange(p) % 2, 0, rng.normal(size=p)) / np.geomspace(0.2, 30, p)
    Y = np.stack([X @ coef + rng.normal(size=n) + 3, X[:, 0] - rng.normal(size=n)], axis=1)
    return X, Y[:, :targets]


def options_of(case, n, p):
    """All arrays spelt out, so that all cases of a shape are one program."""
    plain = {
        "sample_weight": np.ones(n),
        "penalty_factor": np.ones(p),
        "lower": np.full(p, -INF),
        "upper": np.full(p, INF),
    }
    given = {k: v(n if k == "sample_weight" else p) if callable(v) else v for k, v in CASES[case].items()}
    return {"l1_ratio": 1.0, **plain, **given}


@pytest.mark.parametrize("centring", [(True, True), (False, False)], ids=["intercept", "origin"])
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("shape", SHAPES)
def test_the_answers_do_not_depend_on_the_route(shape, case, centring):
    n, p = SHAPES[shape]
    X, Y = data(n, p)
    options = options_of(case, n, p) | dict(zip(("fit_intercept", "standardize"), centring, strict=True))
    found = jaxreg.path(X, Y, LAMS, **options, strategy="active set")
    other = jaxreg.path(X, Y, LAMS, **options, strategy="parallel")
    assert found.converged.all()
    assert other.converged.all()
    fitted, expected = (np.tensordot(X, r.coef, axes=(1, 1)) + r.intercept for r in (found, other))
    # A gap of 1e-10 leaves the fit at 1e-5 of y; both end far below it.
    np.testing.assert_allclose(fitted, expected, rtol=0, atol=1e-7 * np.abs(Y).max())
    size = np.abs(other.coef * X.std(axis=0)[None, :, None]).max()
    np.testing.assert_allclose(
        found.coef * X.std(axis=0)[None, :, None], other.coef * X.std(axis=0)[None, :, None], rtol=0, atol=1e-6 * size
    )
    np.testing.assert_allclose(found.df, other.df, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found.scale, other.scale, rtol=1e-13)
    assert not (centring[0] and np.any(found.coef[:, 2]))
    np.testing.assert_array_equal(found.coef[0], found.coef[3])  # the same λ twice


@pytest.mark.parametrize("shape", SHAPES)
def test_folds_do_not_depend_on_the_route(shape):
    n, p = SHAPES[shape]
    X, Y = data(n, p)
    found, other = (
        jaxreg.sweep(X, Y, LAMS, [0.5, 1.0], folds=4, strategy=strategy, measure="mae")
        for strategy in ("active set", "parallel")
    )
    np.testing.assert_allclose(found.fold_mse, other.fold_mse, rtol=1e-6)
    np.testing.assert_allclose(found.fold_mae, other.fold_mae, rtol=1e-6)
    np.testing.assert_array_equal(found.best.index, other.best.index)
    np.testing.assert_array_equal(found.one_se.index, other.one_se.index)
    residual = Y[:, None, :] - np.tensordot(X, found.path.coef, axes=(1, 1)) - found.path.intercept
    assert np.isfinite(residual).all()


def test_folds_that_overlap_train_on_what_they_leave():
    X, Y = data(25, 5, 1)
    masks = np.zeros((3, 25), bool)
    masks[0, :9] = masks[1, 5:15] = masks[2, 12:] = True
    found = jaxreg.sweep(X, Y[:, 0], LAMS, folds=masks)
    for k, mask in enumerate(masks):
        alone = jaxreg.path(X[~mask], Y[~mask, 0], LAMS)
        errors = np.mean((Y[mask, :1] - alone.predict(X[mask])) ** 2, axis=0)
        np.testing.assert_allclose(found.fold_mse[0, :, k], errors, rtol=1e-9)


def test_the_route_is_the_one_that_the_shape_asks_for():
    def route(n, p, lams=3, **given):
        X, Y = data(n, p)
        return choose.engine_of(check_problem(X, Y, given.pop("rho", 1.0), **given), lams)

    assert route(25, 5) is moments
    assert route(12, 24) is moments
    assert route(12, 25) is columns
    assert route(25, 5, lower=0.0) is moments
    assert route(25, 5, rho=0.0) is ridge
    for given in ({"lower": -1.0}, {"strategy": "parallel"}, {"penalty_factor": [0, 1, 1, 1, 1]}, {"lams": ZERO}):
        assert route(25, 5, **given) is None, "the rows"
    for given in (
        {"lower": -1.0},
        {"lams": ZERO},
        {"lams": OWN},
        {"lams": OWN[:1]},
        {"penalty_factor": [0, 1, 1, 1, 1]},
    ):
        assert route(25, 5, rho=0.0, **given) is None, "the rows"


def test_lam_0_among_others():
    X, Y = data(25, 5, 1)
    found = jaxreg.path(X, Y[:, 0], np.append(LAMS, 0.0))
    np.testing.assert_array_equal(found.coef[:-1], jaxreg.path(X, Y[:, 0], LAMS).coef)
    design = np.column_stack([np.ones(25), X])
    expected, *_ = np.linalg.lstsq(design[:, [0, 1, 2, 4, 5]], Y[:, 0])
    np.testing.assert_allclose(found.coef[-1, [0, 1, 3, 4]], expected[1:], rtol=1e-9)


def test_what_moments_cannot_certify_is_certified_on_the_rows():
    """Powers up to x¹²: the Gram matrix has lost all digits of some directions, and says so."""
    x = np.linspace(0, 1, 60)
    X, y = np.vander(x, 13, increasing=True)[:, 1:], np.sin(9 * x)
    calls = []
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", jaxreg.ConvergenceWarning)
        real = certificate.gap_from_rows
        patch.setattr(certificate, "gap_from_rows", lambda *a: (calls.append(len(a[1].lams)), real(*a))[1])
        found = jaxreg.path(X, y, lams=20, eps=1e-9)
    assert calls
    Z, target = X - X.mean(axis=0), y - y.mean()
    residual = target - found.coef @ Z.T
    most = found.lams / np.max(np.abs(residual @ Z) / 60 / X.std(axis=0), axis=1)
    c = np.minimum(most, residual @ target / np.sum(residual**2, axis=1))  # maximises the dual
    primal = np.sum(residual**2, axis=1) / 120 + found.lams * np.abs(found.coef * X.std(axis=0)).sum(axis=1)
    dual = (target @ target - np.sum((target - c[:, None] * residual) ** 2, axis=1)) / 120
    gap = (primal - dual) / (target @ target / 60)
    # Σ|u| / √yy is up to 400, so this gap too is off by about 400² ε. That found may be less:
    # other θ are tried.
    assert np.all(found.gap <= 1.0001 * gap + 1e-10)


def test_tiny_columns_are_not_taken_for_constant():
    X, Y = data(25, 5, 1)
    found = jaxreg.path(X * [1, 1e-170, 1, 1, 1], Y[:, 0], LAMS)
    np.testing.assert_allclose(
        found.coef * [1, 1e-170, 1, 1, 1], jaxreg.path(X, Y[:, 0], LAMS).coef, rtol=1e-6, atol=1e-9
    )


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n", [3, 16, 100, 257])
def test_blocks_of_rows(monkeypatch, order, n, x64):
    """Several blocks, the last one filled up, rows in any order: the moments of all rows at once."""
    monkeypatch.setattr(row_blocks, "padded_rows", lambda n, columns: 64)
    rng = np.random.default_rng(n)
    X, Y, s = np.asarray(rng.normal(size=(n, 5)) + 7, order=order), rng.normal(size=(n, 2)), rng.uniform(0, 2, n)
    for chosen in (None, rng.permutation(n)[: max(2, n // 2)]):
        here = slice(None) if chosen is None else chosen
        m = row_blocks.block_moments(X, Y, s, chosen)
        assert m.xx.shape == (16, 16)
        assert not np.any(m.xx[5:])
        np.testing.assert_allclose(m.x_mean[:5], np.average(X[here], axis=0, weights=s[here]), rtol=1e-13)
        both = np.cov(np.column_stack([X[here], Y[here]]), rowvar=False, aweights=s[here], ddof=0) * s[here].sum()
        np.testing.assert_allclose(m.xx[:5, :5], both[:5, :5], rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(m.xy[:5], both[:5, 5:], rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_of_sorted_rows(monkeypatch, order):
    """Where the first rows are far from the mean, and where a column is constant for long, no digit is lost."""
    monkeypatch.setattr(row_blocks, "padded_rows", lambda n, columns: 16)
    rng = np.random.default_rng(0)
    X = np.column_stack([np.sort(rng.normal(size=200)), np.repeat([1e8, 0.0], [20, 180]), np.full(200, 0.1)])
    X[:, 0] += 1e6
    X[3:20, 1] += rng.normal(size=17)
    X, Y = np.asarray(X, order=order), np.sort(rng.normal(size=(200, 1)), axis=0)
    m = row_blocks.block_moments(X, Y, None, None)
    Z = (X - X[0]).astype(np.longdouble)
    Z = Z - Z.mean(axis=0)
    np.testing.assert_allclose(m.xx[:3, :3], (Z.T @ Z).astype(float), rtol=1e-13, atol=0)
    assert not m.xx[2].any()
    assert m.x_mean[2] == 0.1


def test_a_fold_that_holds_most_of_a_column(monkeypatch):
    """Without it nearly nothing of the total is left: the other folds are added instead of taking it away."""
    X, Y = data(40, 5, 1)
    X[5, 2], labels = 1e7, np.arange(40) % 4
    added = []
    real = members.together
    monkeypatch.setattr(members, "together", lambda parts: (added.append(len(parts)), real(parts))[1])
    found = jaxreg.sweep(X, Y[:, 0], LAMS, folds=labels)
    assert added == [4, 3]  # all rows, and those without fold 1
    for k in range(4):
        rest, here = labels != k, labels == k
        path = jaxreg.path(X[rest], Y[rest, 0], LAMS)
        error = (Y[here, 0, None] - path.predict(X[here])) ** 2
        np.testing.assert_allclose(found.fold_mse[0, :, k], error.mean(axis=0), rtol=1e-9)


def test_lams_between_two_changes_cost_no_rounds():
    """The solution is linear in λ while the active set stays; the answers are those of each λ alone."""
    X, Y = data(25, 5, 1)
    path = jaxreg.path(X, Y[:, 0], lams=60)
    assert 10 < np.sum(path.n_iter == 0) < 60
    for k in np.flatnonzero(path.n_iter == 0)[::5]:
        alone = jaxreg.fit(X, Y[:, 0], path.lams[k])
        np.testing.assert_allclose(path.coef[k], alone.coef, rtol=0, atol=1e-12 * np.abs(alone.coef).max())
        np.testing.assert_array_equal(path.coef[k] != 0, alone.coef != 0)
    assert path.gap.max() <= 1e-13


@pytest.mark.slow
def test_an_elastic_net_with_more_active_columns_than_rows():
    """The working set of a lasso does not hold them: the λs that lack room are solved with more of it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 400)) + rng.normal(size=(70, 1))
    y = X[:, :5].sum(axis=1) + rng.normal(size=70)
    found = jaxreg.path(X, y, 12, 0.03)
    assert found.converged.all()
    assert found.n_nonzero[-1] > 128  # slots for 70 rows
    other = jaxreg.path(X, y, found.lams, 0.03, strategy="parallel")
    # The other strategy stops at a gap of 1e-10, which leaves about its root in the coefficients.
    np.testing.assert_allclose(found.coef, other.coef, rtol=0, atol=1e-5 * np.abs(other.coef).max())


@pytest.mark.parametrize("used", [5, 2], ids=["all columns", "two columns"])
@pytest.mark.parametrize("weighted", [False, True])
def test_held_out_errors_by_numpy_and_on_the_device(monkeypatch, weighted, used, x64):
    """Columns in which no model has a coefficient may be left out."""
    X, Y = data(25, 5)
    rng = np.random.default_rng(0)
    params = jaxreg.Params(rng.normal(size=(3, Y.shape[1])), rng.normal(size=(3, 5, Y.shape[1])))
    params.coef[:, used:] = 0
    s = rng.uniform(0, 2, 25) if weighted else None
    chosen = np.array([1, 4, 9, 24])
    here = held_out.from_rows(params, X, Y, s, chosen)
    monkeypatch.setattr(held_out, "_sums_by_numpy", held_out._sums_on_device)
    there = held_out.from_rows(params, X, Y, s, chosen)
    residual = Y[chosen][None] - np.einsum("np,lpt->lnt", X[chosen], params.coef) - params.intercept[:, None, :]
    for found in (here, there):
        weights = None if s is None else s[chosen]
        np.testing.assert_allclose(found[0], np.average(residual**2, axis=1, weights=weights), rtol=1e-13)
        np.testing.assert_allclose(found[1], np.average(np.abs(residual), axis=1, weights=weights), rtol=1e-13)


@pytest.mark.parametrize("weighted", [False, True])
def test_held_out_errors_by_the_quadratic_form(weighted):
    """From moments as from the rows; a model that explains all but 1e-8 of y is not to be judged by moments."""
    X, Y = data(60, 5)
    X += 7.0
    rng = np.random.default_rng(0)
    best = np.linalg.lstsq(np.column_stack([X, np.ones(60)]), Y, rcond=None)[0]
    Y = np.column_stack([Y[:, 0], X @ best[:5, 1] + best[5, 1] + 1e-8 * rng.normal(size=60)])
    coef = np.stack([best[:5], np.zeros((5, 2)), rng.normal(size=(5, 2))])
    params = jaxreg.Params(np.stack([best[5], Y.mean(axis=0), rng.normal(size=2)]), coef)
    s = rng.uniform(0, 2, 60) if weighted else None
    rows = np.arange(0, 60, 2)
    error, sure = held_out.from_moments(params, row_blocks.block_moments(X, Y, s, rows))
    expected, _ = held_out.from_rows(params, X, Y, s, rows)
    assert sure.tolist() == [[True, False], [True, True], [True, True]]
    np.testing.assert_allclose(error[sure], expected[sure], rtol=1e-11)


def test_folds_that_are_explained_too_well_for_moments_are_measured_on_their_rows():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(90, 6))
    y = X @ rng.normal(size=6) + 1e-9 * rng.normal(size=90)
    labels, lams = np.arange(90) % 3, np.geomspace(1, 1e-11, 24)
    found = jaxreg.sweep(X, y, lams, folds=labels)
    for k in range(3):
        here = labels == k
        predicted = jaxreg.path(X[~here], y[~here], lams).predict(X[here])
        expected = np.mean((y[here][:, None] - predicted) ** 2, axis=0)
        np.testing.assert_allclose(found.fold_mse[0, :, k], expected, rtol=1e-6)


def test_orders_of_lams():
    lams = np.array([[0.1, 3.0], [2.0, 1.0], [0.1, 2.0]])
    order = Order(lams, 2, 0.1)
    assert order.grid.lams[:3].tolist() == [[2.0, 3.0], [0.1, 2.0], [0.1, 1.0]]
    np.testing.assert_array_equal(order.given(order.grid.lams), lams)


def test_memory_is_bounded(monkeypatch):
    """Where the moments of all folds do not fit into the block, each fold reads its rows again: the same answers."""
    X, Y = data(25, 5, 1)
    usual = jaxreg.sweep(X, Y[:, 0], LAMS, folds=4)
    monkeypatch.setattr(members, "BLOCK_BYTES", 0)
    np.testing.assert_allclose(jaxreg.sweep(X, Y[:, 0], LAMS, folds=4).fold_mse, usual.fold_mse, rtol=1e-10)
    assert rows.BLOCK_BYTES == 2**30


@pytest.mark.parametrize("weighted", [False, True])
def test_absolute_errors_and_explained_variance(weighted):
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    X, Y = data(25, 5)
    s = np.arange(25) % 4 / 2.0 if weighted else None
    labels = np.arange(25) % 3
    found = jaxreg.sweep(X, Y, LAMS, folds=labels, sample_weight=s, measure="mae")
    for k in range(3):
        here = labels == k
        weight = None if s is None else s[here]
        training = None if s is None else s[~here]
        predicted = jaxreg.path(X[~here], Y[~here], LAMS, sample_weight=training).predict(X[here])
        for measure, errors in (
            (mean_squared_error, found.fold_mse),
            (mean_absolute_error, found.fold_mae),
            (r2_score, found.fold_r2),
        ):
            for l in range(len(LAMS)):
                expected = measure(Y[here], predicted[:, l], sample_weight=weight, multioutput="raw_values")
                np.testing.assert_allclose(errors[0, l, k], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("measure", ["mae", "r2"])
def test_the_choice_by_another_measure(measure):
    X, Y = data(25, 5, 1)
    found = jaxreg.sweep(X, Y[:, 0], LAMS, folds=np.arange(25) % 3, measure=measure)
    errors = found.fold_mae if measure == "mae" else 1 - found.fold_r2
    share = np.bincount(np.arange(25) % 3) / 25
    mean = errors[0] @ share
    assert found.best.index[1] == np.argmin(mean)
    se = np.sqrt((errors[0] - mean[:, None]) ** 2 @ share / 2)
    within = mean <= mean.min() + se[np.argmin(mean)]
    assert found.one_se.lam == LAMS[within].max()
    assert found.best.mean_mse == found.mean_mse[0, found.best.index[1]]
    with pytest.raises(ValueError, match="measure is 'rmse'"):
        jaxreg.sweep(X, Y[:, 0], LAMS, measure="rmse")


def test_another_number_of_folds_does_not_compile():
    """The folds of a lasso of few columns are one program, the path of all rows among them; so are those of 3 or 5."""
    X, Y = data(60, 5, 1)
    jaxreg.sweep(X, Y[:, 0], LAMS, folds=4)
    before = moments._programs._cache_size()
    found = jaxreg.sweep(X, Y[:, 0], LAMS, folds=5, seed=1)
    jaxreg.sweep(X[:50], Y[:50, 0], LAMS, folds=3)
    assert moments._programs._cache_size() == before
    np.testing.assert_allclose(found.path.coef, jaxreg.path(X, Y[:, 0], LAMS).coef, rtol=1e-9, atol=1e-12)


def test_folds_in_one_program_or_one_by_one(monkeypatch):
    X, Y = data(60, 5)
    usual = jaxreg.sweep(X, Y, LAMS, folds=4)
    monkeypatch.setattr(moments, "FEW", 0)
    other = jaxreg.sweep(X, Y, LAMS, folds=4)
    np.testing.assert_allclose(other.fold_mse, usual.fold_mse, rtol=1e-12)
    np.testing.assert_array_equal(other.best.index, usual.best.index)


@pytest.mark.slow
@pytest.mark.parametrize("n", [50, 100, 200, 500])
def test_wide_tables_near_saturation_are_certified(n):
    """p = 20 n, down to 1e-3 λ_max, where as many columns are active as there are rows."""
    rng = np.random.default_rng(n)
    X = rng.standard_normal((n, 20 * n))
    for j in range(1, 20 * n):
        X[:, j] = 0.6 * X[:, j - 1] + 0.8 * X[:, j]
    y = X[:, :20] @ rng.standard_normal(20)
    y += rng.standard_normal(n) * y.std() / 3
    found = jaxreg.path(X, y, 30, eps=1e-3)
    assert found.converged.all()
    assert found.n_nonzero[-1] > 0.9 * n
    alone = jaxreg.fit(X, y, found.lams[-1])
    assert alone.converged
    np.testing.assert_allclose(alone.predict(X), found.predict(X)[:, -1], rtol=0, atol=1e-6 * np.abs(y).max())
    assert jaxreg.sweep(X, y, found.lams, folds=3).converged
