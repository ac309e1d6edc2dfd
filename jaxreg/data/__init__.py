"""Tables of numbers as they are given: checked, dense or sparse, with columns left out, in blocks of rows.

Reading order: ``frames`` → ``sparse`` → ``inputs`` → ``problem`` → ``left_out_columns`` → ``plan`` →
``cores`` → ``row_blocks`` → ``columns`` → ``members``.
"""
