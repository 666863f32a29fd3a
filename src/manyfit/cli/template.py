"""A first sweep file: what the columns of a table seem to be, and a search that suits them."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_TARGETS = ("target", "label", "class", "y", "condition", "outcome", "species", "category")
_GROUPS = ("group", "subject", "speaker", "patient", "participant", "session", "host", "device", "user")
_IDS = ("id", "index", "row", "uuid", "unnamed: 0", "")
MOST_CLASSES = 50
"""A whole-number column with more values than this is predicted as a quantity."""
MOST_VALUES = 20
"""A column of texts with more values than this is left to the user."""
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a table seems to be. `guesses` says in words what a person should check."""

    source: str
    name: str
    problem: str = "classification"
    target: str | None = None
    group: str | None = None
    left_out: tuple[str, ...] = ()
    encoded: tuple[str, ...] = ()
    missing: bool = False
    folds: int = FOLDS
    guesses: tuple[str, ...] = field(default=())


def look(source: str, *, folder: Path, target: str | None) -> Found:
    """Return what the data at *source* seems to be. Raises `UserError` when it cannot be read."""
    if source.startswith("sklearn:"):
        return _bundled(source)
    from manyfit.data.readers import read_file

    path = Path(source)
    frame = read_file(path, source)
    seen = _relative(path, folder)
    return _look_at(frame, seen, re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem).strip("-") or "sweep", target)


def _bundled(source: str) -> Found:
    from manyfit.data.readers import BUNDLED
    from manyfit.model.errors import NotFound
    from manyfit.model.mistake import did_you_mean

    name = source.removeprefix("sklearn:")
    if name not in BUNDLED:
        raise NotFound(
            f'scikit-learn brings no data "{name}"{did_you_mean(name, BUNDLED)}; it has {", ".join(BUNDLED)}'
        )
    return Found(source=source, name=name, problem="regression" if name == "diabetes" else "classification")


def _relative(path: Path, folder: Path) -> str:
    """Return *path* as it is seen from the folder of the sweep file."""
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path.resolve())


def _look_at(frame: "pl.DataFrame", source: str, name: str, wanted: str | None) -> Found:
    target = _target(frame, wanted)
    problem = _problem(frame[target])
    group = next((column for column in frame.columns if column.lower() in _GROUPS and column != target), None)
    ids = tuple(column for column in frame.columns if _is_id(frame[column]) and column not in (target, group))
    guesses = [f'target "{target}", a {problem}']
    guesses += [f'group "{group}": rows of one group stay together'] if group else []
    guesses += [f"left out of the features: {', '.join(ids)}"] if ids else []
    features = frame.drop(target, *ids, *([group] if group else []))
    few, many = _texts(features)
    guesses += [f"texts that become a column for each value: {', '.join(few)}"] if few else []
    guesses += [f"texts with too many values to be features: {', '.join(many)}"] if many else []
    return Found(
        source=source,
        name=name,
        problem=problem,
        target=target,
        group=group,
        left_out=ids,
        encoded=few,
        missing=any(features.null_count().row(0)),
        folds=_folds(frame, target, group, problem),
        guesses=tuple(guesses),
    )


def _texts(features: "pl.DataFrame") -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the columns of texts with few values, and those with many."""
    texts = [column for column in features.iter_columns() if str(column.dtype) in ("String", "Categorical")]
    counts = {column.name: column.drop_nulls().n_unique() for column in texts if column.null_count() < len(column)}
    few = tuple(name for name, count in counts.items() if count <= MOST_VALUES)
    return few, tuple(name for name in counts if name not in few)


def _target(frame: "pl.DataFrame", wanted: str | None) -> str:
    from manyfit.model.errors import NotFound
    from manyfit.model.mistake import did_you_mean

    if wanted is not None:
        if wanted not in frame.columns:
            raise NotFound(f'the table has no column "{wanted}"{did_you_mean(wanted, frame.columns)}')
        return wanted
    named = [column for name in _TARGETS for column in frame.columns if column.lower() == name]
    return named[0] if named else frame.columns[-1]


def _problem(column: "pl.Series") -> str:
    if column.dtype.is_float() or (column.dtype.is_integer() and column.n_unique() > MOST_CLASSES):
        return "regression"
    return "classification"


def _is_id(column: "pl.Series") -> bool:
    numbered = column.dtype.is_integer() and column.n_unique() == len(column)
    return column.name.lower() in _IDS and numbered


def _folds(frame: "pl.DataFrame", target: str, group: str | None, problem: str) -> int:
    """Return a number of folds that the smallest class, or the number of groups, allows."""
    room = len(frame)
    if group is not None:
        room = frame[group].n_unique()
    elif problem == "classification":
        counts = frame[target].drop_nulls().value_counts()["count"]
        room = int(str(counts.min() or 0))
    return max(2, min(FOLDS, room))


def text(found: Found, *, name: str) -> str:
    """Return the sweep file."""
    return _HEAD.format(name=json.dumps(name), rank_by=_RANK[found.problem], metrics=_METRICS[found.problem]) + (
        _data(found) + _splits(found) + _pipelines(found) + _TAIL
    )


_RANK = {"classification": "accuracy", "regression": "r2"}
_METRICS = {
    "classification": '["accuracy", "f1_macro", "balanced_accuracy"]',
    "regression": '["r2", "neg_mean_absolute_error", "neg_root_mean_squared_error"]',
}

_HEAD = """\
# A sweep: every combination of pipeline, parameters, split, fold and seed below is one task.
#   manyfit plan sweep.toml      checks this file and shows the tasks; writes nothing
#   manyfit run sweep.toml       runs what is not done yet; stop and start it as you like
# Change this file and run again: only what is new runs.

