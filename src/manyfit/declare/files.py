"""Sweep files as mappings: TOML, and YAML with the rules of YAML 1.2."""

import re
import tomllib
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from manyfit.model.mistake import Mistake

SUFFIXES = (".toml", ".yaml", ".yml")

_TOML_PLACE = re.compile(r"^(?P<what>.*) \(at (?P<where>.*)\)$", re.DOTALL)


def read_mapping(path: Path) -> Mapping[str, Any] | Mistake:
    """Return the content of a sweep file, or the one mistake that keeps it from being read."""
    if path.suffix.lower() not in SUFFIXES:
        return _mistake(path, "file name", f'"{path.name}" ends in none of {", ".join(SUFFIXES)}')
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return _mistake(path, "file", f'there is no file "{path}"')
    except (OSError, UnicodeDecodeError) as error:
        return _mistake(path, "file", f"cannot be read: {error}")
    return _toml(path, text) if path.suffix.lower() == ".toml" else _yaml(path, text)


def _toml(path: Path, text: str) -> Mapping[str, Any] | Mistake:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _TOML_PLACE.match(str(error))
        where, what = (found["where"], found["what"]) if found else ("syntax", str(error))
        return _mistake(path, where, f"{what[:1].lower()}{what[1:]} (TOML)")


def _yaml(path: Path, text: str) -> Mapping[str, Any] | Mistake:
    try:
        content = yaml.load(text, Loader=_SweepLoader)  # noqa: S506 - a SafeLoader with fewer surprises
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "syntax"
        return _mistake(path, where, f"{error.problem or error} (YAML)")
    except yaml.YAMLError as error:
        return _mistake(path, "syntax", f"{error} (YAML)")
    if not isinstance(content, Mapping):
        return _mistake(path, "file", "a sweep file is a table of keys, beginning with name = ...")
    return content


def _mistake(path: Path, key: str, message: str) -> Mistake:
    return Mistake(file=str(path), key=key, message=message)


class _SweepLoader(yaml.SafeLoader):
    """
    PyYAML's safe loader with the scalars of YAML 1.2 and without silent repetition.

    YAML 1.1 reads 1e-6 as a text, no as false and 1:30 as 90: each has spoilt somebody's search.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - as in PyYAML

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key "{key.value}" stands here twice', key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


_SCALARS = (
    ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    (
        "tag:yaml.org,2002:float",
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        list("-+0123456789."),
    ),
    ("tag:yaml.org,2002:merge", r"^(?:<<)$", ["<"]),
)
for _tag, _pattern, _first in _SCALARS:
    _SweepLoader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


def _whole_number(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    """Read 010 as ten, where YAML 1.1 reads eight."""
    return int(str(loader.construct_scalar(node)))


_SweepLoader.add_constructor("tag:yaml.org,2002:int", _whole_number)
