"""How what the GPU's compiler writes is read: which loops there are, what a turn launches, how many turns are known."""

import gpu_check
import pytest

LAUNCHES = """\
001: kCopy          [source | next=003 (2)] kCopy
002: kWhile         [prev=001 (1) | next=009 (1)]
condition:
    003: kCustomKernel [source | sink] compare grid: [1, 1, 1]
  body:
    004: kCustomKernel [source | sink] add grid: [1, 1, 1]
    005: kWhile        [prev=004 (1) | sink]
condition:
        No thunks.      body:
        006: kCublasLtMatmul [source | sink] kCublasLtMatmul
        007: kCustomKernel   [source | sink] select
    008: kCopy         [prev=005 (1) | sink] kCopy
009: kConditional   [prev=002 (1) | sink]
  branch_0:
    010: kWhile        [source | sink]
condition:
        No thunks.      body:
        011: kGemm           [source | sink] kGemm
  branch_1:
    012: kCopy         [source | sink] kCopy
"""
PROGRAM = """\
HloModule jit_f, is_scheduled=true

%inner (p.1: (s64[], f64[2])) -> (s64[], f64[2]) {
  %dot = f64[2]{0} dot(%a, %b)
}

%outer (p.2: (s64[])) -> (s64[]) {
  %while.1 = (s64[], f64[2]{0}) while(%t), condition=%c.1, body=%inner, backend_config={"known_trip_count":{"n":"20"}}
}

%yes (p.3: f64[]) -> f64[] {
  %while.2 = (s64[]) while(%t), condition=%c.2, body=%inner
}

%no (p.4: f64[]) -> f64[] {
  %copy = f64[] copy(%p.4)
}

ENTRY %main (x: f64[2]) -> f64[2] {
  %while.3 = (s64[]) while(%t), condition=%c.3, body=%outer
  %cond = (f64[]) conditional(%x, %t, %t), branch_computations={%yes, %no}
}
"""


def test_launches_are_counted_for_each_loop():
    whole = gpu_check.with_turns(gpu_check.launches(LAUNCHES), gpu_check.turns(PROGRAM))
    assert whole.launches == {"Copy": 2}
    first, second = whole.loops
    assert (first.launches, first.turns) == ({"CustomKernel": 2, "Copy": 1}, None)
    assert [(loop.count, loop.turns) for loop in whole.innermost()] == [(2, 20), (1, None)]
    assert second.launches == {"Gemm": 1}


def test_another_program_is_noticed():
    with pytest.raises(ValueError, match="2 loops are launched where the program has 0"):
        gpu_check.with_turns(gpu_check.launches(LAUNCHES), gpu_check.turns("ENTRY %main (x: f64[]) -> f64[] {\n}\n"))
