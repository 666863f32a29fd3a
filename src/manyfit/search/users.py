"""What of a program is the user's own, and what functions of it name."""

import dis
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

_OTHERS = (sys.stdlib_module_names | {__name__.partition(".")[0]}) - {"__main__"}
"""Python's own packages, and ours, which need not be installed."""
_NAMING = frozenset({"LOAD_GLOBAL", "LOAD_NAME"})
_ASKING = ("LOAD_ATTR", "LOAD_METHOD", "IMPORT_FROM")


def is_users(thing: Any) -> bool:
    """Whether a function, a class or a module is no part of Python, of manyfit or of an installed package."""
    if "<locals>" in getattr(thing, "__qualname__", ""):
        return True
    place = str(getattr(thing, "__module__", None) or getattr(thing, "__name__", ""))
    if place.partition(".")[0] in _OTHERS:
        return False
    file = getattr(sys.modules.get(place), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of the functions inside it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from codes_in(part)


def globals_in(code: CodeType) -> set[str]:
    """Return the names of global variables that the code reads."""
    return {one.argval for part in codes_in(code) for one in dis.get_instructions(part) if one.opname in _NAMING}


def attributes_in(code: CodeType) -> set[str]:
    """Return the names of attributes that the code reads, of whatever."""
    return {
        one.argval
        for part in codes_in(code)
        for one in dis.get_instructions(part)
        if one.opname.startswith(_ASKING)
    }


def imports_in(code: CodeType) -> set[str]:
    """Return the names of the modules that the code imports."""
    return {
        one.argval for part in codes_in(code) for one in dis.get_instructions(part) if one.opname == "IMPORT_NAME"
    }


def cells_of(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the variables around the function that it names, and what they hold, if anything yet."""
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
