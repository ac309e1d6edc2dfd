"""scikit-learn's own checks of an estimator: nothing fails that does not fail for its own class."""

import pytest
from sklearn import linear_model
from sklearn.utils.estimator_checks import check_estimator

import jaxreg

SINGLE = ["Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet", "ElasticNetCV"]
TOGETHER = ["MultiTaskLasso", "MultiTaskLassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV"]
NAMES = [*SINGLE, *TOGETHER]
# Compiling for some hundred small tables takes a while.
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.slow]


def failures(model):
    found = check_estimator(model, on_fail=None, on_skip=None)
    assert len(found) > 40
    return {check["check_name"]: repr(check["exception"]) for check in found if check["status"] == "failed"}


@pytest.mark.parametrize("name", NAMES)
def test_nothing_fails_that_does_not_fail_for_scikit_learn(name):
    own, reference = failures(getattr(jaxreg, name)()), failures(getattr(linear_model, name)())
    assert {check: error for check, error in own.items() if check not in reference} == {}
