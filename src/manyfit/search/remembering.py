"""
Whether what the user wrote to fit or to score may keep what it sees in variables of this process.

A runner has copies of such variables: what is kept there is lost to the program that looks at its own. The
answer errs on the side of yes: it is no only where all code of the user that a search comes to is plainly
without memory. Such code stores nothing but into its own variables and attributes of its estimators, and
names nothing that can change but containers of plain values that it only reads.
"""

import dis
import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from sklearn.metrics._scorer import _BaseScorer, _PassthroughScorer

from manyfit.search.blueprints import inside
from manyfit.search.evaluation import Evaluation
from manyfit.search.users import attributes_in, cells_of, codes_in, globals_in, imports_in, is_users

_PLAIN = (type(None), bool, int, float, complex, str, bytes, type(Ellipsis), range)
_REACHING = frozenset({"globals", "vars", "exec", "eval", "setattr", "delattr", "__dict__"})
"""What changes variables by their names."""
_READERS = frozenset({"len", "sum", "min", "max", "sorted", "any", "all"})
_READING = frozenset({"GET_ITER", "CONTAINS_OP", "COMPARE_OP", "BINARY_OP"})
"""Instructions that leave alone what is on top of the stack."""
_COMPUTING = frozenset({"BINARY_SUBSCR", "BINARY_OP", "COMPARE_OP", "CONTAINS_OP"})
_STORING = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_PASSING = _STORING | {"COPY", "SWAP", "STORE_FAST", "STORE_DEREF", "STORE_NAME"}
"""What follows the name of a class or a function that gets another name, or whose attributes change."""

_CALLED = (type, FunctionType, MethodType, partial, _BaseScorer)

Line = Sequence[dis.Instruction]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Owner:
    """What a method belongs to: its methods, its other attributes, and whether it is there for several fits."""

    methods: Mapping[str, Sequence[FunctionType]] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    stays: bool = False


_NOTHING = _Owner()


def what_remembers(evaluation: Evaluation) -> str:
    """Return the name of a function or an object of the user that may keep what it sees; empty: there is none."""
    return next(_Looking().into(evaluation), "")


class _Looking:
    """One look at all that a search comes to; each method yields the names of what may keep something."""

    def __init__(self) -> None:
        self._seen: set[tuple[int, int]] = set()
        self._owners: dict[int, tuple[Any, _Owner]] = {}  # kept alive: an id is told once only
        self._classes: dict[type, _Owner] = {}

    def into(self, evaluation: Evaluation) -> Iterator[str]:
        scorers = getattr(evaluation.scorer, "_scorers", None) or {"": evaluation.scorer}
        for scorer in scorers.values():
            yield from self._called(scorer, {})
        tried = [value for params in evaluation.candidates for value in params.values()]
        for part in inside([evaluation.estimator, *tried]):
            yield from self._class(type(part))
            tried += part.get_params(deep=False).values()
        # what an estimator calls; its other parameters are copied for each fit
        for value in {id(value): value for value in tried if callable(value)}.values():
            if isinstance(value, _CALLED) or _is_users_object(value):
                yield from self._called(value, {})

    def _called(self, called: Any, given: Mapping[str, Any]) -> Iterator[str]:
        """Look at what is called, each time with what is *given* beside other arguments."""
        if isinstance(called, partial):
            yield from self._called(called.func, {**_placed(called), **called.keywords, **given})
        elif isinstance(called, _BaseScorer):
            yield from self._called(called._score_func, {**given, **called._kwargs})
        elif isinstance(called, type):
            yield from self._class(called)
        elif isinstance(called, FunctionType) and is_users(called):
            yield from self._function(called, given)
        elif isinstance(called, MethodType) and is_users(called.__func__):
            yield from self._function(_functions(called)[0], given, self._owner(called.__self__))
        elif _is_users_object(called):
            owner = self._owner(called)
            for function in owner.methods.get("__call__", ()):
                yield from self._function(function, given, owner)
        elif not _is_settled(called) or not all(_is_plain(one) or _is_of_plain(one) for one in given.values()):
            yield _name(called)

    def _owner(self, thing: Any) -> _Owner:
        """Return what the methods of a thing that stays may name: an object, or the class of class methods."""
        return self._owners.setdefault(id(thing), (thing, _owner(thing)))[1]

    def _class(self, cls: type) -> Iterator[str]:
        """Look at the methods of a class of the user, whose objects are new for each fit or call."""
        if cls in self._classes:
            return
        parents = [one for one in cls.__mro__ if is_users(one)]
        fresh = self._classes[cls] = _owner_of(parents, stays=False)
        stays = self._owner(cls)
        for parent in parents:
            for found in vars(parent).values():
                for function in _functions(found):
                    owner = stays if isinstance(found, classmethod) else fresh
                    yield from self._function(function, {}, owner)

    def _function(
        self, function: FunctionType, given: Mapping[str, Any], owner: _Owner = _NOTHING
    ) -> Iterator[str]:
        place = (id(function), id(owner))
        if place in self._seen and not given:
            return
        self._seen.add(place)
        lines = [list(dis.get_instructions(code)) for code in codes_in(function.__code__)]
        if _stores(function, lines, owner) or _loses(function, given):
            yield _name(function)
        names = attributes_in(function.__code__)
        of_owner = ((name, owner.values[name]) for name in names & owner.values.keys())
        for name, value in itertools.chain(given.items(), _held(function, names), of_owner):
            yield from self._value(name, value, function, lines)
        for name in names & owner.methods.keys():
            for one in owner.methods[name]:
                yield from self._function(one, {}, owner)

    def _value(self, name: str, value: Any, function: FunctionType, lines: Sequence[Line]) -> Iterator[str]:
        """Look at what a function holds by a name."""
        if _is_of_plain(value):
            kept = not all(_is_only_read(name, value, line) for line in lines)
        elif isinstance(value, ModuleType) or (callable(value) and not _is_users_object(value)):
            kept = any(line[at + 1].opname in _PASSING for line in lines for at in _loads(name, line))
            if not isinstance(value, ModuleType):
                yield from self._called(value, {})
        else:
            kept = not _is_plain(value)
        if kept:
            yield f"{_name(function)}, by {name}"


