"""What a search is, as one key: equal for equal content in every process, different for any other."""

import hashlib
import inspect
import pickle
from collections.abc import Iterator, Mapping
from functools import partial
from types import CodeType, ModuleType
from typing import Any

import cloudpickle
import numpy as np
from sklearn.base import BaseEstimator

from manyfit.model.keys import content_key
from manyfit.search.evaluation import Evaluation
from manyfit.search.users import attributes_in, cells_of, globals_in, is_users

_PLAIN = (type(None), bool, int, str)
_HOLDING = (list, tuple, str, bytes, bytearray, int, float, complex, np.ndarray)
"""Classes whose instances hold something that is none of their attributes, those of derived classes too."""
_VALUES = (*_HOLDING, type(None), set, frozenset, Mapping, np.generic, partial)
"""Classes of what counts where it is an attribute of a class, or a global variable that a function names."""
_KEPT = ("_metadata_request", "_sklearn_output_config")
"""What a copy of an estimator has from it beside its parameters."""
_INCIDENTAL = frozenset({"__module__", "__doc__", "__dict__", "__weakref__", "__qualname__", "__slotnames__"})
_INCIDENTAL |= {"__annotations__", "__annotate__", "__annotate_func__", "__annotations_cache__", "_abc_impl"}
_INCIDENTAL |= {"__firstlineno__", "__static_attributes__", "__abstractmethods__"}
"""Attributes of classes that decide nothing, or that Python writes while the program runs."""


def search_key(evaluation: Evaluation) -> str:
    """Return the key of everything that decides the results of *evaluation*, apart from chance."""
    fuse = evaluation.fuse
    return content_key(
        [
            "search",
            [
                content_of(part)
                for part in (
                    evaluation.estimator,
                    evaluation.X,
                    evaluation.y,
                    [dict(candidate) for candidate in evaluation.candidates],
                    [tuple(map(np.asarray, split)) for split in evaluation.splits],
                    evaluation.scorer,
                    dict(evaluation.fit_params),
                    dict(evaluation.score_params),
                    evaluation.return_train_score,
                    evaluation.error_score,
                    dict(evaluation.settings),
                    sorted(fuse.also) if fuse is not None else [],
                )
            ],
        ]
    )


def content_of(value: Any, above: tuple[int, ...] = ()) -> Any:
    """
    Return *value* as JSON values that are equal for equal content.

    Functions and classes of the user count by their code and by what they name; those of Python and of
    installed packages by their names. *above* are the ids of the values that this one is in: what holds
    itself is named by its place among them.
    """
    walk = _Walk()
    content = walk.content(value, above)
    own = walk.own()
    return ["with", content, own] if own else content


