"""What the compiler of an H200 makes of the programs, without one: launches a turn, known lengths, work memory.

    make gpu-check        (the libraries of CUDA are 4.9 GB; no GPU is needed, and nothing is run)

XLA compiles for the described device, and writes in which order it would launch what. A launch is a kernel, a copy or a
call of a library. The length of a loop is known where the compiler wrote it down; of any other the host is told after
every turn. Those that multiply and hold no further loop must have a known length and few launches.
"""

import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

# Before JAX is loaded: no device, no search for the fastest kernel on one, and the order of the launches on file.
DUMP = Path(tempfile.mkdtemp(prefix="gpu-check-"))
FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false --xla_dump_hlo_as_text"

RESULTS = Path(__file__).parent / "results" / "gpu_check.md"
MOST_LAUNCHES = 10
# A knot of every lasso in lockstep: 16 were asked for, and tables known by their rows take twice as many.
LOCKSTEP, MOST_AT_A_KNOT, ON_ROWS = "lockstep", 16, 34
# Loops that are excused: ridge has a closed form, and what is done at most once is no loop that is gone through; the
# folds' rows are read in some 40 blocks; where p > n and a path is solved again, df is counted λ by λ.
EXCUSED = "ridge", "folds", "500 × 2,000", "moments alone"
# An H200 as NVIDIA describes it.
DEVICE = """
gpu_device_info {
  cuda_compute_capability { major: 9 minor: 0 }
  core_count: 132 fpus_per_core: 128 clock_rate_ghz: 1.98
  threads_per_warp: 32 threads_per_block_limit: 1024 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  registers_per_core_limit: 65536 registers_per_block_limit: 65536
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  memory_bandwidth: 4800000000000 l2_cache_size: 52428800 device_memory_size: 150000000000
}
platform_name: "CUDA"
dnn_version_info { major: 9 }
device_description_str: "NVIDIA H200"
"""
THUNK = re.compile(r"^( *)\d+: k(\w+)")
CONTROL = {"While", "Conditional", "Sequential", "CommandBuffer"}


class Loop(NamedTuple):
    """A loop: launches of one turn without those of loops inside, by kind; its turns, None if they are not known."""

    launches: dict[str, int]
    loops: "list[Loop]"
    turns: int | None = None

    @property
    def count(self) -> int:
        return sum(self.launches.values())

    def innermost(self, all_: bool = False) -> "Iterator[Loop]":
        """Those that hold no other and, if not ``all_`` are wanted, multiply."""
        for loop in self.loops:
            yield from loop.innermost(all_)
        if not self.loops and (all_ or any("Matmul" in kind or "Gemm" in kind for kind in self.launches)):
            yield self


def launches(text: str) -> Loop:
    """The program, as a loop of one turn, from the order of its launches; conditions count with their loop."""
    whole = Loop({}, [], 1)
    open_: list[tuple[int, Loop]] = [(-1, whole)]
    for line in text.splitlines():
        match = THUNK.match(line)
        if match is None:
            continue
        depth, kind = len(match[1]), match[2]
        while open_[-1][0] >= depth:
            open_.pop()
        loop = open_[-1][1]
        if kind == "While":
            inner = Loop({}, [])
            loop.loops.append(inner)
            open_.append((depth, inner))
        elif kind not in CONTROL:
            loop.launches[kind] = loop.launches.get(kind, 0) + 1
    return whole


def turns(hlo: str) -> list[Any]:
    """Of every loop (its turns or None, the loops inside), in the order of the schedule."""
    computations: dict[str, list[str]] = {}
    entry, name = "", ""
    for line in hlo.splitlines():
        if head := re.match(r"^(ENTRY )?%?([\w.\-]+) \(.*\{$", line):
            name = head[2]
            entry, computations[name] = (name if head[1] else entry), []
        elif name:
            computations[name].append(line)

    def of(name: str) -> Iterator[Any]:
        for line in computations.get(name, []):
            if " while(" in line:
                known = re.search(r'known_trip_count":\{"n":"(\d+)"', line)
                body = re.search(r"body=%?([\w.\-]+)", line)
                assert body is not None
                yield (int(known[1]) if known else None, list(of(body[1])))
            elif " conditional(" in line:
                branches = re.search(r"branch_computations=\{([^}]*)\}", line)
                names = (
                    branches[1].split(",") if branches else re.findall(r"(?:true|false)_computation=%?([\w.\-]+)", line)
                )
                for branch in names:
                    yield from of(branch.strip().lstrip("%"))
            elif " call(" in line and (called := re.search(r"to_apply=%?([\w.\-]+)", line)):
                yield from of(called[1])

    return list(of(entry))


