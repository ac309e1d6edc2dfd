"""The formulas of the five source documents, each in its document's own scaling and letters.

The first letter of a name is the row of `jaxreg.checks.verdicts.verdict_table`:

| letter | document | modules              | objective of the document                                  |
|--------|----------|----------------------|------------------------------------------------------------|
| a      | 000      | `a_ridge`, `a_lasso` | 1/(2m) Σ r² + λ Σ θ_j² or λ Σ abs(θ_j), by descent         |
| b      | 001      | `b_ridge`            | ‖y − Xβ‖² + λ‖β‖²                                          |
| c      | 002      | `c_ridge`            | (1/n) Σ (y − ŷ)² + λ Σ w², by descent                      |
| d      | 003      | `d_closed_form`      | (1/n) Σ (y − ŷ)² + λ Σ w², one feature and in closed form  |
| e      | 004      | `e_normal_equations` | 1/(2m) [Σ r² + λ Σ θ_j²], weight decay and closed form     |

Where the print is wrong there are both: `..._printed` is what stands in the document, `..._corrected` is what belongs
to the printed loss, and `..._implied_loss` is the loss to which the printed formula really belongs.
`jaxreg.checks.verdicts` measures which is which.

All are pure functions of JAX arrays: they work under `jit`, `vmap` and `grad`, and the precision is that of the inputs.
"""

from jaxreg.formulas.sources.a_lasso import (
    a_lasso_gradient_corrected,
    a_lasso_gradient_printed,
    a_lasso_implied_loss,
    a_lasso_loss,
    a_lasso_update_corrected,
    a_lasso_update_printed,
)
from jaxreg.formulas.sources.a_ridge import (
    a_mse_gradient,
    a_mse_loss,
    a_mse_update,
    a_ridge_gradient_corrected,
    a_ridge_gradient_printed,
    a_ridge_implied_loss,
    a_ridge_loss,
    a_ridge_update_corrected,
    a_ridge_update_printed,
    a_without_intercept,
)
from jaxreg.formulas.sources.b_ridge import b_ridge_gradient, b_ridge_loss, b_ridge_penalty
from jaxreg.formulas.sources.c_ridge import c_mse_gradient, c_ridge_gradient, c_ridge_loss, c_ridge_update
from jaxreg.formulas.sources.d_closed_form import (
    d_ridge_1d_gradient,
    d_ridge_1d_loss,
    d_ridge_closed_form_corrected,
    d_ridge_closed_form_printed,
    d_ridge_implied_loss,
    d_ridge_loss,
)
from jaxreg.formulas.sources.e_normal_equations import (
    e_decay_factor,
    e_decay_update,
    e_ols_closed_form,
    e_penalty_matrix,
    e_ridge_closed_form,
    e_ridge_gradient,
    e_ridge_implied_loss,
    e_ridge_matrix,
    e_ridge_update,
)

# In the order in which one would learn: document by document, loss before gradient before update.
__all__ = [  # noqa: RUF022
    "a_mse_loss",
    "a_mse_gradient",
    "a_mse_update",
    "a_without_intercept",
    "a_ridge_loss",
    "a_ridge_gradient_printed",
    "a_ridge_update_printed",
    "a_ridge_gradient_corrected",
    "a_ridge_update_corrected",
    "a_ridge_implied_loss",
    "a_lasso_loss",
    "a_lasso_gradient_printed",
    "a_lasso_update_printed",
    "a_lasso_gradient_corrected",
    "a_lasso_update_corrected",
    "a_lasso_implied_loss",
    "b_ridge_penalty",
    "b_ridge_loss",
    "b_ridge_gradient",
    "c_ridge_loss",
    "c_mse_gradient",
    "c_ridge_gradient",
    "c_ridge_update",
    "d_ridge_1d_loss",
    "d_ridge_1d_gradient",
    "d_ridge_loss",
    "d_ridge_closed_form_printed",
    "d_ridge_closed_form_corrected",
    "d_ridge_implied_loss",
    "e_ridge_implied_loss",
    "e_ridge_gradient",
    "e_ridge_update",
    "e_decay_factor",
    "e_decay_update",
    "e_penalty_matrix",
    "e_ridge_matrix",
    "e_ridge_closed_form",
    "e_ols_closed_form",
]
