"""Ridge, lasso and elastic net as scikit-learn estimators: change one import line, keep the pipeline.

The classes have scikit-learn's parameters, defaults and attributes; with these alone they behave as scikit-learn's, and
every answer is certified. They translate arguments and results and own no mathematics:

==========================  ==================================================================================
scikit-learn                here
==========================  ==================================================================================
``Lasso``, ``ElasticNet``   ``alpha`` is λ, for several targets together too
``Ridge``, ``RidgeCV``      ``alpha`` is `λ Σs` (`λ n` where `s = 1`)
``tol``                     relative duality gap above which a ConvergenceWarning is given; the solvers aim at
                            1e-10 (float32: 1e-5), or at ``tol`` where it is less
``dual_gap_``               the relative gap times `Σ s ỹ²/Σs`: `F − D` in the units of the objective
==========================  ==================================================================================

Beyond scikit-learn: ``penalty_factor``, ``standardize``, ``lower``, ``upper``, ``dtype`` and ``device`` as in
:func:`jaxreg.fit`; ``one_se`` and ``alpha_per_target`` in those that cross-validate. With ``standardize=True`` λ is in
units of y (:mod:`jaxreg.formulas.objective`).

``MultiTaskLasso`` and ``MultiTaskElasticNet`` penalise several targets together, and have scikit-learn's parameters
alone. ``TunedLasso`` and ``TunedRidge`` have no model there: they take λ by the gradient of an error.

Reading order: ``problems`` → ``base`` → ``tasks`` → ``path`` → ``elastic_net`` → ``ridge`` → ``elastic_net_cv`` →
``lasso_cv`` → ``ridge_cv`` → ``multi_task`` → ``multi_task_cv`` → ``tuned``.
"""

try:
    import sklearn  # noqa: F401
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "the estimators need scikit-learn: pip install 'jaxreg[estimators]'", name="sklearn"
    ) from None

from jaxreg.estimators.elastic_net import ElasticNet, Lasso
from jaxreg.estimators.elastic_net_cv import ElasticNetCV
from jaxreg.estimators.lasso_cv import LassoCV
from jaxreg.estimators.multi_task import MultiTaskElasticNet, MultiTaskLasso
from jaxreg.estimators.multi_task_cv import MultiTaskElasticNetCV, MultiTaskLassoCV
from jaxreg.estimators.ridge import Ridge
from jaxreg.estimators.ridge_cv import RidgeCV
from jaxreg.estimators.tuned import TunedLasso, TunedRidge

__all__ = [
    "ElasticNet",
    "ElasticNetCV",
    "Lasso",
    "LassoCV",
    "MultiTaskElasticNet",
    "MultiTaskElasticNetCV",
    "MultiTaskLasso",
    "MultiTaskLassoCV",
    "Ridge",
    "RidgeCV",
    "TunedLasso",
    "TunedRidge",
]
