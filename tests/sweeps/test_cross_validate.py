"""Cross-validation: folds, errors, choices, and the host function beside its pure twin.

Nearly everything has 24 rows, 4 columns, 6 λs and 4 folds, so that few programs are compiled.
"""

import dataclasses
from functools import partial

import jax
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import jaxreg
from jaxreg import ConvergenceWarning
from jaxreg.engines import rows
from jaxreg.formulas import Params
from jaxreg.sweeps import choose, cross_validate, fold_errors, mean_and_standard_error
from jaxreg.sweeps.cross_validate import held_out_error
from jaxreg.sweeps.folds import fold_labels

N, P, L, K = 24, 4, 6, 4
RNG = np.random.default_rng(31)
X = RNG.normal(size=(N, P)) @ (np.eye(P) + 0.2) * [1, 0.1, 8, 2] + [0, 3, -1, 5]
Y = X @ [1.0, 0, 0.2, -0.3] + RNG.normal(size=N)
LAMS = np.array([2.0, 0.7, 0.3, 0.1, 0.03, 0.001])
LABELS = fold_labels(N, K, seed=0)
HELD_OUT = LABELS[None, :] == np.arange(K)[:, None]
WEIGHTS = RNG.uniform(0.2, 3, N)


# Half the time to compile; what the host function compiles is compiled as usual.
QUICKLY = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


@pytest.fixture(autouse=True)
def _without_x64():
    """The host functions scope 64-bit mode themselves."""
    with jax.enable_x64(False):
        yield


@pytest.fixture(scope="module")
def usual():
    return jaxreg.sweep(X, Y, LAMS, folds=K)


def agree(found, expected, tolerance=1e-11, but=("fold_gap",)):
    """All fields, choices and paths of two sweeps agree; both have converged."""
    assert found.converged
    assert expected.converged
    for name in (field.name for field in dataclasses.fields(expected)):
        a, b = getattr(found, name), getattr(expected, name)
        if name in but or b is None:
            continue
        if isinstance(b, str):
            assert a == b, name
            continue
        if dataclasses.is_dataclass(b):
            pairs = [(getattr(a, f.name), getattr(b, f.name)) for f in dataclasses.fields(b)
                     if f.name not in ("gap", "n_iter", "feature_names")]  # fmt: skip
        else:
            pairs = [(a, b)]
        for u, v in pairs:
            for x, z in zip(jax.tree.leaves(u), jax.tree.leaves(v), strict=True):
                assert np.shape(x) == np.shape(z), name
                np.testing.assert_allclose(x, z, rtol=0, atol=tolerance * max(1, np.abs(z).max()), err_msg=name)


# ── what is measured ──


