"""What scikit-learn says of the values of a parameter, in words that a user reads."""

import json
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from sklearn.utils._param_validation import Hidden, Interval, Options, RealNotInt, make_constraint

NO_VALIDATION = "no_validation"


def constraints_of(cls: type, param: str) -> tuple[Any, ...] | None:
    """Return the constraints that *cls* declares for *param*, or None when it declares none."""
    declared = getattr(cls, "_parameter_constraints", {}).get(param)
    if declared is None or (isinstance(declared, str) and declared == NO_VALIDATION):
        return None
    return tuple(_made(constraint) for constraint in declared)


def _made(constraint: Any) -> Any:
    if isinstance(constraint, Hidden):
        inner = make_constraint(constraint.constraint)
        inner.hidden = True
        return inner
    return make_constraint(constraint)


def admits(constraints: Sequence[Any] | None, value: Any) -> bool:
    """Whether scikit-learn would accept *value*; True where nothing is declared."""
    return constraints is None or any(constraint.is_satisfied_by(value) for constraint in constraints)


def real_only(constraints: Sequence[Any] | None) -> bool:
    """Whether numbers of this parameter are real numbers, so that 1 and 1.0 mean the same."""
    if constraints is None:
        return False
    types = {part.type for part in constraints if isinstance(part, Interval)}
    types |= {part.type for part in constraints if isinstance(part, Options) and part.type is not str}
    types |= {part.type for part in constraints if getattr(part, "type", None) in (Integral, int)}
    return bool(types) and types <= {Real, RealNotInt, float} and Real in types


def wants_tuple(constraints: Sequence[Any] | None, default: Any) -> bool:
    """Whether a list must become a tuple: only tuples are accepted, or nothing is said and the default is one."""
    if constraints is None:
        return isinstance(default, tuple)
    return admits(constraints, (1, 1)) and not admits(constraints, [1, 1])


def wanted(constraints: Sequence[Any]) -> str:
    """Return what is allowed, as one phrase."""
    shown = [phrase(constraint) for constraint in constraints if not constraint.hidden]
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " or " + shown[-1]


def phrase(constraint: Any) -> str:
    """Return one constraint in words, options in sorted order."""
    if isinstance(constraint, Options):
        options = sorted(constraint.options - constraint.deprecated, key=str)
        texts = [json.dumps(option) if isinstance(option, str) else str(option) for option in options]
        return "one of " + ", ".join(texts) if len(texts) > 1 else texts[0]
    return str(constraint)


def text_options(constraints: Sequence[Any]) -> list[str]:
    """Return the texts that are allowed, for a "did you mean"."""
    return [
        option
        for constraint in constraints
        if isinstance(constraint, Options) and not constraint.hidden
        for option in constraint.options
        if isinstance(option, str)
    ]


def describe(value: Any) -> str:
    """Return a refused value with what it is: ``"100" is a text``."""
    if isinstance(value, bool):
        return f"{json.dumps(value)} is a truth value"
    if isinstance(value, str):
        return f"{json.dumps(value)} is a text"
    if isinstance(value, (list, tuple)):
        return f"{json.dumps(list(value), default=repr)} is a list"
    if value is None:
        return "None is not allowed"
    return f"{value!r} is not allowed"
