"""Runs the reader: ``python -m manyfit.testing.independent FOLDER [--json]``."""

from manyfit.testing.independent.command import main

raise SystemExit(main())
