"""Steps, grids and distributions of a search."""

from collections.abc import Mapping
from typing import Any

from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.quantities import is_number, name, plain, text
from manyfit.model.sweep import Distribution, Grid, StepSpec, Values

DISTRIBUTIONS = ("uniform", "loguniform", "normal", "lognormal", "int", "logint", "choice")

# scikit-learn's Pipeline has constructor parameters of these names
_TAKEN = frozenset({"steps", "memory", "transform_input", "verbose"})


def steps(value: Any) -> tuple[StepSpec, ...]:
    """Read a list of steps: names of estimators, or tables with `use`, `name` and fixed parameters."""
    declared = [value] if isinstance(value, (str, Mapping)) else value
    if not isinstance(declared, (list, tuple)):
        wrong(f"{received(value)}; a list of steps is wanted")
    if not declared:
        wrong("is an empty list; a pipeline has at least one step")
    complaints = Complaints()
    found = [_step(step, i, complaints) for i, step in enumerate(declared)]
    complaints.raise_any()
    return _named([(use, given, params) for use, given, params in found])


def _step(value: Any, position: int, complaints: Complaints) -> tuple[str, str, Mapping[str, Any]]:
    """Return class, given name ("" for none) and parameters of one step."""
    if isinstance(value, str) and value.strip():
        return value, "", {}
    if not isinstance(value, Mapping):
        complaints.add(f'{received(value)}; a name or a table {{use = "...", ...}} is wanted', position)
        return "", "", {}
    if "use" not in value:
        complaints.add('a step needs use = "...", the name of its class', position)
    use = complaints.keep(text, value.get("use", "?"), position, "use")
    given = complaints.keep(_step_name, value["name"], position, "name") if "name" in value else ""
    params = {
        str(key): complaints.keep(plain, part, position, str(key))
        for key, part in value.items()
        if key not in {"use", "name"}
    }
    return use or "?", given or "", params


def _step_name(value: Any) -> str:
    found = name(value)
    if "__" in found or found in _TAKEN:
        wrong(f'{shown(value)} cannot name a step: "__" and {", ".join(sorted(_TAKEN))} are scikit-learn\'s own')
    return found


def _named(declared: list[tuple[str, str, Mapping[str, Any]]]) -> tuple[StepSpec, ...]:
    """Name the steps as scikit-learn's make_pipeline does: lowercased, numbered where a name repeats."""
    derived = [given or use.replace(":", ".").rpartition(".")[2].lower() for use, given, _ in declared]
    complaints = Complaints()
    named: list[StepSpec] = []
    for i, (use, given, params) in enumerate(declared):
        twins = [j for j, other in enumerate(derived) if other == derived[i] and not declared[j][1]]
        if given and derived.count(given) > 1 and derived.index(given) < i:
            complaints.add(f'two steps are called "{given}"', i, "name")
        numbered = f"{derived[i]}-{twins.index(i) + 1}" if not given and len(twins) > 1 else derived[i]
        named.append(StepSpec(use=use, name=numbered, params=params))
    complaints.raise_any()
    return tuple(named)


def grid(value: Any) -> Grid:
    """Read one table of parameters with their values; a single value counts as a list of one."""
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table of parameters with lists of values is wanted")
    complaints = Complaints()
    found = {str(key): complaints.keep(values, part, str(key)) for key, part in value.items()}
    complaints.raise_any()
    return found


def grids(value: Any) -> tuple[Grid, ...]:
    """Read a table, or a list of tables, each a grid of its own."""
    if isinstance(value, Mapping):
        return (grid(value),)
    if not isinstance(value, (list, tuple)):
        wrong(f"{received(value)}; a table or a list of tables is wanted")
    if not value:
        wrong("is an empty list; leave the grid out for a single candidate")
    complaints = Complaints()
    found = tuple(complaints.keep(grid, part, i) for i, part in enumerate(value))
    complaints.raise_any()
    return found


def values(value: Any) -> Values:
    """Read the values of one parameter; a NumPy array is a list."""
    listed = value.tolist() if getattr(value, "ndim", 0) == 1 else value
    if not isinstance(listed, (list, tuple, range)):
        return (plain(listed),)
    if not listed:
        wrong("is an empty list; give at least one value or leave the parameter out")
    return tuple(plain(part) for part in listed)


def space(value: Any) -> Mapping[str, Distribution]:
    """Read a table of parameters with their distributions."""
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table of parameters with distributions is wanted")
    complaints = Complaints()
    found = {str(key): complaints.keep(_distribution, part, str(key)) for key, part in value.items()}
    complaints.raise_any()
    return found


def _distribution(value: Any) -> Distribution:
    if not isinstance(value, Mapping) or "use" in value:
        return Distribution(kind="choice", args=values(value))
    if len(value) != 1:
        wrong(
            f"{shown(value)} has {len(value)} keys; a distribution has one, such as {{loguniform = [1e-3, 1e3]}}"
        )
    kind, args = next(iter(value.items()))
    if kind not in DISTRIBUTIONS:
        wrong(unknown(str(kind), DISTRIBUTIONS, "distribution"))
    return Distribution(kind=kind, args=values(args) if kind == "choice" else _two_numbers(kind, args))


def _two_numbers(kind: str, args: Any) -> Values:
    wanted = {"normal": "[mean, deviation]", "lognormal": "[mean, deviation] of the logarithm"}
    form = f"{kind} = {wanted.get(kind, '[low, high]')}"
    if not isinstance(args, (list, tuple)) or len(args) != 2 or not all(is_number(part) for part in args):
        wrong(f"{shown(args)} does not fit {form}: two numbers")
    first, second = (plain(part) for part in args)
    if kind in {"int", "logint"} and not (isinstance(first, int) and isinstance(second, int)):
        wrong(f"{shown(args)} does not fit {form}: two integers, both included")
    if kind in {"normal", "lognormal"}:
        if second <= 0:
            wrong(f"{shown(args)} does not fit {form}: the deviation is above 0")
    elif first >= second:
        wrong(f"{shown(args)} does not fit {form}: low is below high")
    if kind in {"loguniform", "logint"} and first <= 0:
        wrong(f"{shown(args)} does not fit {form}: both are above 0 on a logarithmic scale")
    return (first, second) if kind in {"int", "logint"} else (float(first), float(second))
