"""The part of a broken sweep file that can still be checked, so that all mistakes come out at once."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from manyfit.declare.complaints import Location
from manyfit.declare.schema import SweepFile
from manyfit.model.sweep import SweepSpec

_ROUNDS = 5
_NAMED = ("pipelines", "splits", "features")
_SEARCHED = ("grid", "space")
_STAND_IN = {"name": "unnamed", "data": {"source": "sklearn:iris"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """What is left of a sweep file without its broken entries; `data` tells whether that includes its data."""

    spec: SweepSpec
    data: bool


def sound_part(mapping: Mapping[str, Any]) -> Sound | None:
    """
    Return the sweep without what is broken in it; None when too little is left to check.

    A broken value of a searched parameter costs that parameter, a mistake in the needs of a pipeline its
    needs, any other mistake in a pipeline, split or feature set costs all of it: what is left then makes no
    mistakes that the file does not have.
    """
    part = copy.deepcopy(dict(mapping))
    data = True
    for _ in range(_ROUNDS):
        try:
            spec = SweepFile.model_validate(part).spec()
        except ValidationError as error:
            places = [_entry(details["loc"]) for details in error.errors(include_url=False)]
            data = data and ("data",) not in places
            _cut(part, places)
        else:
            return Sound(spec=spec, data=data)
    return None


def _entry(location: Location) -> Location:
    """Return the place of the whole entry that a mistake spoils."""
    if location[:1] and location[0] == "pipelines" and len(location) > 3 and location[2] in _SEARCHED:
        return location[:5] if isinstance(location[3], int) else location[:4]
    if location[:1] == ("pipelines",) and location[2:3] == ("needs",):
        return location[:3]
    return location[:2] if location[:1] and location[0] in _NAMED else location[:1]


def _cut(part: dict[str, Any], places: Iterable[Location]) -> None:
    for place in places:
        table: Any = part
        for step in place[:-1]:
            table = _inside(table, step)
        if isinstance(table, dict) and place:
            table.pop(place[-1], None)
        if place in (("data",), ("name",)):
            part[str(place[0])] = _STAND_IN[str(place[0])]


def _inside(table: Any, step: str | int) -> Any:
    if isinstance(table, dict) or (isinstance(table, list) and isinstance(step, int) and step < len(table)):
        return table.get(step) if isinstance(table, dict) else table[int(step)]
    return None