@pytest.mark.parametrize("measure", ["mse", "mae", "r2"])
def test_mean_and_standard_error_of_every_measure(usual, measure):
    """By the textbook, from the folds: Σ W m / Σ W, and its standard error over K folds."""
    found = jaxreg.sweep(X, Y, LAMS, folds=K, measure=measure)
    assert found.measure == measure
    size = HELD_OUT.sum(axis=1) / N
    assert (found.fold_mae is None) == (found.mean_mae is None) == (found.se_mae is None) == (measure != "mae")
    for name in ("mse", measure, "r2"):
        values = getattr(found, f"fold_{name}")
        mean = values @ size
        se = np.sqrt((values - mean[..., None]) ** 2 @ size / (K - 1))
        np.testing.assert_allclose(getattr(found, f"mean_{name}"), mean, rtol=1e-11)
        np.testing.assert_allclose(getattr(found, f"se_{name}"), se, rtol=1e-9)
        if name != "mae":
            np.testing.assert_allclose(getattr(found, f"mean_{name}"), getattr(usual, f"mean_{name}"), rtol=1e-11)
    curve = (-1 if measure == "r2" else 1) * getattr(found, f"mean_{measure}")[0]
    assert found.best.index[1] == curve.argmin()


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["", "weights"])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
def test_standardised_inside_each_fold(l1_ratio, weights):
    """scikit-learn, fold by fold: scaler and intercept of the training part, weighted error of the held-out part."""
    found = jaxreg.sweep(X, Y, LAMS, l1_ratio, folds=K, sample_weight=weights)
    s = np.ones(N) if weights is None else weights
    expected = np.empty((L, K))
    for k, test in enumerate(HELD_OUT):
        train = ~test
        mean = np.average(Y[train], weights=s[train])
        tau = np.sqrt(np.average((Y[train] - mean) ** 2, weights=s[train]))
        for i, lam in enumerate(LAMS):
            if l1_ratio == 0:
                model = Ridge(lam / tau * s[train].sum(), solver="cholesky")
            else:
                total = l1_ratio + (1 - l1_ratio) / tau
                model = ElasticNet(lam * total, l1_ratio=l1_ratio / total, tol=1e-15, max_iter=1_000_000)
            name = type(model).__name__.lower()
            fit_options = {"standardscaler__sample_weight": s[train], f"{name}__sample_weight": s[train]}
            pipe = make_pipeline(StandardScaler(), model).fit(X[train], Y[train], **fit_options)
            expected[i, k] = np.average((Y[test] - pipe.predict(X[test])) ** 2, weights=s[test])
    np.testing.assert_allclose(found.fold_mse[0], expected, rtol=1e-8)

    share = [s[test].sum() / s.sum() for test in HELD_OUT]
    mean = expected @ share
    se = np.sqrt((expected - mean[:, None]) ** 2 @ share / (K - 1))
    np.testing.assert_allclose(found.mean_mse[0], mean, rtol=1e-8)
    np.testing.assert_allclose(found.se_mse[0], se, rtol=1e-7)
    assert found.best.index[1] == np.argmin(mean)
    within = mean <= mean.min() + se[np.argmin(mean)]
    assert found.one_se.lam == LAMS[within].max()
    assert found.one_se.index[1] == np.argmax(np.where(within, LAMS, -1))


def test_choices_are_the_models_of_the_path_on_all_rows(usual):
    path = jaxreg.path(X, Y, LAMS)
    for name in ("lams", "coef", "intercept", "df", "n_nonzero", "scale"):
        np.testing.assert_allclose(getattr(usual.path, name), getattr(path, name), rtol=1e-10, atol=1e-13)
    for choice in (usual.best, usual.one_se):
        r, k = choice.index
        assert r == 0
        assert choice.lam == LAMS[k]
        assert choice.l1_ratio == 1.0
        assert choice.mean_mse == usual.mean_mse[r, k]
        assert choice.se_mse == usual.se_mse[r, k]
        assert choice.n_nonzero == path.n_nonzero[k]
        np.testing.assert_array_equal(choice.params.coef, usual.path.coef[k])
        np.testing.assert_array_equal(choice.predict(X), X @ choice.params.coef + choice.params.intercept)
    np.testing.assert_array_equal(usual.predict(X), usual.best.predict(X))
    assert usual.params is usual.best.params
    assert 0 < usual.best.index[1] < L - 1, "the data should have their minimum inside the grid"
    assert usual.one_se.lam > usual.best.lam
    assert usual.largest_gap <= 1e-10
    assert usual.largest_gap == max(usual.fold_gap.max(), usual.path.gap.max())


def test_shapes(usual):
    assert usual.lams.shape == usual.mean_mse.shape == usual.se_mse.shape == (1, L)
    assert usual.l1_ratios.tolist() == [1.0]
    assert usual.fold_mse.shape == usual.fold_gap.shape == (1, L, K)
    assert all(isinstance(value, float) for value in (usual.best.lam, usual.best.mean_mse, usual.best.se_mse))
    assert usual.best.params.coef.shape == (P,)
    assert np.shape(usual.best.params.intercept) == ()


