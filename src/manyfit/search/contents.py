"""What a search is, as one key: equal for equal content in every process, different for any other."""

import hashlib
import pickle
from collections.abc import Iterator, Mapping
from typing import Any

import cloudpickle
import numpy as np

from manyfit.model.keys import content_key
from manyfit.search.evaluation import Evaluation

_PLAIN = (type(None), bool, int, str)
_HOLDING = (list, tuple, str, bytes, bytearray, int, float, complex, np.ndarray)
"""Classes whose instances hold something that is none of their attributes, those of derived classes too."""


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

    *above* are the ids of the values that this one is in: what holds itself is named by its place among them.
    """
    kind = type(value)
    if kind in _PLAIN:
        return [kind.__name__, value]
    if kind is float or isinstance(value, np.generic):
        return [kind.__name__, repr(value)]
    if id(value) in above:
        return ["above", above.index(id(value))]
    above = (*above, id(value))
    if kind is np.ndarray:
        return _array(value, above)
    if kind in (list, tuple):
        return [kind.__name__, [content_of(part, above) for part in value]]
    if isinstance(value, Mapping):
        return ["mapping", [[content_of(name, above), content_of(part, above)] for name, part in value.items()]]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _named(value, above)
    return _object(value, above)


def _array(value: Any, above: tuple[int, ...]) -> list[Any]:
    if value.dtype.hasobject:
        parts = [content_of(part, above) for part in value.ravel().tolist()]
        return ["array", value.dtype.str, list(value.shape), parts]
    digest = _digest(np.ascontiguousarray(value).data)
    return ["array", value.dtype.str, list(value.shape), digest]


def _named(value: Any, above: tuple[int, ...]) -> list[Any]:
    """Return a class or a function: by its name, and where that says too little by its code."""
    name = f"{value.__module__}:{value.__qualname__}"
    code = getattr(value, "__code__", None)
    if code is None and (value.__module__ not in ("__main__", None)):
        return ["name", name]
    if code is None:
        return ["name", name, _digest(cloudpickle.dumps(value))]
    consts = [content_of(part) if type(part) in _PLAIN else repr(type(part)) for part in code.co_consts]
    cells = [content_of(cell.cell_contents, above) for cell in value.__closure__ or ()]
    defaults = content_of([*(value.__defaults__ or ()), *sorted((value.__kwdefaults__ or {}).items())], above)
    content = ["function", name, _digest(code.co_code), consts, list(code.co_names), cells, defaults]
    holder = getattr(value, "__self__", None)  # of a bound method
    return content if holder is None else [*content, content_of(holder, above)]


def _object(value: Any, above: tuple[int, ...]) -> list[Any]:
    """Return any other object: by its parameters, by its state, or by its pickle."""
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if hasattr(value, "get_params"):
        return ["estimator", _named(type(value), above), content_of(value.get_params(deep=False), above)]
    if isinstance(value, np.random.RandomState):
        return ["state", content_of(list(value.get_state()), above)]
    if hasattr(value, "to_numpy") and hasattr(value, "columns"):
        return ["frame", name, [str(column) for column in value.columns], _columns(value)]
    if hasattr(value, "to_numpy"):
        return ["series", name, content_of(value.to_numpy())]
    if isinstance(value, (set, frozenset)):
        return ["set", name, sorted((content_of(part, above) for part in value), key=repr)]
    if not hasattr(value, "__dict__"):
        return ["pickle", name, _digest(pickle.dumps(value, protocol=5))]
    if _is_told_by_attributes(value):
        return ["object", name, content_of(dict(vars(value)), above)]
    return ["made", name, _making(value.__reduce_ex__(5), above)]


def _is_told_by_attributes(value: Any) -> bool:
    cls: Any = type(value)
    usual = cls.__reduce__ is object.__reduce__ and cls.__reduce_ex__ is object.__reduce_ex__
    return usual and not isinstance(value, _HOLDING)


def _making(made: Any, above: tuple[int, ...]) -> Any:
    """Return what pickle would make an object of, such as a partial function: what it holds is no attribute."""
    if isinstance(made, str):
        return made
    parts = [list(part) if isinstance(part, Iterator) else part for part in made]
    return [content_of(part, above) for part in parts]


def _columns(frame: Any) -> list[Any]:
    return [content_of(np.asarray(frame[column])) for column in frame.columns]


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
