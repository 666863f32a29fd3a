"""
An explicit-state check of the protocol that the directory store follows.

Every state that a few workers, sealers, planners and crashes can reach within a `Scope` is visited, and
the laws of the `Store` contract are checked in each. There are no clocks: a lease may be sealed at any
moment, so nothing found correct here depends on time. `python -m manyfit.testing.protocol` runs it.
"""

from manyfit.testing.protocol.search import Verdict, explore
from manyfit.testing.protocol.state import Design, Scope

__all__ = ["Design", "Scope", "Verdict", "explore"]