def with_turns(loop: Loop, known: list[Any], own: int | None = 1) -> Loop:
    """The launches with the lengths.

    Raises:
        ValueError: they are not of the same program.
    """
    if len(loop.loops) != len(known):
        raise ValueError(f"{len(loop.loops)} loops are launched where the program has {len(known)}")
    pairs = zip(loop.loops, known, strict=True)
    return Loop(loop.launches, [with_turns(inner, deeper, n) for inner, (n, deeper) in pairs], own)


def programs(array: Callable[..., Any]) -> dict[str, tuple[Callable[..., Any], list[Any]]]:
    """What is compiled, with the shapes of its arguments, X first."""
    import jax
    import jax.numpy as jnp

    from jaxreg import solvers, sweeps
    from jaxreg.solvers import members, row_solvers

    for module in (members, row_solvers):  # as it would be chosen there
        module.on_accelerator = lambda *_: True  # type: ignore[attr-defined]
    n, p, L = 5_000, 200, 100
    X, y = array(n, p), array(n)
    one = lambda X, y, s, lams: solvers.path(X, y, lams, sample_weight=s).gap
    return {
        "path, lasso, 5,000 × 200": (lambda X, y: solvers.path(X, y, L), [X, y]),
        "path, elastic net, 5,000 × 200": (lambda X, y: solvers.path(X, y, L, 0.5), [X, y]),
        "path, elastic net, 500 × 2,000": (
            lambda X, y: solvers.path(X, y, L, 0.5),
            [array(500, 2_000), array(500)],
        ),
        "path, lasso, 500 × 2,000": (lambda X, y: solvers.path(X, y, L), [array(500, 2_000), array(500)]),
        "path, ridge, 5,000 × 200": (lambda X, y: solvers.path(X, y, L, 0.0), [X, y]),
        "folds, lasso, 5,000 × 200": (
            lambda X, y, held: sweeps.cross_validate(X, y, held, L),
            [X, y, array(10, n, dtype=jnp.bool_)],
        ),
        "path, lasso, moments alone, 5,000 × 200 of float32": (
            lambda X, y: solvers.path(X, y, L, strategy="moments"),
            [array(n, p, dtype=jnp.float32), y],
        ),
        "folds, lasso, moments alone, 5,000 × 200": (
            lambda X, y, held: sweeps.cross_validate(X, y, held, L, strategy="moments"),
            [X, y, array(10, n, dtype=jnp.bool_)],
        ),
        "1,000 bootstraps, diabetes": (
            lambda X, y, W, lams: jax.vmap(lambda s: one(X, y, s, lams))(W),
            [array(442, 10), array(442), array(1_000, 442), array(L)],
        ),
        "1,000 bootstraps, automatic grid": (
            lambda X, y, W: jax.vmap(lambda s: one(X, y, s, L))(W),
            [array(442, 10), array(442), array(1_000, 442)],
        ),
        "lockstep, 1,000 × 10": knots(array, 1_000, 10),
        "lockstep, 11 × 2,000": knots(array, 11, 2_000),
        "lockstep on rows, 11 × 500 × 10,000": knots(array, 11, 10_000, 500),
    }


def knots(array: Callable[..., Any], B: int, p: int, n: int | None = None) -> tuple[Callable[..., Any], list[Any]]:
    """The knots of B lassos of p columns, on Gram matrices, or on n rows."""
    import jax.numpy as jnp

    from jaxreg.formulas.duality import Penalty
    from jaxreg.solvers.lockstep import solve_paths
    from jaxreg.solvers.lockstep_tables import grams, same_rows

    unit = Penalty(*(array(B, p) for _ in Penalty._fields))
    paths = [array(B, p), array(B, 100), array(B, dtype=jnp.int32), unit]
    if n is None:
        return lambda G, *paths: solve_paths(grams(G), *paths), [array(B, p, p), *paths]
    rows = [array(n, p), array(B, n), array(B, p), array(B, p)]
    return lambda X, s, m, d, *paths: solve_paths(same_rows(X, s, m, d, n), *paths), [*rows, *paths]


