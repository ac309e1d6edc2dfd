"""scikit-learn's own checks of the estimators that tune by gradient: nothing fails that does not fail for LassoCV and
RidgeCV."""

import pytest
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

import jaxreg

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def failures(model):
    found = check_estimator(model, on_fail=None, on_skip=None)
    assert len(found) > 40
    return {check["check_name"]: repr(check["exception"]) for check in found if check["status"] == "failed"}


@pytest.mark.parametrize(("name", "of"), [("TunedLasso", "LassoCV"), ("TunedRidge", "RidgeCV")])
def test_nothing_fails_that_does_not_fail_for_scikit_learn(name, of):
    own, reference = failures(getattr(jaxreg, name)(steps=5)), failures(getattr(linear_model, of)())
    assert {check: error for check, error in own.items() if check not in reference} == {}
