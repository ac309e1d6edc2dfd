"""The mathematics: what is minimised, its derivatives, and how optimality is proved.

Reading order: ``objective`` → ``gradients`` → ``prox`` → ``scaling`` and ``projection`` → ``optimality`` →
``duality`` → ``multi_task`` → ``multi_task_duality`` (targets that share their columns) → ``moments`` → ``sources``
(the formulas of five teaching documents in their own scalings).
"""

from jaxreg.formulas.duality import duality_gap
from jaxreg.formulas.gradients import gradient, hessian, lipschitz
from jaxreg.formulas.moments import Moments, moments
from jaxreg.formulas.multi_task import (
    multi_task_gradient,
    multi_task_kkt_residual,
    multi_task_lam_max,
    multi_task_objective,
    prox_rows,
    row_norms,
)
from jaxreg.formulas.multi_task_duality import multi_task_gap
from jaxreg.formulas.objective import (
    Params,
    absolute,
    elastic_net_penalty,
    lasso_penalty,
    objective,
    predict,
    ridge_penalty,
    squared_error,
)
from jaxreg.formulas.optimality import kkt_residual, lam_max
from jaxreg.formulas.prox import prox_elastic_net, soft_threshold
from jaxreg.formulas.scaling import standard_deviation, weighted_mean

__all__ = [
    "Moments",
    "Params",
    "absolute",
    "duality_gap",
    "elastic_net_penalty",
    "gradient",
    "hessian",
    "kkt_residual",
    "lam_max",
    "lasso_penalty",
    "lipschitz",
    "moments",
    "multi_task_gap",
    "multi_task_gradient",
    "multi_task_kkt_residual",
    "multi_task_lam_max",
    "multi_task_objective",
    "objective",
    "predict",
    "prox_elastic_net",
    "prox_rows",
    "ridge_penalty",
    "row_norms",
    "soft_threshold",
    "squared_error",
    "standard_deviation",
    "weighted_mean",
]
