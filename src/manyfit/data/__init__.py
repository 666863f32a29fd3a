"""Tables: read, fingerprinted, checked against the sweep, and served to runners as memory-mapped arrays."""

from manyfit.data.folders import cache_root
from manyfit.data.profiles import profile
from manyfit.data.rows import DataRows, FitRows, open_rows
from manyfit.data.variants import variants

__all__ = ["DataRows", "FitRows", "cache_root", "open_rows", "profile", "variants"]
