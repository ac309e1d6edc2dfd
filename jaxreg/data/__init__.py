"""Tables of numbers as they are given: checked, dense or sparse, with columns left out, in blocks of rows.

Reading order: ``frames`` → ``sparse`` → ``inputs`` → ``arguments`` → ``left_out_columns`` → ``splits`` →
``cores`` → ``row_blocks``.
"""
