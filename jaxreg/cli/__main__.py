"""``python -m jaxreg.cli``."""

import sys

from jaxreg.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