class _Walk:
    """
    One way through a value and all that it comes to.

    Functions and classes of the user, which may name each other, stand as numbers in what `content` returns;
    `own` returns what they are, in the order of the numbers.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._met: list[Any] = []  # kept alive: an id is told once only

    def own(self) -> list[Any]:
        """Return the content of each function and class of the user that was met, and of those that they name."""
        # the list grows while it is read
        return [self._class(one) if isinstance(one, type) else self._function(one) for one in self._met]

    def content(self, value: Any, above: tuple[int, ...] = ()) -> Any:
        """Return what `content_of` does, with numbers for what is the user's."""
        kind = type(value)
        if kind in _PLAIN:
            return [kind.__name__, value]
        if kind is float or isinstance(value, np.generic):
            return [kind.__name__, repr(value)]
        if id(value) in above:
            return ["above", above.index(id(value))]
        above = (*above, id(value))
        if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
            return self._named(value, above)
        content = self._object(value, above)
        return [*content, self._named(kind, above)] if is_users(kind) else content

    # -- what is the user's ------------------------------------------------------------------------

    def _number(self, own: Any) -> int:
        if id(own) not in self._numbers:
            self._numbers[id(own)] = len(self._met)
            self._met.append(own)
        return self._numbers[id(own)]

    def _function(self, function: Any) -> list[Any]:
        cells = {name: self.content(value) for name, value in cells_of(function)}
        defaults = [self.content(function.__defaults__), self.content(function.__kwdefaults__)]
        named = [[name, self._told(value)] for name, value in _globals_of(function)]
        attributes = self.content(vars(function))
        return ["function", self._code(function.__code__), cells, defaults, named, attributes]

    def _code(self, code: CodeType) -> list[Any]:
        """Return what code does, without where it is written; its bytes differ between versions of Python."""
        n_arguments = code.co_argcount + code.co_kwonlyargcount
        arguments = [code.co_argcount, code.co_posonlyargcount, code.co_flags, *code.co_varnames[:n_arguments]]
        does = _digest(code.co_code + code.co_exceptiontable)
        return ["code", does, arguments, list(code.co_names), [self.content(one) for one in code.co_consts]]

    def _class(self, cls: type) -> list[Any]:
        names = sorted(vars(cls).keys() - _INCIDENTAL)
        bases = [self._named(one, ()) for one in cls.__bases__]
        return ["class", bases, [[name, self._told(vars(cls)[name])] for name in names]]

    def _told(self, value: Any) -> Any:
        """Return an attribute of a class or a global variable; what others made of it counts by name."""
        if isinstance(value, (staticmethod, classmethod)):
            return [type(value).__name__, self._told(value.__func__)]
        if isinstance(value, property):
            return ["property", [self._told(part) for part in (value.fget, value.fset, value.fdel)]]
        if isinstance(value, _VALUES) or inspect.isroutine(value) or isinstance(value, type):
            return self.content(value)
        if is_users(type(value)) or hasattr(value, "get_params") or hasattr(value, "to_numpy"):
            return self.content(value)
        if isinstance(value, ModuleType):
            return ["module", value.__name__]
        functions = [part for part in getattr(value, "__dict__", {}).values() if inspect.isfunction(part)]
        return ["other", _name(type(value)), [self.content(part) for part in functions]]

    # -- values ------------------------------------------------------------------------------------

    def _array(self, value: Any, above: tuple[int, ...]) -> list[Any]:
        dtype = value.dtype.str if value.dtype.names is None else repr(value.dtype)
        if value.dtype.hasobject:
            parts = [self.content(part, above) for part in value.ravel().tolist()]
            return ["array", dtype, list(value.shape), parts]
        whole = np.ascontiguousarray(value)
        try:
            digest = _digest(whole.data)
        except ValueError:  # dates have no buffer
            digest = _digest(whole.tobytes())
        return ["array", dtype, list(value.shape), digest]

    def _named(self, value: Any, above: tuple[int, ...]) -> list[Any]:
        """Return a class or a function: the user's by a number, others by their name and code."""
        if isinstance(value, type):
            return ["own", _name(value), self._number(value)] if is_users(value) else ["name", _name(value)]
        holder = getattr(value, "__self__", None)  # of a method
        held = [] if holder is None or isinstance(holder, ModuleType) else [self.content(holder, above)]
        function = getattr(value, "__func__", value)
        if inspect.isfunction(function) and is_users(function):
            return ["own", _name(value), self._number(function), *held]
        code = getattr(value, "__code__", None)
        if code is None:
            return ["name", _name(value), *held]
        # the shape that the keys of searches with scikit-learn's own metrics have always had
        consts = [self.content(part) if type(part) in _PLAIN else repr(type(part)) for part in code.co_consts]
        cells = [self.content(cell.cell_contents, above) for cell in value.__closure__ or ()]
        defaults = [*(value.__defaults__ or ()), *sorted((value.__kwdefaults__ or {}).items())]
        does = [_digest(code.co_code), consts, list(code.co_names)]
        return ["function", _name(value), *does, cells, self.content(defaults, above), *held]

    def _object(self, value: Any, above: tuple[int, ...]) -> list[Any]:
        """Return any other object: by its parameters, by its state, or by its pickle."""
        kind, name = type(value), _name(type(value))
        if kind is np.ndarray:
            return self._array(value, above)
        if kind in (list, tuple):
            return [kind.__name__, [self.content(part, above) for part in value]]
        if isinstance(value, Mapping):
            parts = [[self.content(one, above), self.content(part, above)] for one, part in value.items()]
            return ["mapping", parts]
        if isinstance(value, (set, frozenset)):
            return ["set", name, sorted((content_of(part, above) for part in value), key=repr)]
        if isinstance(value, CodeType):
            return self._code(value)
        if hasattr(value, "to_numpy"):
            return self._table(name, value)
        return self._other(name, value, above)

    def _table(self, name: str, value: Any) -> list[Any]:
        """Return a frame or a series, with the names of its rows."""
        index = [self.content(rows) for rows in _index_of(value)]
        if not hasattr(value, "columns"):
            return ["series", name, self.content(value.to_numpy()), *index, *_categories(value)]
        columns = [value[column] for column in value.columns]
        kinds = [kind for column in columns for kind in _categories(column)]
        parts = [self.content(np.asarray(column)) for column in columns]
        return ["frame", name, [str(column) for column in value.columns], parts, *index, *kinds]

    def _other(self, name: str, value: Any, above: tuple[int, ...]) -> list[Any]:
        if hasattr(value, "get_params"):
            return self._estimator(value, above)
        if isinstance(value, np.random.RandomState):
            return ["state", self.content(list(value.get_state()), above)]
        try:
            return self._state(name, value, above)
        except (TypeError, AttributeError, ValueError, pickle.PicklingError):  # a lock, an open file
            return ["other", name]

    def _state(self, name: str, value: Any, above: tuple[int, ...]) -> list[Any]:
        """Return what pickle would keep of an object. Raises what pickling raises."""
        slots = hasattr(value, "__slots__") and not isinstance(value, _HOLDING)
        if not hasattr(value, "__dict__") and not slots:
            return ["pickle", name, _digest(pickle.dumps(value, protocol=5))]
        if _is_told_by_state(value):
            state = value.__getstate__()
            return ["object", name, self.content({} if state is None else state, above)]
        # of a partial function, or what is derived from a list: what it holds is no attribute
        made = value.__reduce_ex__(5)
        if isinstance(made, str):
            return ["made", name, made]
        parts = [list(part) if isinstance(part, Iterator) else part for part in made]
        return ["made", name, [self.content(part, above) for part in parts]]

    def _estimator(self, value: Any, above: tuple[int, ...]) -> list[Any]:
        parts = [self._named(type(value), above), self.content(value.get_params(deep=False), above)]
        kept = {name: vars(value)[name] for name in _KEPT if name in getattr(value, "__dict__", {})}
        usual = BaseEstimator.__sklearn_clone__
        if getattr(type(value), "__sklearn_clone__", usual) is not usual:
            kept["state"] = _pickled(value)  # a frozen estimator keeps what it was fitted to
        return ["estimator", *parts, *([self.content(kept, above)] if kept else [])]


