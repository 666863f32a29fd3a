"""Boosters of XGBoost and LightGBM inside of fitted estimators, in the formats of their own libraries."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from manyfit.model.errors import MissingExtra, Refused, told

UBJ, LIGHTGBM = "ubj", "lightgbm-text"
"""Formats: XGBoost's binary JSON, and the text in which LightGBM writes its models."""

_SUFFIX = {UBJ: "ubj", LIGHTGBM: "txt"}


@dataclass(kw_only=True)
class Booster:
    """
    Stands in an estimator for a booster that is written apart.

    `name` is that of its entry; `best_iteration` is the only state of a LightGBM booster that its text lacks
    and that predictions depend on.
    """

    name: str
    format: str
    best_iteration: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class BoosterPart:
    """A booster as bytes, under the name that its placeholder has."""

    name: str
    format: str
    content: bytes


@contextmanager
def taken_out(estimator: Any) -> Iterator[tuple[Any, list[BoosterPart]]]:
    """
    Yield *estimator* with placeholders for its boosters, and these as bytes; put them back at the end.

    The estimator is changed in place meanwhile. Costs nothing where neither library is imported.
    """
    undo: list[tuple[_Place, Any]] = []
    parts: list[BoosterPart] = []
    numbers: dict[int, Booster] = {}
    holder = [estimator]
    try:
        for place in _places(holder, _booster_types()):
            booster = place.value
            undo.append((place, booster))
            if id(booster) not in numbers:
                numbers[id(booster)], part = _written(booster, len(parts))
                parts.append(part)
            place.put(numbers[id(booster)])
        yield holder[0], parts
    finally:
        for place, booster in undo:
            place.put(booster)


def check_library(format: str) -> None:
    """Raise `MissingExtra` where the library that reads boosters of *format* is not installed."""
    _library({UBJ: "xgboost", LIGHTGBM: "lightgbm"}[format])


def put_back(estimator: Any, parts: Mapping[str, BoosterPart]) -> Any:
    """
    Return *estimator* with the boosters of *parts* in the places of their placeholders.

    Raises `Refused` for a placeholder without a part and for a part without one, `MissingExtra` without
    the library, and `Refused` for bytes that the library does not read.
    """
    read: dict[str, Any] = {}
    holder = [estimator]
    for place in list(_places(holder, (Booster,))):
        stand_in = place.value
        part = parts.get(stand_in.name)
        if part is None or part.format != stand_in.format:
            raise Refused(f'the model refers to a booster "{stand_in.name}" that the bundle does not have')
        if part.name not in read:
            read[part.name] = _READERS[part.format](part.content, stand_in)
        place.put(read[part.name])
    if unused := sorted(set(parts) - set(read)):
        raise Refused(f'the bundle has a booster "{unused[0]}" that the model does not refer to')
    return holder[0]


# -- places in an object graph ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an object was found: an attribute, a key or a position of its owner."""

    owner: Any
    key: Any
    value: Any

    def put(self, value: Any) -> None:
        if isinstance(self.owner, (dict, list, np.ndarray)):
            self.owner[self.key] = value
        else:
            setattr(self.owner, self.key, value)


def _places(holder: list[Any], types: tuple[type, ...]) -> Iterator[_Place]:
    """Yield where objects of *types* are in *holder*, at any depth, each place once."""
    if not types:
        return
    seen = {id(holder)}
    stack: list[Any] = [holder]
    while stack:
        owner = stack.pop()
        for key, value in list(_inside(owner)):
            if isinstance(value, types) and not isinstance(owner, tuple):
                yield _Place(owner=owner, key=key, value=value)
            elif id(value) not in seen and _has_inside(value):
                seen.add(id(value))
                stack.append(value)


def _has_inside(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return bool(value.dtype == object)
    return isinstance(value, (dict, list, tuple)) or (hasattr(value, "__dict__") and not isinstance(value, type))


def _inside(owner: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(owner, dict):
        yield from owner.items()
    elif isinstance(owner, (list, tuple)):
        yield from enumerate(owner)
    elif isinstance(owner, np.ndarray):
        yield from ((at, owner[at]) for at in np.ndindex(owner.shape))
    else:
        yield from vars(owner).items()


# -- formats ---------------------------------------------------------------------------------------------


def _booster_types() -> tuple[type, ...]:
    """Return the classes of boosters of the libraries that this process has imported."""
    modules = (sys.modules.get("xgboost"), sys.modules.get("lightgbm"))
    return tuple(module.Booster for module in modules if module is not None)


def _written(booster: Any, number: int) -> tuple[Booster, BoosterPart]:
    xgboost = sys.modules.get("xgboost")
    if xgboost is not None and isinstance(booster, xgboost.Booster):
        format, content = UBJ, bytes(booster.save_raw(raw_format="ubj"))
        best = -1
    else:
        format, content = LIGHTGBM, _text_of(booster).encode()
        best = int(booster.best_iteration)
    name = f"booster-{number}.{_SUFFIX[format]}"
    stand_in = Booster(name=name, format=format, best_iteration=best)
    return stand_in, BoosterPart(name=name, format=format, content=content)


def _text_of(booster: Any) -> str:
    """Return a LightGBM booster as text, without the threads of the machine that fitted it."""
    return re.sub(
        r"^\[num_threads: \d+\]$", "[num_threads: 0]", booster.model_to_string(num_iteration=-1), flags=re.M
    )


def _read_ubj(content: bytes, stand_in: Booster) -> Any:
    xgboost = _library("xgboost")
    try:
        booster = xgboost.Booster()
        booster.load_model(bytearray(content))
    except (xgboost.core.XGBoostError, ValueError) as error:
        raise Refused(f"{stand_in.name} cannot be read as a booster: {_first(error)}") from error
    return booster


def _read_text(content: bytes, stand_in: Booster) -> Any:
    lightgbm = _library("lightgbm")
    try:
        booster = lightgbm.Booster(model_str=content.decode())
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise Refused(f"{stand_in.name} cannot be read as a booster: {_first(error)}") from error
    booster.best_iteration = int(stand_in.best_iteration)
    return booster


_READERS: Mapping[str, Callable[[bytes, Booster], Any]] = {UBJ: _read_ubj, LIGHTGBM: _read_text}


def _library(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtra(f"this model needs {name}; install it with `pip install 'manyfit[boost]'`") from error


def _first(error: Exception) -> str:
    return told(type(error).__name__, (str(error).splitlines() or [""])[0])
