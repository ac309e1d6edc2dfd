"""The Makefile finds a Python that works and remakes what was interrupted; pyproject.toml says what it should.

The Makefile is run in a folder of its own, with an empty PATH but for a few system tools and made-up interpreters: no
environment is installed here, and nothing is fetched.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import jaxreg

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

needs_make = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")

# Starts, answers questions, and makes environments whose pip writes down what it is asked for.
WORKS = """#!/bin/sh
case "$2" in
  venv) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && echo "venv $0" >> log ;;
  pip) echo "pip $*" >> log ;;
  *) exec "{python}" "$@" ;;
esac
"""
# What pyenv leaves on PATH for a version that is switched off.
DOES_NOT_START = '#!/bin/sh\necho "pyenv: $0: command not found" >&2\nexit 127\n'
TOO_OLD = '#!/bin/sh\nexec "{python}" -c "import sys; sys.version_info = (3, 10, 9); $2"\n'
WITHOUT_ENSUREPIP = '#!/bin/sh\nexec "{python}" -c "import sys; sys.modules[\'ensurepip\'] = None; $2"\n'
PIP_FAILS = WORKS.replace('"pip $*" >> log', '"pip $*" >> log; echo no such package >&2; exit 1')


class Checkout:
    """A folder with the Makefile and pyproject.toml, and a PATH that holds what is put there."""

    def __init__(self, folder: Path):
        self.folder, self.bin = folder, folder / "path with a space" / "bin"
        self.bin.mkdir(parents=True)
        for tool in ("cat", "cp", "head", "make", "mkdir", "rm", "sed", "sh", "touch"):
            (self.bin / tool).symlink_to(shutil.which(tool))
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, folder)

    def put(self, name: str, script: str, folder: Path | None = None) -> str:
        path = (folder or self.bin) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script.replace("{python}", sys.executable), encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(self.bin / "make"), "-s", *arguments],
            cwd=self.folder,
            env={"PATH": str(self.bin), "HOME": str(self.folder), "PYENV_ROOT": str(self.folder / "pyenv")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def log(self) -> list[str]:
        log = self.folder / "log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@needs_make
@pytest.mark.parametrize("broken", [DOES_NOT_START, TOO_OLD, WITHOUT_ENSUREPIP])
def test_an_interpreter_that_is_no_use_is_passed_over(checkout, broken):
    checkout.put("python3.14", broken)
    good = checkout.put("python3.13", WORKS)
    assert checkout.make("interpreters").stdout.splitlines() == [good]


@needs_make
def test_the_newest_comes_first(checkout):
    old, new, middle = (checkout.put(f"python3.{minor}", WORKS) for minor in (11, 14, 12))
    assert checkout.make("interpreters").stdout.splitlines() == [new, middle, old]


@needs_make
def test_pyenv_is_searched_behind_a_shim_that_does_not_start(checkout):
    checkout.put("python3.13", DOES_NOT_START)
    behind = checkout.put("python3.13", WORKS, checkout.folder / "pyenv" / "versions" / "3.13.9" / "bin")
    assert checkout.make("interpreters").stdout.splitlines() == [behind]


@needs_make
def test_a_named_interpreter_is_the_only_one(checkout):
    checkout.put("python3.14", WORKS)
    named = checkout.put("mine", WORKS, checkout.folder / "elsewhere")
    assert checkout.make("interpreters", f"PYTHON={named}").stdout.splitlines() == [named]


@needs_make
@pytest.mark.parametrize("target", ["interpreters", "env", ".venv-oldest/.complete"])
def test_no_interpreter_is_said_in_words(checkout, target):
    checkout.put("python3.14", DOES_NOT_START)
    done = checkout.make(target)
    assert done.returncode != 0
    assert "error: no Python of 3.14 3.13 3.12 3.11" in done.stderr
    assert "make PYTHON=" in done.stderr
    done = checkout.make(target, "PYTHON=nowhere")
    assert done.returncode != 0
    assert "error: PYTHON=nowhere does not start" in done.stderr
    assert not (checkout.folder / ".venv").exists()


@needs_make
def test_the_environment_is_made_once(checkout):
    python = checkout.put("python3.13", WORKS)
    assert checkout.make("env").returncode == 0
    assert checkout.log() == [f"venv {python}", "pip -m pip install -qq -e .[dev]"]
    assert checkout.make("env").returncode == 0
    assert len(checkout.log()) == 2


@needs_make
def test_an_interrupted_environment_is_made_anew(checkout):
    checkout.put("python3.13", WORKS)
    left_over = checkout.folder / ".venv" / "bin" / "half"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    assert checkout.make("env").returncode == 0
    assert not left_over.exists()
    assert (checkout.folder / ".venv" / ".complete").exists()


@needs_make
def test_a_changed_pyproject_installs_into_the_same_environment(checkout):
    checkout.put("python3.13", WORKS)
    checkout.make("env")
    later = (checkout.folder / ".venv" / ".complete").stat().st_mtime + 10
    os.utime(checkout.folder / "pyproject.toml", (later, later))
    done = checkout.make("env")
    assert done.returncode == 0
    assert "pyproject.toml has changed" in done.stdout
    assert [line.split()[0] for line in checkout.log()] == ["venv", "pip", "pip"]


@needs_make
def test_an_interrupted_update_counts_as_incomplete(checkout):
    checkout.put("python3.13", WORKS)
    checkout.make("env")
    checkout.put("python", '#!/bin/sh\nkill -KILL "$PPID"\n', checkout.folder / ".venv" / "bin")
    (checkout.folder / ".venv" / "left-over").touch()
    later = (checkout.folder / ".venv" / ".complete").stat().st_mtime + 10
    os.utime(checkout.folder / "pyproject.toml", (later, later))
    assert checkout.make("env").returncode != 0
    assert not (checkout.folder / ".venv" / ".complete").exists()
    assert checkout.make("env").returncode == 0
    assert not (checkout.folder / ".venv" / "left-over").exists()


@needs_make
def test_when_the_newest_cannot_install_the_next_is_tried(checkout):
    newest, next_one = checkout.put("python3.14", PIP_FAILS), checkout.put("python3.12", WORKS)
    done = checkout.make("env")
    assert done.returncode == 0
    assert "no such package" in done.stderr
    assert [line for line in checkout.log() if line.startswith("venv")] == [f"venv {newest}", f"venv {next_one}"]


@needs_make
def test_a_failure_leaves_nothing_that_looks_complete(checkout):
    checkout.put("python3.14", PIP_FAILS)
    done = checkout.make("env")
    assert done.returncode != 0
    assert "error: .venv was not made." in done.stderr
    assert not (checkout.folder / ".venv").exists()


@needs_make
def test_the_other_end_is_the_oldest_python_with_the_lower_bounds(checkout):
    checkout.put("python3.13", WORKS)
    oldest = checkout.put("python3.11", WORKS)
    done = checkout.make(".venv-oldest/.complete")
    assert done.returncode == 0, done.stderr
    venv, pip = checkout.log()
    assert venv == f"venv {oldest}"
    asked = pip.split("-e .[dev] ")[1].split()
    bounds = PROJECT["project"]["dependencies"]
    assert asked[: len(bounds)] == [bound.replace(">=", "==") + ".*" for bound in bounds]
    assert {"jax==0.10.*", "jaxlib==0.10.*", "numpy==2.4.*"} <= set(asked)


@pytest.fixture
def benchmarks(checkout):
    """A report that says which environments there are."""
    checkout.put("python3.13", WORKS)
    checkout.put(
        "report.py",
        'import os, sys; print("report", *sys.argv[1:], os.path.exists(".venv-adelie"))',
        checkout.folder / "benchmarks",
    )
    return checkout


@needs_make
def test_the_benchmarks_have_an_environment_with_the_peers_and_one_for_adelie(benchmarks):
    benchmarks.put("python3.12", WORKS)
    done = benchmarks.make("bench", "BENCH_OPTIONS=--only paths")
    assert done.returncode == 0, done.stderr
    installed = [line for line in benchmarks.log() if line.startswith("pip")]
    assert installed == [
        "pip -m pip install -qq -e .[plots]",
        "pip -m pip install -qq -e .[plots,peers]",
        "pip -m pip install -qq adelie>=1.1.50 numpy<2 threadpoolctl",
    ]
    assert "report --only paths True" in done.stdout
    assert benchmarks.make("bench").returncode == 0
    assert len([line for line in benchmarks.log() if line.startswith("pip")]) == 3


@needs_make
def test_peers_that_do_not_install_are_done_without(benchmarks):
    fails = WORKS.replace("pip) ", 'pip) case "$*" in *peers]*|*celer*) exit 1 ;; esac; ')
    benchmarks.put("python3.13", fails)
    done = benchmarks.make("bench")
    assert done.returncode == 0, done.stderr
    peers = PROJECT["project"]["optional-dependencies"]["peers"]
    alone = [line.split("-e .[plots] ")[1] for line in benchmarks.log() if "-e .[plots] " in line]
    assert alone == [peer for peer in peers if "celer" not in peer]
    assert "not installed: celer" in done.stderr
    assert "not installed: adelie" in done.stderr  # there is no Python 3.12 here
    assert "report False" in done.stdout


@needs_make
def test_help_lists_every_target(checkout):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split()
    shown = re.findall(r"^  make (\S+) +\S", checkout.make().stdout, re.MULTILINE)
    assert sorted(shown) == sorted(phony)


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "CHANGELOG.md", ".ci/run"])
def test_the_targets_that_are_spoken_of_exist(document):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"(?:`|step |\(|^)make (?:-s )?(?:PYTHON=\S+ )?([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_lint_is_format_rules_types_and_imports():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", makefile, re.MULTILINE)[1]
    assert re.findall(r"bin/(\S+)", recipe) == ["ruff", "ruff", "mypy", "lint-imports"]


def private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def of_others(name: str, package: list[str]) -> bool:
    """Whether it is jaxreg's and in another folder; each module beside ``jaxreg/__init__.py`` stands alone."""
    return name.split(".")[0] == "jaxreg" and (len(package) == 1 or name.split(".")[: len(package)] != package)