def _name(value: Any) -> str:
    return f"{getattr(value, '__module__', None)}:{value.__qualname__}"


def _globals_of(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the global variables that a function names, and of modules of the user those that it may name."""
    attributes = sorted(attributes_in(function.__code__))
    for name in sorted(globals_in(function.__code__) & function.__globals__.keys()):
        value = function.__globals__[name]
        yield name, value
        if isinstance(value, ModuleType) and is_users(value):
            yield from ((f"{name}.{one}", vars(value)[one]) for one in attributes if one in vars(value))


def _is_told_by_state(value: Any) -> bool:
    cls: Any = type(value)
    usual = cls.__reduce__ is object.__reduce__ and cls.__reduce_ex__ is object.__reduce_ex__
    return usual and not isinstance(value, _HOLDING)


def _index_of(table: Any) -> list[Any]:
    """Return the names of the rows where they are not their numbers: metrics may look at them."""
    index = getattr(table, "index", None)
    if index is None or callable(index):
        return []
    rows = np.asarray(index)
    return [] if rows.dtype.kind == "i" and np.array_equal(rows, np.arange(len(rows))) else [rows]


def _categories(column: Any) -> list[str]:
    """Return the kind of a column of categories: the array that it gives does not tell."""
    kind = str(getattr(column, "dtype", ""))
    return [f"{column.name}: {column.dtype!r}"] if kind.lower().startswith(("categor", "enum")) else []


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=5)
    except (TypeError, AttributeError, ValueError, pickle.PicklingError):
        return bytes(cloudpickle.dumps(value))  # of a local class: another one in each process


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