name    = {name}
rank_by = "{rank_by}"          # orders the leaderboard; any scorer name of scikit-learn
metrics = {metrics}
seeds   = [0]                  # more seeds show how much luck there is

"""


def _data(found: Found) -> str:
    lines = [
        "[data]",
        f"source = {json.dumps(found.source)}  # a table, sklearn:NAME or package.module:function",
    ]
    if found.target is not None:
        lines.append(f"target = {json.dumps(found.target)}")
    if found.group is not None:
        lines.append(f"group  = {json.dumps(found.group)}  # its rows are never on both sides of a split")
    if found.encoded:
        lines += [
            "",
            "[data.encode]",
            f"onehot = {json.dumps(list(found.encoded))}  # texts become a column of 0 and 1 for each value",
        ]
    if found.left_out:
        lines += [
            "",
            "[features]",
            f"exclude = {json.dumps(list(found.left_out))}  # patterns such as oracle_* work too",
        ]
    return "\n".join([*lines, "", ""])


def _splits(found: Found) -> str:
    n = found.folds
    folds = f'{{ kind = "group", n = {n} }}' if found.group is not None else str(n)
    return f"""\
[splits.cv]
folds = {folds}{" " * 10}# cross-validation inside the training rows
# validate = 0.2               # a fraction held out beside it, or an SQL condition: "run > 10"

"""


def _pipelines(found: Found) -> str:
    first = '"SimpleImputer", ' if found.missing else ""
    table = _CLASSIFIERS if found.problem == "classification" else _REGRESSORS
    notes = "# Steps are scikit-learn's names or import paths; a bare parameter belongs to the last step.\n"
    return notes + "\n".join(
        f"[pipelines.{name}]\nsteps = [{first}{steps}]\n{search}\n" for name, steps, search in table
    )


_FOREST = "grid  = { n_estimators = [50, 100], max_leaf_nodes = [50, 200] }"
_NEIGHBORS = 'grid  = { n_neighbors = [1, 3, 5, 9], weights = ["uniform", "distance"] }'
_BOOSTING = (
    "draws = 4                        # this many candidates, drawn from the space\n"
    "space = { learning_rate = { loguniform = [0.03, 0.3] }, max_leaf_nodes = { int = [7, 31] } }"
)

_CLASSIFIERS = (
    (
        "logistic",
        '"StandardScaler", { use = "LogisticRegression", max_iter = 1000 }',
        "grid  = { C = [0.01, 0.1, 1, 10] }",
    ),
    (
        "svc",
        '"StandardScaler", "SVC"',
        "grid  = [                         # several grids: gamma means nothing to a linear kernel\n"
        '  { kernel = ["linear"], C = [0.1, 1, 10] },\n'
        '  { kernel = ["rbf"], C = [1, 10, 100], gamma = ["scale", 0.01, 0.001] },\n'
        "]",
    ),
    ("forest", '"RandomForestClassifier"', _FOREST),
    ("neighbors", '"StandardScaler", "KNeighborsClassifier"', _NEIGHBORS),
    ("boosting", '{ use = "HistGradientBoostingClassifier", max_iter = 30 }', _BOOSTING),
)
_REGRESSORS = (
    ("ridge", '"StandardScaler", "Ridge"', "grid  = { alpha = [0.01, 0.1, 1, 10, 100] }"),
    (
        "enet",
        '"StandardScaler", { use = "ElasticNet", max_iter = 5000 }',
        "grid  = { alpha = [0.01, 0.1, 1], l1_ratio = [0.2, 0.8, 1.0] }",
    ),
    (
        "svr",
        '"StandardScaler", "SVR"',
        'grid  = { C = [1, 10, 100], gamma = ["scale", 0.01] }',
    ),
    ("forest", '"RandomForestRegressor"', _FOREST),
    ("neighbors", '"StandardScaler", "KNeighborsRegressor"', _NEIGHBORS),
    ("boosting", '{ use = "HistGradientBoostingRegressor", max_iter = 30 }', _BOOSTING),
)

_TAIL = """
[limits]
time     = "10m"               # of one task; a task that takes longer is stopped and counts as failed
attempts = 3                   # after a crash or too little memory, not after an error of the estimator
# memory = "2GiB"

[keep]
models = "none"                # all, best:3 or none; any model can be fitted again exactly

[workers]
# count = 2                    # as many as the cores allow when left out
threads = 1                    # of numerical libraries in each worker
"""
