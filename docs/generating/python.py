"""The page about the Python interface, from signatures and docstrings."""

import inspect
import re
from typing import Any

from generating.markdown import code, page, prose, table, under
from manyfit.api.auditing import AuditLook
from manyfit.api.driver import Look
from manyfit.api.loading import load
from manyfit.api.pruning import Pruned, prune
from manyfit.api.reporting import Report
from manyfit.api.results import Best, Results
from manyfit.api.stores import copy_sweep
from manyfit.api.sweeps import Sweep, SweepPlan
from manyfit.fit.trained import Trained
from manyfit.model.audit import Audited, Certificate
from manyfit.report.lines import COLUMNS
from manyfit.report.verifications import Verification
from manyfit.run.copying import Copied
from manyfit.search import classes

CLASSES = (Sweep, SweepPlan, Results, Best, Verification)
FUNCTIONS = (load, copy_sweep, prune)
SEARCHES = (
    classes.GridSearchCV,
    classes.RandomizedSearchCV,
    classes.HalvingGridSearchCV,
    classes.HalvingRandomSearchCV,
)
_RETURNED: dict[str, type[Any]] = {"load": Trained, "copy_sweep": Copied, "prune": Pruned}


def public(cls: type[Any]) -> list[str]:
    """Return the names of a class that people use, in the order of the source."""
    return [name for name, value in vars(cls).items() if not name.startswith("_") and _documentable(value)]


def _documentable(value: Any) -> bool:
    return callable(value) or isinstance(value, (classmethod, property))


def text() -> str:
    """Return the page."""
    members = [*map(_class, CLASSES), *map(_function, FUNCTIONS), _searches()]
    return page("Python", _INTRODUCTION, *members, _progress(), _audits(), _reports(), _tables())


def _function(function: Any) -> str:
    name = function.__name__
    shown = f"```text\nmanyfit.{name}{_signature(function)}\n```"
    return f"## `manyfit.{name}`\n\n{shown}\n\n{prose(function.__doc__)}\n\n{_returned(_RETURNED[name])}"


def _returned(cls: type[Any]) -> str:
    fields = ", ".join(code(name) for name in cls.__dataclass_fields__)
    return f"It returns: {prose(cls.__doc__)}\n\nFields: {fields}."


def _class(cls: type[Any]) -> str:
    made = f"```text\n{cls.__name__}{_signature(cls)}\n```" if cls is Sweep else ""
    parts = [f"## `{cls.__name__}`", _ORIGINS[cls.__name__], made, prose(cls.__doc__)]
    return "\n\n".join([*filter(None, parts), *(_member(cls, name) for name in public(cls))])


def _member(cls: type[Any], name: str) -> str:
    value = vars(cls)[name]
    if isinstance(value, property):
        return f"### `{cls.__name__}.{name}`\n\n{prose(value.__doc__) or _PROPERTIES[name]}"
    function = getattr(cls, name)
    return (
        f"### `{cls.__name__}.{name}`\n\n```text\n{name}{_signature(function)}\n```\n\n{prose(function.__doc__)}"
    )


def _signature(value: Any) -> str:
    signature = inspect.signature(value)
    kept = [_plain(parameter) for name, parameter in signature.parameters.items() if name != "self"]
    shown = str(signature.replace(parameters=kept)).replace("'<function>'", "...")
    return re.sub(r"\b(?:[a-z_]+\.)+(?=[A-Z])|'(?=[\w\[|])|(?<=[\w\]])'", "", shown)


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(default="<function>") if inspect.isroutine(parameter.default) else parameter


_THEIRS = "\nParameters\n"


def _searches() -> str:
    # behind their own words stand those of scikit-learn, which are not ours to print
    own = {cls: prose(cls.__doc__).partition(_THEIRS)[0].strip() for cls in SEARCHES}
    parts = [
        f"### `manyfit.{cls.__name__}`\n\n```text\n{_lines(cls)}\n```\n\n{words}" for cls, words in own.items()
    ]
    return "\n\n".join([f"## Search classes\n\n{_SEARCHES.strip()}", *parts])


def _lines(cls: type[Any]) -> str:
    """Return the signature of a class with many parameters, one a line; their types are scikit-learn's."""
    lines, behind_star = [], False
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not behind_star:
            lines.append("*")
            behind_star = True
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        lines.append(f"{parameter.name}{default}")
    return f"{cls.__name__}(\n" + "".join(f"    {line},\n" for line in lines) + ")"


def _progress() -> str:
    fields = ", ".join(code(name) for name in Look.__dataclass_fields__)
    return f"## Progress\n\n{prose(Look.__doc__)}\n\nFields: {fields}. `run` and `work` hand one to `progress`."