def private_imports(source: str, package: list[str]) -> list[str]:
    """What a module takes from another package that begins with an underscore: imported, or as an attribute."""
    found, modules = [], set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if of_others(alias.name, package) and private(alias.name)]
        elif isinstance(node, ast.ImportFrom) and of_others(node.module or "", package):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name for name in names if private(name)]
            modules |= {alias.asname or alias.name for alias in node.names if alias.name.islower()}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            found += [f"{node.value.id}.{node.attr}"] if private(node.attr) else []
    return found


PACKAGE = Path(jaxreg.__file__).parent


def test_private_names_are_used_in_their_own_package_alone():
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        package = ["jaxreg", *file.relative_to(PACKAGE).parts[:-1]]
        if taken := private_imports(file.read_text(encoding="utf-8"), package):
            found[str(file.relative_to(PACKAGE))] = taken
    assert found == {}


@pytest.mark.parametrize(
    ("source", "package", "found"),
    [
        ("from jaxreg.data.inputs import _checked", "jaxreg.engines", ["jaxreg.data.inputs._checked"]),
        ("from jaxreg.data.inputs import _checked", "jaxreg.data", []),
        ("from jaxreg.data import _inputs as inputs", "jaxreg", ["jaxreg.data._inputs"]),
        ("import jaxreg._inputs", "jaxreg", ["jaxreg._inputs"]),
        ("from jaxreg import regression\nregression._solve()", "jaxreg", ["regression._solve"]),
        ("from jaxreg import regression\nregression.__name__", "jaxreg.cli", []),
        ("from sklearn.base import _fit_context", "jaxreg.estimators", []),
    ],
)
def test_private_names_are_found(source, package, found):
    assert private_imports(source, package.split(".")) == found