def compiled(function: Callable[..., Any], given: list[Any]) -> tuple[Loop, Any, str]:
    """The loops, the memory that it takes, and the program's text."""
    import jax

    for file in DUMP.glob("*"):
        file.unlink()
    made = jax.jit(function).trace(*given).lower().compile()
    order = max(DUMP.glob("*thunk_sequence.txt"), key=lambda file: file.stat().st_size)
    text = made.as_text()
    return with_turns(launches(order.read_text()), turns(text)), made.memory_analysis(), text


def row(name: str, function: Callable[..., Any], given: list[Any]) -> tuple[list[str], bool]:
    """A row of the table, and whether all is as it should be."""
    start = time.perf_counter()
    loop, memory, text = compiled(function, given)
    inner = list(loop.innermost())
    most_here = MOST_LAUNCHES
    if LOCKSTEP in name:  # the knots are the loop that launches most
        inner = [max(loop.innermost(True), key=lambda one: one.count * (one.turns or 0))]
        most_here = ON_ROWS if "rows" in name else MOST_AT_A_KNOT
    known = [one for one in inner if one.turns is not None]
    most = max((one.count for one in inner), default=0)
    sizes = memory.temp_size_in_bytes, given[0].size * given[0].dtype.itemsize
    calls = sorted(
        {
            call.removeprefix("cusolver_").removesuffix("_ffi")
            for call in re.findall(r'custom_call_target="(cusolver\w+)"', text)
        }
    )
    lengths = ", ".join(f"{one.count} × {one.turns or 'until it is done'}" for one in inner)
    right = any(word in name for word in EXCUSED) or (len(known) == len(inner) > 0 and most <= most_here)
    cells = [
        name,
        f"{len(known)} of {len(inner)}",
        lengths,
        *(f"{size / 2**20:.3g}" for size in sizes),
        " ".join(calls) or "none",
    ]
    return [*cells, f"{time.perf_counter() - start:.0f}"], right


def main() -> None:
    os.environ |= {"JAX_SKIP_CUDA_CONSTRAINTS_CHECK": "1", "JAX_PLATFORMS": ""}
    os.environ["XLA_FLAGS"] = f"{FLAGS} --xla_dump_to={DUMP}"
    import jax
    import jax.numpy as jnp
    from jax.experimental import topologies
    from tables import table

    jax.default_backend = lambda: "gpu"  # what depends on the device is as on one
    topology = topologies.get_topology_desc(platform="cuda", target_config=DEVICE, topology="1x1x1")
    everywhere = jax.sharding.NamedSharding(topologies.make_mesh(topology, (1,), ("d",)), jax.sharding.PartitionSpec())
    array = lambda *shape, dtype=jnp.float64: jax.ShapeDtypeStruct(shape, dtype, sharding=everywhere)
    rows, wrong = [], []
    with jax.enable_x64(True):
        for name, (function, given) in programs(array).items():
            cells, right = row(name, function, given)
            rows.append(cells)
            wrong += [] if right else [name]
            print(*cells, sep=" | ", flush=True)
    head = ["program", "of known length", "launches × turns", "work memory, MiB", "X, MiB", "cuSOLVER", "compiled in s"]
    RESULTS.write_text(
        "# Compiled for an H200, without one\n\n"
        "Written by `make gpu-check`; nothing has run on a GPU. Of the loops that multiply and hold no further one: "
        f"how many have a length that the compiler knows, and the launches of a turn, at most {MOST_LAUNCHES}, its "
        "condition among them: six squarings for a bound on the largest eigenvalue, 20 steps of FISTA, 8 of conjugate "
        "gradients, 10 of ADMM. Ridge, folds and p > n are excused: what is done once, the reading of rows in blocks, "
        "degrees of freedom λ by λ where a path is solved again. A knot in lockstep, of known length too: at most "
        f"{MOST_AT_A_KNOT}, on rows {ON_ROWS}. "
        "cuSOLVER: what is in the program, also where it is not called.\n\n"
        f"jax {jax.__version__}.\n\n{table(head, rows)}\n"
    )
    if wrong:
        sys.exit(f"more than {MOST_LAUNCHES} launches a turn, or a length that is not known: {'; '.join(wrong)}")


if __name__ == "__main__":
    main()