def _audits() -> str:
    return "\n\n".join(["## Certificates", *map(_fields, (Certificate, Audited, AuditLook))])


def _reports() -> str:
    return "\n\n".join(["## Reports", _fields(Report)])


def _fields(cls: type[Any]) -> str:
    properties = [name for name in public(cls) if isinstance(vars(cls)[name], property)]
    names = ", ".join(map(code, [*cls.__dataclass_fields__, *properties]))
    return f"`{cls.__name__}`: {prose(cls.__doc__)}\n\nFields: {names}."


def _tables() -> str:
    rows = [(code(name), code(str(dtype)), _COLUMNS.get(name, "")) for name, dtype in COLUMNS.items()]
    missing = [name for name in COLUMNS if name not in _COLUMNS]
    if missing:
        raise ValueError(f"docs/generating/python.py does not describe the columns {', '.join(missing)}")
    return under("Columns of `Results.tasks()`", _TABLES, table(("column", "type", "meaning"), rows))


_ORIGINS = {
    "Sweep": "`manyfit.Sweep`",
    "SweepPlan": "What `Sweep.plan` returns.",
    "Results": "`manyfit.Results`: what `Sweep.run` and `Sweep.results` return.",
    "Best": "What `Results.best` returns.",
    "Verification": "What `Results.verify` returns and `Results.verifications` lists.",
}

_PROPERTIES = {
    "name": "The sweep's name.",
    "store_folder": "The folder of the sweep's store.",
    "n_tasks": "How many tasks the plan has.",
}

_INTRODUCTION = """
```python
import manyfit

sweep = manyfit.Sweep(
    name="iris",
    data="sklearn:iris",
    pipelines={"knn": {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 5]}}},
)
print(sweep.plan().n_tasks)
```

```text
10
```

Names are imported when they are first used, so `import manyfit` is cheap. Whatever is not on this page
(modules below `manyfit`) may change from version to version.
"""

_SEARCHES = """
Subclasses of scikit-learn's with the same parameters, attributes, methods and messages; see
[how to use them](../how-to/search-cv.md). `store` is a path or URL: the search is durable, and goes on where it
was killed. `progress` is True (a bar), False or None (a bar on a terminal). `fuse` is True, False (every fit
is made alone), or a list of [rules](fusion-rules.md) that are used too and may change scores.
"""

_TABLES = """
One row for each task that has ended, in no particular order. After these columns comes `doubtful`: whether the
result is of a rule that [an audit](../how-to/audit.md) switched off. Then come the scores, `<set>_<metric>`
(`cv_accuracy`), and the numbers of rows of each set, `n_<set>`. What a task does not have is null. `--raw` and
`results/tasks.parquet` have the same columns.
"""

_COLUMNS = {
    "key": "the [key](../explanation/task-keys.md) of the task",
    "segment": "the plan segment whose unit gave the result",
    "unit": "the unit",
    "epoch": "the claim of the unit under which it ran",
    "index": "its place in the unit",
    "generation": "0, and one more each time that the task was run again on purpose",
    "mode": "`fit`, `keep` (the model was kept) or `score` (computed from kept predictions)",
    "candidate_key": "the key of pipeline, parameters and columns",
    "pipeline": "the pipeline's name",
    "params": "the searched parameters, as JSON",
    "variant": "the data variant; empty when there is one only",
    "features": "the feature set; empty when there is one only",
    "split": "the split's name",
    "fold": "the fold, null for the fit on all training rows",
    "held_out": "the group that the fold holds out, null where that is not one group",
    "seed": "the seed",
    "attempt": "which attempt gave this result",
    "outcome": "`succeeded` or `failed`",
    "final": "false for a failed attempt that was tried again (not in this table)",
    "finished_at": "when it ended, UTC, by the clock of its worker",
    "worker": "the worker",
    "time_load": "seconds to load the rows; 0 or null when an earlier task had loaded them",
    "time_fit": "seconds to fit",
    "time_predict": "seconds to predict all sets",
    "time_score": "seconds to compute the metrics",
    "peak_bytes": "largest resident memory of the runner during the task, libraries included",
    "fused_by": "the [rule](../explanation/fusion.md) that computed it with others, null: fitted alone",
    "guarantee": "what the rule promises: `exact`, `close`, `tolerance` or `statistical`",
    "failure_class": "the [class](errors.md#failures-of-tasks) of the failure",
    "failure_error": "the exception's name",
    "failure_message": "its message",
    "failure_fingerprint": "equal for failures with the same cause",
    "n_warnings": "how many warnings the fit gave",
    "warnings": "the different ones with their counts, as JSON",
    "details": "what is no score: confusion matrices, series of training, as JSON",
    "artifacts": "kept model and predictions: file, SHA-256, classes, as JSON",
}