def test_50_a_column_that_is_constant_in_one_training_part():
    """Its coefficient is 0 there, and the errors are finite; as without the column in that fold."""
    odd = X.copy()
    odd[:, 1] = np.where(LABELS == 2, odd[:, 1], 3.0)  # only the rows held out in fold 2 differ
    found = jaxreg.sweep(odd, Y, LAMS, folds=K)
    assert found.converged
    assert np.isfinite(found.fold_mse).all()
    train = LABELS != 2
    without = jaxreg.path(np.where(np.arange(P) == 1, 0.0, X), Y, LAMS, sample_weight=train.astype(float))
    error = ((Y[~train, None] - without.predict(np.where(np.arange(P) == 1, 0.0, X))[~train]) ** 2).mean(axis=0)
    np.testing.assert_allclose(found.fold_mse[0, :, 2], error, rtol=1e-10)


@pytest.mark.slow
def test_50_more_columns_than_training_rows():
    rng = np.random.default_rng(1)
    wide, y = rng.normal(size=(9, 7)), rng.normal(size=9)
    found = jaxreg.sweep(wide, y, [0.5, 0.1], folds=3)  # 6 rows to train on, 9 in all
    assert found.converged
    train = fold_labels(9, 3) != 0
    model = make_pipeline(StandardScaler(), ElasticNet(0.1, l1_ratio=1, tol=1e-14, max_iter=10**6))
    model.fit(wide[train], y[train])
    error = np.mean((y[~train] - model.predict(wide[~train])) ** 2)
    np.testing.assert_allclose(found.fold_mse[0, 1, 0], error, rtol=1e-6)


# ── every way to say the folds, and every order ──


def test_labels_masks_and_splitters_are_the_same_folds(usual):
    splitter = KFold(K, shuffle=True, random_state=3)
    by_splitter = jaxreg.sweep(X, Y, LAMS, folds=splitter)
    masks = np.stack([np.isin(np.arange(N), test) for _, test in splitter.split(X)])
    agree(jaxreg.sweep(X, Y, LAMS, folds=masks), by_splitter, 0, but=())
    assert not np.allclose(by_splitter.fold_mse, usual.fold_mse)
    for folds in (LABELS, HELD_OUT, np.array(list("wxyz"))[LABELS]):
        agree(jaxreg.sweep(X, Y, LAMS, folds=folds), usual, 0, but=())
    assert not np.allclose(jaxreg.sweep(X, Y, LAMS, folds=K, seed=1).fold_mse, usual.fold_mse)


def test_the_order_of_the_grid_does_not_matter(usual):
    """Answers come in the user's order, the choices are the same models."""
    order = np.array([3, 0, 5, 1, 4, 2])
    found = jaxreg.sweep(X, Y, LAMS[order], folds=K)
    np.testing.assert_array_equal(found.lams[0], LAMS[order])
    np.testing.assert_allclose(found.fold_mse, usual.fold_mse[:, order], rtol=1e-12)
    np.testing.assert_allclose(found.path.coef, usual.path.coef[order], rtol=0, atol=1e-13)
    for name in ("best", "one_se"):
        assert getattr(found, name).lam == getattr(usual, name).lam
        assert order[getattr(found, name).index[1]] == getattr(usual, name).index[1]


def test_46_ties_go_to_the_larger_penalty():
    """A constant y: every λ has the same error, whatever the order of the grid."""
    for lams in (LAMS, LAMS[::-1], LAMS[[3, 0, 5, 1, 4, 2]]):
        found = jaxreg.sweep(X, np.full(N, 3.0), lams, folds=K)
        assert found.best.lam == found.one_se.lam == LAMS.max()
        assert found.best.index[1] == np.argmax(lams)
        np.testing.assert_array_equal(found.mean_mse[0], found.mean_mse[0, 0])


def test_progress_is_told_after_every_fold():
    told = []
    jaxreg.sweep(X, Y, LAMS, folds=K, progress=lambda done, total: told.append((done, total)))
    assert told == [(k, K + 1) for k in range(1, K + 2)]


