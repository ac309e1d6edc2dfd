"""docs/ is a folder of modules that Sphinx's configuration imports by name."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))