# -- what there is ---------------------------------------------------------------------------------


def _is_plain(value: Any) -> bool:
    """Whether a value cannot change."""
    if type(value) in (tuple, frozenset):
        return all(map(_is_plain, value))
    named = isinstance(value, Enum) and not is_users(type(value))
    return named or type(value) in _PLAIN or isinstance(value, (np.generic, np.dtype))


def _is_of_plain(value: Any) -> bool:
    """Whether it is a container of values that cannot change."""
    if type(value) is np.ndarray:
        return not value.dtype.hasobject
    if type(value) is dict:
        return all(map(_is_plain, value.values()))
    return type(value) in (list, set) and all(map(_is_plain, value))


def _is_settled(called: Any) -> bool:
    """Whether a function of others is no method of an object, which may change."""
    holder = getattr(called, "__self__", None)
    named = hasattr(called, "__name__") and isinstance(holder, (type(None), ModuleType, type))
    return named or isinstance(called, _PassthroughScorer)


def _is_users_object(value: Any) -> bool:
    return is_users(type(value)) and not hasattr(value, "get_params")


def _functions(found: Any) -> list[FunctionType]:
    """Return the functions of the user that an attribute of a class stands for."""
    parts = [found, getattr(found, "__func__", None)]
    parts += [getattr(found, name, None) for name in ("fget", "fset", "fdel")]
    if hasattr(type(found), "__get__") and not isinstance(found, FunctionType):
        parts += getattr(found, "__dict__", {}).values()
    return [part for part in parts if isinstance(part, FunctionType) and is_users(part)]


def _owner(thing: Any) -> _Owner:
    cls = thing if isinstance(thing, type) else type(thing)
    state = {} if isinstance(thing, type) else object.__getstate__(thing)
    parts = state if isinstance(state, tuple) else (state,)
    values = {name: value for part in parts if part for name, value in part.items()}
    return _owner_of([one for one in cls.__mro__ if is_users(one)], stays=True, values=values)


def _owner_of(parents: Sequence[type], *, stays: bool, values: Mapping[str, Any] | None = None) -> _Owner:
    found = {name: value for parent in reversed(parents) for name, value in vars(parent).items()}
    methods = {name: functions for name, value in found.items() if (functions := _functions(value))}
    others = {name: value for name, value in found.items() if name not in methods and not name.startswith("__")}
    return _Owner(methods=methods, values={**others, **(values or {})}, stays=stays)


