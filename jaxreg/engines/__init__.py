"""How a problem is solved on this machine: host code that chooses, feeds the device, and owns no mathematics.

=========  ==============================================  ====================================================
engine     taken where                                     by
=========  ==============================================  ====================================================
some       a sparse table; or few large λs of a dense one  ``newton_entries`` and moments of the columns that
columns                                                    are active: a working set that grows
moments    p is not much more than n, `λ > 0`, `ρ > 0`,    ``solvers.from_moments``: from knot to knot
           no free columns, bounds 0 or infinite           (`ρ = 1`), by blocks of λs (`ρ < 1`); where these
                                                           end early, by Newton steps on the active set, one λ
                                                           after the other
columns    `p ≫ n`, the rest as for moments                ``solvers.from_columns``: the same inside a growing
                                                           set of columns
ridge      `ρ = 0`, several `λ > 0`, no free columns, no   ``solvers.factored_ridge``: one eigendecomposition
           bounds                                          for all λs and targets
rows       everything else, what moments could not         ``solvers.reduced``: closed forms, FISTA with a
           certify, and ``strategy="parallel"``            Newton finish for all λs at once
=========  ==============================================  ====================================================

Each but the last is asked in this order why it refuses (``refuses``), and the first that does not is taken
(``choose``). All answers get the same certificate there, and what is above the tolerance is solved again on the rows.

Targets that are penalised together have an engine of their own, ``multi_task``.

Reading order: ``choose`` → ``solved`` → ``order`` → ``descent`` → ``moments`` → ``columns`` → ``some_columns`` →
``newton_entries`` → ``rows`` → ``degrees`` → ``ridge`` → ``ridge_data`` → ``ridge_blocks`` → ``ridge_kernel`` →
``certificate`` → ``gaps`` → ``centred_table`` → ``row_gaps`` → ``held_out`` → ``multi_task``.
"""
