"""How a path is solved on this machine: host code that chooses, feeds the device, and owns no mathematics.

==========  ==========================================  ========================================================
engine      taken where                                 by
==========  ==========================================  ========================================================
moments     p is not much more than n, λ > 0, ρ > 0,    ``solvers.from_moments``: from knot to knot (ρ = 1), or by
            no free columns, bounds 0 or infinite       Newton steps on the active set, one λ after the other
columns     p ≫ n, the rest as for moments              ``solvers.from_columns``: Newton steps inside a growing set
                                                        of columns
ridge       ρ = 0, several λ > 0, no free columns, no   ``solvers.factored_ridge``: one eigendecomposition for
            bounds                                      all λs and targets
rows        everything else, what moments could not     ``solvers.reduced``: closed forms, FISTA with a Newton
            certify, and ``strategy="parallel"``        finish for all λs at once
==========  ==========================================  ========================================================

Every engine ends with the same certificate. Reading order: ``options`` → ``order`` → ``gaps`` → ``centred_table`` →
``row_gaps`` → ``certificate`` → ``rows`` → ``moments`` → ``wide`` → ``held_out`` → ``ridge_data`` → ``ridge_blocks`` →
``ridge`` → ``choose``.
"""