def _placed(called: "partial[Any]") -> dict[str, Any]:
    """Return the arguments that a partial function gives by their places, by name where it is known."""
    function = getattr(called.func, "__func__", called.func)
    code = getattr(function, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    names = names[1:] if isinstance(called.func, MethodType) else names
    return {name or f"argument {n}": one for n, (name, one) in enumerate(_longer(names, called.args))}


def _longer(names: Sequence[str], values: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    return zip(itertools.chain(names, itertools.repeat("")), values, strict=False)


def _held(function: FunctionType, names: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield what a function names, or has as a default or an attribute, with what it may name of modules."""
    code, place = function.__code__, function.__globals__
    defaults = function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True)
    yield from (function.__kwdefaults__ or {}).items()
    yield from vars(function).items()
    around = [*cells_of(function), *((name, place[name]) for name in globals_in(code) & place.keys())]
    yield from around
    imported = [sys.modules.get(name) for name in imports_in(code)]
    seen: set[int] = set()
    for module in [*(value for _, value in around), *imported]:
        if isinstance(module, ModuleType):
            yield from _of_module(module, names, seen)


def _of_module(module: ModuleType, names: set[str], seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield what code with these names of attributes may ask of a module: of those of others, what may change."""
    if id(module) in seen:
        return
    seen.add(id(module))
    for name in names & vars(module).keys():
        value = vars(module)[name]
        if isinstance(value, ModuleType):
            yield from _of_module(value, names, seen)
        elif is_users(module) or not (_is_plain(value) or _is_of_plain(value) or _is_settled(value)):
            yield name, value


# -- what code does with it ------------------------------------------------------------------------


def _stores(function: FunctionType, lines: Sequence[Line], owner: _Owner) -> bool:
    """Whether code stores into anything but its own variables and attributes of what these hold."""
    code = function.__code__
    globals_, attributes = globals_in(code), attributes_in(code)
    first = code.co_varnames[:1]
    by_class = "type" in globals_ or "__class__" in attributes
    if _REACHING & (globals_ | attributes) or (owner.stays and any(_leaves(first, line) for line in lines)):
        return True
    for line in lines:
        for at, one in enumerate(line):
            around = one.opname.endswith("_DEREF") and one.argval in code.co_freevars
            if one.opname.startswith(("STORE", "DELETE")) and (around or one.opname.endswith("_GLOBAL")):
                return True
            if one.opname in _STORING:
                root = _root(line, at)
                if root is None or root in code.co_freevars or (by_class and root not in first):
                    return True
    return False


def _leaves(first: Sequence[str], line: Line) -> bool:
    """Whether more is done with the first argument, which stays, than to ask for its attributes."""
    asked = ("LOAD_ATTR", "LOAD_METHOD")
    loads = [at for name in first for at in _loads(name, line)]
    return any(not line[at + 1].opname.startswith(asked) for at in loads) or any(
        one.opname in _STORING and _root(line, at) in first for at, one in enumerate(line)
    )


def _root(line: Line, at: int) -> str | None:
    """Return the local variable that is the beginning of where an attribute is stored; None: there is none."""
    before = at - 1
    if line[before].opname == "SWAP":  # as in `a.n += 1`: what was read is what is stored
        asked = [n for n in range(before) if line[n].opname == "COPY" and line[n + 1].argval == line[at].argval]
        before = asked[-1] - 1 if asked else before
    while line[before].opname == "LOAD_ATTR" and line[before].argval != "__class__":
        before -= 1
    one = line[before]
    if "LOAD_FAST" not in one.opname and one.opname != "LOAD_DEREF":
        return None
    return str(one.argval[-1] if isinstance(one.argval, tuple) else one.argval)


def _loads(name: str, line: Line) -> list[int]:
    """Return where code puts the variable or the attribute *name* on the stack."""
    return [
        at
        for at, one in enumerate(line)
        if "LOAD" in one.opname
        and one.opname not in ("LOAD_CONST", "LOAD_CLOSURE")
        and (one.argval == name or (isinstance(one.argval, tuple) and name in one.argval))
    ]


def _is_only_read(name: str, value: Any, line: Line) -> bool:
    """Whether all that code does with the container *name* is to look into it or to compute with it."""
    return all(_is_read(value, line, at) for at in _loads(name, line))


def _is_read(value: Any, line: Line, at: int) -> bool:
    """Whether the instructions around the one that loads a container leave it alone; a part of an array is it."""
    after, then = line[at + 1], line[min(at + 2, len(line) - 1)]
    if after.opname in _READING:
        return after.opname != "GET_ITER" or getattr(value, "ndim", 1) == 1
    if after.opname in ("PRECALL", "CALL"):
        return line[at - 1].opname == "LOAD_GLOBAL" and line[at - 1].argval in _READERS
    simple = after.opname.startswith(("LOAD_CONST", "LOAD_FAST", "LOAD_GLOBAL", "LOAD_SMALL_INT"))
    if not simple or then.opname not in _COMPUTING or (then.argrepr.endswith("=") and then.opname == "BINARY_OP"):
        return False
    return not (isinstance(value, np.ndarray) and (then.opname == "BINARY_SUBSCR" or then.argrepr == "[]"))


def _loses(function: FunctionType, given: Mapping[str, Any]) -> bool:
    """Whether what is given and can change has no name in the function."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return any(name not in names and not _is_plain(value) for name, value in given.items())


def _name(thing: Any) -> str:
    return str(getattr(thing, "__qualname__", type(thing).__qualname__))
