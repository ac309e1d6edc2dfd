"""How the objective is minimised, as pure functions of JAX arrays.

Reading order: ``reduction`` → ``spectrum`` → ``ridge`` → ``factored_ridge`` → ``left_out_sums`` → ``leave_one_out``
(closed forms); ``fista``, ``conjugate_gradients`` → ``support`` → ``grid``, ``admm`` → ``row_solvers`` → ``reduced``
(all λs at once); ``tableau`` → ``homotopy``, ``updated_inverse`` → ``active_round`` → ``active_set``, ``column_table``
→ ``shared_newton`` → ``lam_blocks``, ``moment_problem`` → ``from_moments`` (down the λs); ``lockstep`` →
``lockstep_tables``, ``weighted_moments`` → ``from_many_moments``, ``from_same_rows`` (many members, one knot of each at
a time); ``walks`` → ``working_set`` → ``from_columns`` (down the λs for `p ≫ n`); ``multi_task`` →
``multi_task_columns`` (targets that share their columns); ``support_system`` → ``implicit``, ``member_paths`` →
``members`` → ``paths`` (who solves what, derivatives, the public functions); ``kinks``, ``influence`` (where
derivatives end; what a row does).
"""

from jaxreg.solvers.kinks import KinkDistance, kink_distance
from jaxreg.solvers.leave_one_out import LeaveOneOut, ridge_leave_one_out
from jaxreg.solvers.paths import Path, Solution, fit, path
from jaxreg.solvers.ridge import ridge_cholesky, ridge_dual, ridge_grid

__all__ = [
    "KinkDistance",
    "LeaveOneOut",
    "Path",
    "Solution",
    "fit",
    "kink_distance",
    "path",
    "ridge_cholesky",
    "ridge_dual",
    "ridge_grid",
    "ridge_leave_one_out",
]
