"""
A second reader of sweep folders, which shares no code with the directory store.

It was written from the description of the format alone and uses the standard library only, so that an
error in the store is not repeated by what checks it. `audit` returns the counts and the accepted
results, with a text for every law of the store that the files show to be broken (laws 1, 3, 5, 6, 7, 8,
9, 10 and 12 by their numbers; "chain", "plan", "split" and "counts" for what else must be consistent).
``python -m manyfit.testing.independent FOLDER [--json]`` prints it.

How many leases were open at once (law 11) no standing folder shows: a claim that was given up looks like any
other, and the clocks of workers differ.

Reading is meant for folders in which nobody writes; in a busy one, files that appear while it reads may
be reported as missing.
"""

from manyfit.testing.independent.command import audit, lost_results, main
from manyfit.testing.independent.shapes import Report

__all__ = ["Report", "audit", "lost_results", "main"]
