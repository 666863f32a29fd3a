"""What a search is, as one key: equal for equal content in every process, different for any other."""

import hashlib
import pickle
from collections.abc import Mapping
from typing import Any

import cloudpickle
import numpy as np

from manyfit.model.keys import content_key
from manyfit.search.evaluation import Evaluation

_PLAIN = (type(None), bool, int, str)


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


def content_of(value: Any) -> Any:
    """Return *value* as JSON values that are equal for equal content."""
    kind = type(value)
    if kind in _PLAIN:
        return [kind.__name__, value]
    if kind is float or isinstance(value, np.generic):
        return [kind.__name__, repr(value)]
    if kind is np.ndarray:
        return _array(value)
    if kind in (list, tuple):
        return [kind.__name__, [content_of(part) for part in value]]
    if isinstance(value, Mapping):
        return ["mapping", [[content_of(name), content_of(part)] for name, part in value.items()]]
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _named(value)
    return _object(value)


def _array(value: Any) -> list[Any]:
    if value.dtype.hasobject:
        return ["array", value.dtype.str, list(value.shape), [content_of(part) for part in value.ravel().tolist()]]
    digest = _digest(np.ascontiguousarray(value).data)
    return ["array", value.dtype.str, list(value.shape), digest]


def _named(value: Any) -> list[Any]:
    """Return a class or a function: by its name, and where that says too little by its code."""
    name = f"{value.__module__}:{value.__qualname__}"
    code = getattr(value, "__code__", None)
    if code is None and (value.__module__ not in ("__main__", None)):
        return ["name", name]
    if code is None:
        return ["name", name, _digest(cloudpickle.dumps(value))]
    consts = [content_of(part) if type(part) in _PLAIN else repr(type(part)) for part in code.co_consts]
    cells = [content_of(cell.cell_contents) for cell in value.__closure__ or ()]
    defaults = content_of([*(value.__defaults__ or ()), *sorted((value.__kwdefaults__ or {}).items())])
    return ["function", name, _digest(code.co_code), consts, list(code.co_names), cells, defaults]


def _object(value: Any) -> list[Any]:
    """Return any other object: by its parameters, by its state, or by its pickle."""
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if hasattr(value, "get_params"):
        return ["estimator", _named(type(value)), content_of(value.get_params(deep=False))]
    if isinstance(value, np.random.RandomState):
        return ["state", content_of(list(value.get_state()))]
    if hasattr(value, "to_numpy") and hasattr(value, "columns"):
        return ["frame", name, [str(column) for column in value.columns], _columns(value)]
    if hasattr(value, "to_numpy"):
        return ["series", name, content_of(value.to_numpy())]
    if hasattr(value, "__dict__"):
        return ["object", name, content_of(dict(vars(value)))]
    return ["pickle", name, _digest(pickle.dumps(value, protocol=5))]


def _columns(frame: Any) -> list[Any]:
    return [content_of(np.asarray(frame[column])) for column in frame.columns]


def _digest(content: bytes | memoryview) -> str:
    return hashlib.sha256(content).hexdigest()
