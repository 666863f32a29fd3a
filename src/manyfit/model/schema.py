"""Feature schemas: which columns a model was fitted on, of which types, in which order, under which name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.model.keys import content_key

TYPES = ("float", "int", "bool")
"""Types that a feature can have; widths of numbers do not count."""

_LISTED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSchema:
    """
    The features of a model: names in order, their types, and `mode`, the name of the feature set.

    Raises ValueError where names repeat, where a type is unknown, or where there are more names than types.
    """

    names: tuple[str, ...]
    types: tuple[str, ...]
    mode: str = ""

    def __post_init__(self) -> None:
        if len(self.names) != len(self.types):
            raise ValueError(f"{len(self.names)} names of features and {len(self.types)} types")
        if len(set(self.names)) < len(self.names):
            raise ValueError(f"features have the same name: {_some(_repeated(self.names))}")
        if unknown := sorted(set(self.types) - set(TYPES)):
            raise ValueError(f"unknown types of features: {_some(unknown)}; known: {', '.join(TYPES)}")

    @property
    def key(self) -> str:
        """The content key of names, types, order and mode."""
        return content_key([list(self.names), list(self.types), self.mode])

    def difference(self, other: "FeatureSchema") -> Sequence[str]:
        """Return what *other* has otherwise, a line for each kind of difference; nothing where they are equal."""
        mine, theirs = self.by_name(), other.by_name()
        missing = [name for name in mine if name not in theirs]
        extra = [name for name in theirs if name not in mine]
        retyped = [
            f"{name} (is {theirs[name]}, {kind} is wanted)"
            for name, kind in mine.items()
            if theirs.get(name, kind) != kind
        ]
        lines = [
            f"{what}: {_some(names)}"
            for what, names in (("missing", missing), ("extra", extra), ("of another type", retyped))
            if names
        ]
        if not missing and not extra and self.names != other.names:
            lines.append(f"in another order: {_first_moved(self.names, other.names)}")
        if self.mode != other.mode:
            lines.append(f'another feature set: "{other.mode}", "{self.mode}" is wanted')
        return lines

    def by_name(self) -> Mapping[str, str]:
        """Return the types by name, in order."""
        return dict(zip(self.names, self.types, strict=True))

    def as_json(self) -> Mapping[str, Any]:
        """Return the schema as JSON values, its key among them."""
        return {"names": list(self.names), "types": list(self.types), "mode": self.mode, "key": self.key}


def schema_of_json(value: Mapping[str, Any]) -> FeatureSchema:
    """Return the schema that `as_json` gave. Raises ValueError when it is none, or when its key is of another."""
    try:
        names, types, mode, key = (value[name] for name in ("names", "types", "mode", "key"))
        texts = [mode, key, *names, *types]
    except (KeyError, TypeError) as error:
        raise ValueError(f"is no feature schema ({error})") from error
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("has names, types or a mode that are no texts")
    schema = FeatureSchema(names=tuple(names), types=tuple(types), mode=mode)
    if schema.key != key:
        raise ValueError(f"has the key {key[:12]}, and its content the key {schema.key[:12]}; it was changed")
    return schema


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})


def _first_moved(wanted: Sequence[str], found: Sequence[str]) -> str:
    at = next(i for i, (one, other) in enumerate(zip(wanted, found, strict=True)) if one != other)
    return f"feature {at + 1} is {found[at]}, {wanted[at]} is wanted"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
