"""The formulas of the five source documents, each in its document's own scaling and letters.

The first letter of a name is the row of ``jaxreg.checks.verdicts.verdict_table``:

======  ========  ========================  ===========================================================
letter  document  modules                   objective of the document
======  ========  ========================  ===========================================================
a       000       ``a_ridge``, ``a_lasso``  `1/(2m) Σ r² + λ Σ θ_j²` or `λ Σ abs(θ_j)`, by descent
b       001       ``b_ridge``               `‖y − Xβ‖² + λ‖β‖²`
c       002       ``c_ridge``               `(1/n) Σ (y − ŷ)² + λ Σ w²`, by descent
d       003       ``d_closed_form``         `(1/n) Σ (y − ŷ)² + λ Σ w²`, one feature and in closed form
e       004       ``e_normal_equations``    `1/(2m) [Σ r² + λ Σ θ_j²]`, weight decay and closed form
======  ========  ========================  ===========================================================

Where the print is wrong there are both: ``..._printed`` is what stands in the document, ``..._corrected`` is what
belongs to the printed loss, and ``..._implied_loss`` is the loss to which the printed formula really belongs.
``jaxreg.checks.verdicts`` measures which is which.

All are pure functions of JAX arrays: they work under ``jit``, ``vmap`` and ``grad``, and the precision is that of the
inputs.
"""

from jaxreg.formulas.sources import a_lasso, a_ridge, b_ridge, c_ridge, d_closed_form, e_normal_equations
from jaxreg.formulas.sources.a_lasso import *  # noqa: F403
from jaxreg.formulas.sources.a_ridge import *  # noqa: F403
from jaxreg.formulas.sources.b_ridge import *  # noqa: F403
from jaxreg.formulas.sources.c_ridge import *  # noqa: F403
from jaxreg.formulas.sources.d_closed_form import *  # noqa: F403
from jaxreg.formulas.sources.e_normal_equations import *  # noqa: F403

# In the order in which one would learn: document by document, loss before gradient before update.
__all__ = [
    *a_ridge.__all__,
    *a_lasso.__all__,
    *b_ridge.__all__,
    *c_ridge.__all__,
    *d_closed_form.__all__,
    *e_normal_equations.__all__,
]