def test_ci_is_a_script_that_can_be_started():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_the_runtime_is_jax_numpy_and_optax():
    names = [re.match(r"[A-Za-z0-9_.-]+", bound)[0] for bound in PROJECT["project"]["dependencies"]]
    assert sorted(names) == ["jax", "jaxlib", "numpy", "optax"]


def test_every_bound_is_a_lower_one():
    # The Makefile turns them into the oldest versions allowed, and knows no other kind.
    bounds = list(PROJECT["project"]["dependencies"])
    for extra in ("estimators", "plots", "tables"):
        bounds += PROJECT["project"]["optional-dependencies"][extra]
    for bound in bounds:
        assert re.fullmatch(r"[a-z-]+>=\d+(\.\d+)*", bound), bound


def test_the_version_is_written_once():
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert "version" not in PROJECT["project"]
    source = ROOT / PROJECT["tool"]["hatch"]["version"]["path"]
    assert source.parent.samefile(Path(jaxreg.__file__).parent)
    assert re.findall(r'^__version__ = "(.*)"$', source.read_text(encoding="utf-8"), re.MULTILINE) == [
        jaxreg.__version__
    ]
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.?(a|b|rc|dev)\d+)?", jaxreg.__version__)


def test_the_changelog_speaks_of_this_version():
    assert jaxreg.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_licence_is_the_one_that_is_declared():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    for name in PROJECT["project"]["license-files"]:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert "Apache License" in text
        assert "END OF TERMS AND CONDITIONS" in text


def test_no_module_is_longer_than_it_can_be_read():
    """At most 300 lines, of which 100 to 250 are usual (CONTRIBUTING.md)."""
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "jaxreg").rglob("*.py")}
    assert len(lengths) > 100
    assert {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > 300} == {}
