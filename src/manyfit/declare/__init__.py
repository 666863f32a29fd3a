"""Sweep files: what a person declares, checked for shape and completed, with every mistake at once."""

from manyfit.declare.loading import content_of, from_mapping, load
from manyfit.declare.sound import Sound, sound_part
from manyfit.declare.stored import from_json, to_json

__all__ = ["Sound", "content_of", "from_json", "from_mapping", "load", "sound_part", "to_json"]
