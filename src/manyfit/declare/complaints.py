"""Mistakes of a declaration: collected while it is read, and translated from what pydantic reports."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from manyfit.model.mistake import Mistake, did_you_mean

Location = tuple[str | int, ...]


class Complaints:
    """Several complaints at places below the value that is being read, raised together."""

    def __init__(self) -> None:
        self._found: list[tuple[Location, str]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, message: str, *location: str | int) -> None:
        self._found.append((location, message))

    def keep(self, read: Callable[[Any], Any], value: Any, *location: str | int) -> Any:
        """Return what *read* makes of *value*, or None with its complaints kept, so that reading goes on."""
        try:
            return read(value)
        except PydanticCustomError as error:
            self.add(error.message(), *location)
        except ValidationError as error:
            for details in error.errors():
                self.add(details["msg"], *location, *details["loc"])
        return None

    def raise_any(self) -> None:
        """Raise everything collected as one pydantic error, which keeps the places; nothing if all is well."""
        if self._found:
            details = [
                InitErrorDetails(type=_custom(message), loc=place, input=None) for place, message in self._found
            ]
            raise ValidationError.from_exception_data("sweep", details)


def wrong(message: str) -> NoReturn:
    """Refuse the value that is being read."""
    raise _custom(message)


def _custom(message: str) -> PydanticCustomError:
    return PydanticCustomError("mistake", "{text}", {"text": message})


def shown(value: Any) -> str:
    """Return a received value with its kind, as messages show it: ``"1x" is a text`` without the verb."""
    if isinstance(value, str):
        return json.dumps(value if len(value) <= 60 else value[:57] + "...", ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(str(key) for key in value) + "}"
    text = str(list(value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def kind_of(value: Any) -> str:
    """Return what a value is, in the words of a person who writes TOML."""
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "a truth value"),
        (str, "a text"),
        (int, "an integer"),
        (float, "a number"),
        (Mapping, "a table"),
        ((list, tuple), "a list"),
    )
    if value is None:
        return "nothing"
    return next((name for kind, name in kinds if isinstance(value, kind)), f"a {type(value).__name__}")


def received(value: Any) -> str:
    """Return the beginning of a message about a value of the wrong kind: ``"100" is a text``."""
    return f"{shown(value)} is {kind_of(value)}"


def unknown(word: str, known: Iterable[str], what: str) -> str:
    """Return the message for a word that is none of *known*."""
    names = list(known)
    return f'no {what} "{word}"{did_you_mean(word, names)}; known: {", ".join(names)}'


def key_path(location: Location) -> str:
    """Return a location as people write it: ``pipelines.svc.grid[1].gama``."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part != "[key]":
            path += f".{part}" if path else str(part)
    return path


def mistakes_of(error: ValidationError, model: type[BaseModel], file: str) -> list[Mistake]:
    """Return everything that pydantic found wrong, in its order, as mistakes of *file*."""
    return [
        Mistake(file=file, key=key_path(details["loc"]), message=_message(details, model))
        for details in error.errors(include_url=False)
    ]


def _message(details: ErrorDetails, model: type[BaseModel]) -> str:
    value = details["input"]
    match details["type"]:
        case "mistake":
            return str(details["ctx"]["text"])
        case "extra_forbidden":
            return unknown(str(details["loc"][-1]), _known(model, details["loc"][:-1]), "key")
        case "missing":
            return "is missing"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{received(value)}; a table is wanted"
        case _:
            return f"{received(value)}; {details['msg'][:1].lower()}{details['msg'][1:]}"


def _known(model: type[BaseModel], location: Location) -> list[str]:
    """Return the keys that are allowed in the table at *location*."""
    for part in location:
        field = _by_key(model).get(str(part))
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return list(_by_key(model))


def _by_key(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by their keys in the file."""
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)
