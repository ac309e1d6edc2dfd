"""The three ways of use, each a script that anybody can run, from a fresh process to its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("way", ["analyst", "researcher", "scikit_learn_user"])
def test_the_script_runs(tmp_path, way):
    for module in ("matplotlib", "sklearn", "pandas"):
        pytest.importorskip(module)
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONWARNINGS": "error::FutureWarning"}
    done = subprocess.run(
        [sys.executable, str(HERE / f"{way}.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "terminated" not in done.stderr  # joblib on workers that die
