"""The cross-validation curves of R's cv.glmnet, with its folds and its λs.

Only cases that fit every fold at the λs given are kept (``/exact`` and ``/fixedgrid``); by default cv.glmnet
interpolates between the fits on each fold's own grid and is off by up to 17 %.
"""

import json
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxreg
from jaxreg.sweeps import choose, fold_errors, mean_and_standard_error

REFERENCE = Path(__file__).parents[1] / "reference"
RTOL = 1e-8  # cvm and cvsd were re-derived elsewhere to 5e-11 and 5e-10; coefficients as in test_glmnet.py


@pytest.fixture(autouse=True)
def _without_x64():
    """The host functions scope 64-bit mode themselves."""
    with jax.enable_x64(False):
        yield


def load(name):
    curves = json.loads((REFERENCE / f"glmnet_{name}.json").read_text())["cv"]
    if name == "diabetes":
        data = jaxreg.datasets.diabetes()
        return data.X, data.y, curves
    table = np.loadtxt(REFERENCE / "prostate.csv", delimiter=",", skiprows=1)
    return table[:, :-1], table[:, -1], curves


DATA = {name: load(name) for name in ("prostate", "diabetes")}
QUICK = (
    "prostate/cv/a1/std1/exact",
    "prostate/cv/a1/weights/exact",
    "prostate/cv/a1/mae/exact",
    "prostate/cv/a0/std1/exact",
    "prostate/cv/a0.5/std1/exact",
    "prostate/cv/a0/std0/exact",
)


def curves(condition):
    """The curves of both data sets for which ``condition`` holds, all but a few marked as slow."""
    chosen = [(name, curve) for name, (_, _, curves) in DATA.items() for curve in curves if condition(curve)]
    return [
        pytest.param(name, curve, id=curve["id"], marks=[] if curve["id"] in QUICK else pytest.mark.slow)
        for name, curve in chosen
    ]


def direct(curve):
    """Whether it is a sweep's: where both standardise, glmnet's SDY of the training part is τ."""
    return curve["type_measure"] == "mse" and (curve["alpha"] == 1 or curve["standardize"])


@pytest.mark.parametrize(("name", "curve"), curves(direct))
def test_curve(name, curve):
    X, y, _ = DATA[name]
    sweep = jaxreg.sweep(
        X,
        y,
        curve["lambda"],
        curve["alpha"],
        folds=curve["foldid"],
        standardize=curve["standardize"],
        sample_weight=curve["weights"],
    )
    assert sweep.converged
    assert sweep.largest_gap <= 1e-10
    np.testing.assert_allclose(sweep.mean_mse[0], curve["cvm"], rtol=RTOL)
    np.testing.assert_allclose(sweep.se_mse[0], curve["cvsd"], rtol=RTOL)
    # At its own λ_max, the first λ, glmnet may keep a coefficient that is nothing but rounding.
    np.testing.assert_array_equal(sweep.path.n_nonzero[1:], curve["nzero"][1:])
    for choice, lam, coef in (
        (sweep.best, curve["lambda_min"], curve["coef_min"]),
        (sweep.one_se, curve["lambda_1se"], curve["coef_1se"]),
    ):
        assert choice.index[1] == curve["lambda"].index(lam)
        assert choice.lam == lam
        found = np.append(choice.params.intercept, choice.params.coef)
        np.testing.assert_allclose(found, coef, rtol=0, atol=RTOL * np.abs(coef).max())


@pytest.mark.parametrize(("name", "curve"), curves(lambda c: c["type_measure"] == "mse" and not direct(c)))
def test_elastic_net_and_ridge_curve_without_standardisation(name, curve):
    """Below alpha = 1, glmnet divides the square by SDY, the deviation of y in the *training part of the fold*, also
    where it does not standardise; jaxreg's τ is then 1, so these curves cannot be had from `jaxreg.sweep`. They are
    put together here from `fold_errors`, each fold with its own (lam, l1_ratio), and the
    mean, the standard error and both choices are jaxreg's again.

    The curves: diabetes and prostate, a0.5 and a0, std0, ``/exact``.
    """
    X, y, _ = DATA[name]
    label, lams, alpha = np.array(curve["foldid"]), np.array(curve["lambda"]), curve["alpha"]
    assert curve["weights"] is None
    held_out = label[None, :] == np.unique(label)[:, None]
    mse, gap = [], []
    with jax.enable_x64(True):
        # A Python 0 takes ridge's closed form; any other ratio is traced.
        static = {"l1_ratio": 0.0} if alpha == 0 else {}
        errors = jax.jit(partial(fold_errors, standardize=curve["standardize"], **static))
        for mask in held_out:
            sdy = np.std(y[~mask])
            l1, l2 = alpha, (1 - alpha) / sdy
            ratio = {} if alpha == 0 else {"l1_ratio": l1 / (l1 + l2)}
            fold = errors(X, y, mask, lams * (l1 + l2), **ratio)
            mse.append(np.asarray(fold[0]))
            gap.append(np.asarray(fold[1]))
        fold_mse = np.stack(mse, axis=1)[None]
        mean, se = mean_and_standard_error(fold_mse, held_out.sum(axis=1).astype(float))
        best, one_se = (int(index[1]) for index in choose(mean, se, lams[None]))
    assert np.max(gap) <= 1e-10
    np.testing.assert_allclose(mean[0], curve["cvm"], rtol=RTOL)
    np.testing.assert_allclose(se[0], curve["cvsd"], rtol=RTOL)
    assert lams[best] == curve["lambda_min"]
    assert lams[one_se] == curve["lambda_1se"]


@pytest.mark.parametrize(("name", "curve"), curves(lambda c: c["type_measure"] == "mae"))
def test_mean_absolute_error_curve(name, curve):
    """cv.glmnet with type.measure = "mae": jaxreg's paths on the training parts, measured by the test itself."""
    X, y, _ = DATA[name]
    label = np.array(curve["foldid"])
    error, size = [], []
    for k in np.unique(label):
        test = label == k
        path = jaxreg.path(X, y, curve["lambda"], sample_weight=np.where(test, 0.0, 1.0))
        error.append(np.abs(y[test, None] - path.predict(X[test])).mean(axis=0))
        size.append(test.sum())
    mean = np.average(error, axis=0, weights=size)
    se = np.sqrt(np.average((np.array(error) - mean) ** 2, axis=0, weights=size) / (len(size) - 1))
    np.testing.assert_allclose(mean, curve["cvm"], rtol=RTOL)
    np.testing.assert_allclose(se, curve["cvsd"], rtol=RTOL)
    assert curve["lambda"][int(np.argmin(mean))] == curve["lambda_min"]


def test_every_curve_is_compared():
    """None is left out by the conditions above."""
    ids = [curve["id"] for _, _, stored in DATA.values() for curve in stored]
    assert len(ids) == len(set(ids)) == 18
    assert all(curve_id.endswith(("/exact", "/fixedgrid")) for curve_id in ids)
    measures = [(c["alpha"] == 1, c["type_measure"]) for _, _, stored in DATA.values() for c in stored]
    assert set(measures) == {(True, "mse"), (True, "mae"), (False, "mse")}
    assert measures.count((True, "mae")) == 2