def test_any_block_size_gives_the_same_answers(monkeypatch, usual):
    """Blocks of 4 λs, in the folds as on all rows: the second one is filled up from 2 to 4."""
    monkeypatch.setattr(rows, "BLOCK_BYTES", 4 * (25 * P + 8 * N) * 8)
    found = jaxreg.sweep(X, Y, LAMS, folds=K, strategy="parallel")
    assert found.fold_gap.shape == (1, L, K)
    agree(found, usual, 1e-9)


# ── several l1_ratios, several targets ──


def test_several_l1_ratios_are_a_loop_over_them(usual):
    ratios = [0.5, 0.0, 1.0]
    found = jaxreg.sweep(X, Y, LAMS, ratios, folds=K)
    alone = [jaxreg.sweep(X, Y, LAMS, rho, folds=K) for rho in ratios]
    assert found.l1_ratios.tolist() == ratios
    for r, one in enumerate(alone):
        np.testing.assert_allclose(found.fold_mse[r], one.fold_mse[0], rtol=1e-12)
        np.testing.assert_allclose(found.se_mse[r], one.se_mse[0], rtol=1e-12)
    r = int(np.argmin([one.best.mean_mse for one in alone]))
    assert found.best.index[0] == found.one_se.index[0] == r
    assert found.best.l1_ratio == found.one_se.l1_ratio == ratios[r]
    assert found.best.lam == alone[r].best.lam
    assert found.one_se.lam == alone[r].one_se.lam
    np.testing.assert_allclose(found.path.coef, alone[r].path.coef, rtol=0, atol=1e-13)


def test_every_l1_ratio_has_its_own_automatic_grid():
    found = jaxreg.sweep(X, Y, L, [1.0, 0.5, 0.0], folds=K)
    start = jaxreg.path(X, Y, L).lams[0]
    np.testing.assert_allclose(found.lams[:, 0], [start, 2 * start, 1000 * start], rtol=1e-12)
    np.testing.assert_allclose(found.lams / found.lams[:, :1], np.tile(np.geomspace(1, 1e-4, L), (3, 1)), rtol=1e-10)


