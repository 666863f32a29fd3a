"""``python -m manyfit`` is the command ``manyfit``."""

import sys

from manyfit.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
