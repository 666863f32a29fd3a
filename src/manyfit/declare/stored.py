"""A sweep as JSON values, as it stands in plan segments and reaches runners."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from manyfit.model.sweep import DataSpec, SweepSpec


@cache
def _adapter() -> TypeAdapter[SweepSpec]:
    return TypeAdapter(SweepSpec)


def to_json(spec: SweepSpec) -> dict[str, Any]:
    """Return *spec* as JSON values; `from_json` gives an equal sweep back."""
    found: dict[str, Any] = _adapter().dump_python(spec, mode="json")
    return found


def from_json(values: Mapping[str, Any]) -> SweepSpec:
    """Return the sweep that `to_json` wrote. Raises ValueError for anything else."""
    return _adapter().validate_python(dict(values))


def data_from_json(values: Mapping[str, Any]) -> DataSpec:
    """Return the `data` of a sweep from its part of what `to_json` wrote. Raises ValueError for anything else."""
    return TypeAdapter(DataSpec).validate_python(dict(values))
