"""
Whether a scorer or an estimator of the user keeps what it sees in variables of this process.

A runner has copies of such variables: what is kept there is lost to the program that looks at its own.
"""

import dis
import itertools
import random
import sys
from collections import deque
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from manyfit.search.blueprints import inside
from manyfit.search.evaluation import Evaluation

_STREAMS = (np.random.RandomState, np.random.Generator, random.Random, Iterator)
_CONTAINERS = (list, dict, set, bytearray, deque, np.ndarray)
_CHANGING = frozenset({"add", "append", "appendleft", "extend", "insert", "pop", "setdefault", "update"})
"""Methods of containers that keep something."""
_STORING = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR"})


def remembers(evaluation: Evaluation) -> bool:
    """Whether any function of the user that fits or scores may change what it shares with others; rather yes."""
    seen: set[int] = set()
    scorers = getattr(evaluation.scorer, "_scorers", None) or {"": evaluation.scorer}
    called = [getattr(scorer, "_score_func", scorer) for scorer in scorers.values()]
    if any(_changes_itself(one) for one in called):
        return True
    functions = itertools.chain(*map(_behind, called), _fitting_functions(evaluation))
    return any(_keeps(function, seen) for function in functions)


def _changes_itself(called: Any) -> bool:
    """Whether an object that is called like a function changes its own attributes."""
    of_class = [vars(cls).get("__call__") for cls in type(called).__mro__]
    function = getattr(called, "__func__", None) or next(filter(None, of_class), None)
    if not isinstance(function, FunctionType) or not _is_users(function):
        return False
    codes = list(_codes(function.__code__))
    return _changes(codes) or any(
        one.opname in ("STORE_ATTR", "DELETE_ATTR") for code in codes for one in dis.get_instructions(code)
    )


def _fitting_functions(evaluation: Evaluation) -> Iterator[FunctionType]:
    """Yield the methods of the user's estimators."""
    tried = [value for params in evaluation.candidates for value in params.values() if hasattr(value, "fit")]
    for cls in {type(part) for part in inside([evaluation.estimator, *tried])}:
        yield from _methods(cls)


def _behind(called: Any) -> Iterator[FunctionType]:
    """Yield the functions of the user that calling *called* comes to."""
    called = getattr(called, "func", called)  # of a partial function
    called = getattr(called, "__func__", called)  # of a bound method
    if isinstance(called, FunctionType):
        if _is_users(called):
            yield called
    elif not isinstance(called, type):
        yield from _methods(type(called))


def _methods(cls: type) -> Iterator[FunctionType]:
    for parent in cls.__mro__:
        if _is_users(parent):
            for found in vars(parent).values():
                function = getattr(found, "__func__", getattr(found, "fget", found))
                if isinstance(function, FunctionType):
                    yield function


def _is_users(thing: FunctionType | type) -> bool:
    """Whether a function or a class is no part of Python or of an installed package."""
    if "<locals>" in thing.__qualname__:
        return True
    if thing.__module__.partition(".")[0] in sys.stdlib_module_names - {"__main__"}:
        return False
    file = getattr(sys.modules.get(thing.__module__), "__file__", None) or ""
    return "site-packages" not in file and "dist-packages" not in file


def _keeps(function: FunctionType, seen: set[int]) -> bool:
    if id(function) in seen:
        return False
    seen.add(id(function))
    codes = list(_codes(function.__code__))
    held = list(_held(function, codes))
    if any(isinstance(value, _STREAMS) for value in held) or _assigns(function.__code__, codes):
        return True
    if _changes(codes) and any(isinstance(value, _CONTAINERS) for value in held):
        return True
    inner = (one for one in held if isinstance(one, FunctionType) and _is_users(one))
    return any(_keeps(one, seen) for one in inner)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield the code and that of the functions inside it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _codes(part)


def _held(function: FunctionType, codes: list[CodeType]) -> Iterator[Any]:
    """Yield what the variables around the function hold that it names, and its default values."""
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    for name in {name for code in codes for name in code.co_names} & function.__globals__.keys():
        yield function.__globals__[name]
    yield from function.__defaults__ or ()
    yield from (function.__kwdefaults__ or {}).values()


def _assigns(outer: CodeType, codes: list[CodeType]) -> bool:
    """Whether a variable around the function is assigned to."""
    return any(
        one.opname == "STORE_GLOBAL" or (one.opname == "STORE_DEREF" and one.argval in outer.co_freevars)
        for code in codes
        for one in dis.get_instructions(code)
    )


def _changes(codes: list[CodeType]) -> bool:
    """Whether anything is put into a container."""
    return any(
        _CHANGING.intersection(code.co_names) or any(one.opname in _STORING for one in dis.get_instructions(code))
        for code in codes
    )
