"""Compiled programs on disk, for whoever asks for them in Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxreg

PROGRAM = """
import jax.numpy as jnp
import numpy as np

import jaxreg

jnp.ones(3).sum()  # something has been compiled already
folder = jaxreg.use_cache()
X = np.random.default_rng(0).standard_normal((50, 4))
jaxreg.path(X, X[:, 0], 10)
print(folder, len(list(folder.glob("*-cache"))))
"""


def run(code, cache, **environment):
    env = os.environ | {"XDG_CACHE_HOME": str(cache), "JAX_PLATFORMS": "cpu"} | environment
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def test_the_second_process_compiles_nothing_anew(tmp_path):
    folder, first = run(PROGRAM, tmp_path).split()
    assert Path(folder) == tmp_path / "jaxreg"
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert int(first) > 0
    assert run(PROGRAM, tmp_path).split() == [folder, first]


def test_processes_that_are_started_inherit_it(tmp_path):
    code = """
import os, subprocess, sys
import jaxreg
folder = jaxreg.use_cache()
code = "import jax; print(jax.config.jax_compilation_cache_dir, jax.config.jax_persistent_cache_min_compile_time_secs)"
print(folder)
print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
"""
    folder, inherited, seconds = run(code, tmp_path).split()
    assert (inherited, float(seconds)) == (folder, 0.0)


def test_without_being_asked_nothing_is_kept(tmp_path):
    """Also the user's own choice of a folder stands where a process is started."""
    run(PROGRAM.replace("jaxreg.use_cache()", "__import__('pathlib').Path('.')"), tmp_path)
    assert not (tmp_path / "jaxreg").exists()
    code = "import os, jaxreg; jaxreg.use_cache(); print(os.environ['JAX_COMPILATION_CACHE_DIR'])"
    assert run(code, tmp_path, JAX_COMPILATION_CACHE_DIR="mine").strip() == "mine"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_folder_that_others_may_write_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "jaxreg").mkdir()
    (tmp_path / "jaxreg").chmod(0o777)
    with pytest.raises(ValueError, match=r"neither kept nor looked for: others can write into .* \(chmod go-w"):
        jaxreg.use_cache()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OSError, match="file"):
        jaxreg.use_cache()
