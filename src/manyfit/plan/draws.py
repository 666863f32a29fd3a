"""Random candidates, the same on every machine: distributions over Python's own Mersenne Twister."""

import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from manyfit.model.sweep import Distribution


def draws(space: Mapping[str, Distribution], n: int, seed: str) -> Iterator[dict[str, Any]]:
    """
    Yield *n* draws from *space*, in an order that depends on *seed* and the parameter names alone.

    Each parameter has a stream of its own, so that more draws keep the earlier ones and a further
    parameter leaves the values of the others as they are.
    """
    streams = {name: random.Random(f"{seed}/{name}") for name in space}  # noqa: S311 - a search, not a secret
    for _ in range(n):
        yield {name: _DRAW[space[name].kind](stream, space[name].args) for name, stream in streams.items()}


def _uniform(stream: random.Random, args: tuple[Any, ...]) -> float:
    low, high = args
    return float(low + (high - low) * stream.random())


def _loguniform(stream: random.Random, args: tuple[Any, ...]) -> float:
    low, high = math.log(args[0]), math.log(args[1])
    return math.exp(low + (high - low) * stream.random())


def _normal(stream: random.Random, args: tuple[Any, ...]) -> float:
    return stream.normalvariate(*args)


def _lognormal(stream: random.Random, args: tuple[Any, ...]) -> float:
    return stream.lognormvariate(*args)


def _int(stream: random.Random, args: tuple[Any, ...]) -> int:
    return stream.randint(*args)


def _logint(stream: random.Random, args: tuple[Any, ...]) -> int:
    low, high = int(args[0]), int(args[1])
    return min(high, int(math.exp(math.log(low) + (math.log(high + 1) - math.log(low)) * stream.random())))


def _choice(stream: random.Random, args: tuple[Any, ...]) -> Any:
    return args[stream.randrange(len(args))]


_DRAW: Mapping[str, Callable[[random.Random, tuple[Any, ...]], Any]] = {
    "uniform": _uniform,
    "loguniform": _loguniform,
    "normal": _normal,
    "lognormal": _lognormal,
    "int": _int,
    "logint": _logint,
    "choice": _choice,
}
