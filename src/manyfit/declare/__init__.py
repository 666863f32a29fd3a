"""Sweep files: what a person declares, checked for shape and completed, with every mistake at once."""

from manyfit.declare.loading import from_mapping, load
from manyfit.declare.stored import from_json, to_json

__all__ = ["from_json", "from_mapping", "load", "to_json"]