def test_several_targets_are_a_loop_over_them(usual):
    targets = np.stack([Y, X[:, 1] * 4 - Y], axis=1)
    found = jaxreg.sweep(X, targets, LAMS, [1.0, 0.5], folds=K)
    assert found.fold_mse.shape == (2, L, K, 2)
    assert found.path.coef.shape == (L, P, 2)
    assert found.path.lams.shape == (L, 2)
    assert found.best.index.shape == (2, 2)
    assert found.best.params.coef.shape == (P, 2)
    assert found.predict(X).shape == (N, 2)
    for t in range(2):
        alone = jaxreg.sweep(X, targets[:, t], LAMS, [1.0, 0.5], folds=K)
        np.testing.assert_allclose(found.fold_mse[..., t], alone.fold_mse, rtol=1e-11)
        np.testing.assert_allclose(found.path.coef[..., t], alone.path.coef, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(found.path.lams[:, t], alone.path.lams)
        for name in ("best", "one_se"):
            one, other = getattr(found, name), getattr(alone, name)
            assert (one.lam[t], one.l1_ratio[t], one.n_nonzero[t]) == (other.lam, other.l1_ratio, other.n_nonzero)
            np.testing.assert_array_equal(one.index[t], other.index)
            np.testing.assert_allclose(one.params.coef[:, t], other.params.coef, rtol=0, atol=1e-12)
            np.testing.assert_allclose(one.params.intercept[t], other.params.intercept, rtol=1e-11)


# ── the pure twin ──


def test_the_pure_twin_under_jit_agrees(usual):
    """cross_validate compiled as one program: lasso and ridge, a given grid."""
    with jax.enable_x64(True):
        pure = jax.jit(partial(cross_validate, l1_ratios=(1.0, 0.0)), compiler_options=QUICKLY)(X, Y, HELD_OUT, LAMS)
        pure = jax.tree.map(np.asarray, pure)
    found = jaxreg.sweep(X, Y, LAMS, [1.0, 0.0], folds=K)
    for name in ("lams", "l1_ratios", "fold_mse", "mean_mse", "se_mse"):
        np.testing.assert_allclose(getattr(pure, name), getattr(found, name), rtol=1e-10, err_msg=name)
    assert pure.fold_gap.max() <= 1e-10
    for name in ("best", "one_se"):
        one, other = getattr(pure, name), getattr(found, name)
        for field in ("lam", "l1_ratio", "index", "mean_mse", "se_mse", "n_nonzero"):
            np.testing.assert_allclose(getattr(one, field), getattr(other, field), rtol=1e-10)
        np.testing.assert_allclose(one.params.coef, other.params.coef, rtol=0, atol=1e-12)
    np.testing.assert_allclose(pure.path.coef, found.path.coef, rtol=0, atol=1e-12)


@pytest.mark.slow
def test_the_pure_twin_under_vmap_is_a_loop():
    """Over y, with weights, an automatic grid, and options passed on."""
    ys = np.stack([Y, X[:, 1] * 4 - Y])
    options = {"lams": 4, "sample_weight": WEIGHTS, "standardize": False, "eps": 0.01}
    with jax.enable_x64(True):
        one = jax.jit(lambda y: cross_validate(X, y, HELD_OUT, **options))
        together = jax.jit(jax.vmap(one))(ys)
        for k, y in enumerate(ys):
            alone = one(y)
            for name in ("lams", "fold_mse", "se_mse"):
                np.testing.assert_allclose(getattr(together, name)[k], getattr(alone, name), rtol=1e-9)
            np.testing.assert_array_equal(together.best.index[k], alone.best.index)
    found = jaxreg.sweep(X, ys[1], folds=K, **options)
    assert found.extended  # the λs that were asked for come first
    np.testing.assert_allclose(found.fold_mse[:, :4], alone.fold_mse, rtol=1e-9)


def test_fold_errors_ignore_the_held_out_rows_in_training():
    """Whatever the held-out rows are, the training gap and the model are the same; the error is theirs."""
    held_out = HELD_OUT[1]
    with jax.enable_x64(True):
        errors = jax.jit(lambda X, y: fold_errors(X, y, held_out, LAMS, 0.0))
        mse, gap = errors(X, Y)
        shifted, gap_shifted = errors(X, Y + 2.0 * held_out)
        model = Ridge(LAMS[2] / Y[~held_out].std() * (~held_out).sum(), solver="cholesky")
        pipe = make_pipeline(StandardScaler(), model).fit(X[~held_out], Y[~held_out])
        residual = (Y - pipe.predict(X))[held_out]
        np.testing.assert_allclose(mse[2], np.mean(residual**2), rtol=1e-12)
        np.testing.assert_allclose(shifted[2], np.mean((residual + 2) ** 2), rtol=1e-12)
    assert np.max([gap, gap_shifted]) <= 1e-12


# ── the parts ──


def test_mean_and_standard_error_are_glmnets():
    """Σ W m / Σ W, and √( weighted mean of (m − mean)² / (K − 1) ), with and without targets."""
    with jax.enable_x64(True):
        m, w = RNG.random((2, 3, 5)), np.array([1.0, 2, 3, 1, 0.5])
        mean, se = mean_and_standard_error(m, w)
        np.testing.assert_allclose(mean, np.average(m, axis=2, weights=w), rtol=1e-14)
        variance = np.average((m - np.asarray(mean)[..., None]) ** 2, axis=2, weights=w) / 4
        np.testing.assert_allclose(se, np.sqrt(variance), rtol=1e-14)
        np.testing.assert_allclose(  # equal folds: the textbook's sd / √K
            mean_and_standard_error(m, np.ones(5))[1], m.std(axis=2, ddof=1) / np.sqrt(5), rtol=1e-14
        )
        several = mean_and_standard_error(np.stack([m, 2 * m], axis=-1), w)
        np.testing.assert_allclose(several[0], np.stack([mean, 2 * mean], axis=-1), rtol=1e-14)
        np.testing.assert_allclose(several[1], np.stack([se, 2 * se], axis=-1), rtol=1e-14)


@pytest.mark.parametrize(
    ("mean", "se", "lams", "best", "one_se"),
    [
        pytest.param([[3, 1, 2]], [[9, 0.5, 9]], [[3, 2, 1]], (0, 1), (0, 1), id="minimum"),
        pytest.param([[3, 1, 1.4]], [[9, 0.5, 9]], [[1, 2, 3]], (0, 1), (0, 2), id="one se, ascending"),
        pytest.param([[1.5, 1.4, 1]], [[9, 9, 0.5]], [[3, 2, 1]], (0, 2), (0, 0), id="exactly one se counts"),
        pytest.param([[1, 1, 2]], [[0, 0, 0]], [[3, 2, 1]], (0, 0), (0, 0), id="a tie goes to the larger"),
        pytest.param([[2, 1, 1]], [[0, 0, 0]], [[3, 1, 2]], (0, 2), (0, 2), id="a tie, unsorted"),
        pytest.param([[2, 1], [1, 3]], [[0, 0], [0, 0]], [[3, 2], [5, 4]], (1, 0), (1, 0), id="a tie between ratios"),
        pytest.param([[1.2, 1.1], [1, 3]], [[5, 5], [0.5, 5]], [[9, 8], [2, 1]], (1, 0), (1, 0), id="same ratio only"),
        pytest.param([[np.nan, 2, 3]], [[0, 0.5, 0]], [[3, 2, 1]], (0, 1), (0, 1), id="NaN is never chosen"),
        pytest.param([[1, 9, 1.1]], [[0.5, 9, 9]], [[1, 2, 3]], (0, 0), (0, 2), id="not only neighbours"),
    ],
)
def test_choose(mean, se, lams, best, one_se):
    with jax.enable_x64(True):
        found = choose(*(np.array(a, float) for a in (mean, se, lams)))
    assert (tuple(map(int, found[0])), tuple(map(int, found[1]))) == (best, one_se)


def test_held_out_error_is_the_weighted_mean_of_squares():
    with jax.enable_x64(True):
        params = Params(RNG.normal(size=(3, 2)), RNG.normal(size=(3, P, 2)))
        targets, weight = RNG.normal(size=(N, 2)), np.where(HELD_OUT[0], WEIGHTS, 0)
        found = jax.jit(held_out_error)(params, X, targets, weight)
    for l in range(3):
        residual = targets - X @ params.coef[l] - params.intercept[l]
        np.testing.assert_allclose(found[l], np.average(residual**2, axis=0, weights=weight), rtol=1e-12)


# ── not converged ──


@pytest.mark.slow
def test_42_folds_that_have_not_converged_say_so():
    x = np.linspace(0, 1, N)
    powers = np.vander(x, P + 1, increasing=True)[:, 1:]
    with pytest.warns(ConvergenceWarning) as caught:
        found = jaxreg.sweep(powers, np.sin(6 * x), [2.0, 5e-3, 2, 2, 2, 2], folds=K, max_iter=1, strategy="parallel")
    text = [str(warning.message) for warning in caught]
    assert text[0].startswith(f"sweep, in the folds: {K} of {L * K} fits")
    assert text[1].startswith(f"sweep, on all rows: 1 of {L} fits")
    assert text[2].startswith("sweep: the best λ, 0.005, is the smallest")
    assert all("at lam=0.005" in line for line in text[:2])
    assert all(warning.filename == __file__ for warning in caught)
    assert not found.converged
    assert found.largest_gap > 1e-10
