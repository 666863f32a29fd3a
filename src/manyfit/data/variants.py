"""Data variants: the combinations of arguments of a source function and of what shapes its table."""

import itertools
from collections.abc import Mapping
from typing import Any

from manyfit.data.shaping import shape_grid
from manyfit.model.candidate import show_value
from manyfit.model.keys import canonical_json
from manyfit.model.sweep import DataSpec


def variants(data: DataSpec) -> dict[str, Mapping[str, Any]]:
    """
    Return the arguments of each data variant by its name; the only variant without a grid is "".

    Arguments of the shaping have names with a dot (`windows.size`), which no argument of a function has.
    """
    grid = {**data.grid, **shape_grid(data)}
    combinations = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    names = [" ".join(f"{key}={show_value(value)}" for key, value in params.items()) for params in combinations]
    if len(set(names)) < len(names):
        names = [canonical_json(params).decode() for params in combinations]
    return dict(zip(names, combinations, strict=True))
