"""The page about the sweep file: keys, defaults and allowed values from the schema, meanings from here."""

from collections.abc import Mapping, Sequence
from typing import Any

from generating.data_tables import DATA, ENCODE, LAGS, WINDOWS, Meaning, Section
from generating.markdown import attribute_docs, code, listed, page, table, under
from manyfit.declare import conditions, outcomes, schema, searches, selections
from manyfit.declare.encode import EncodeTable
from manyfit.declare.lags import LagsTable
from manyfit.declare.windows import WindowsTable
from manyfit.model import sweep as model

SWEEP = Section(
    heading="The top of the file",
    text="These keys stand before the first `[table]`.",
    keys={
        "name": (
            "name",
            "the file's name without its ending",
            "The sweep's name. Its [store](store.md) is the folder `NAME.sweep` beside the file.",
        ),
        "rank_by": (
            "text",
            "the first of `metrics`; else `f1_macro`, or `r2` for a regression",
            "The [metric](metrics.md) that orders the leaderboard and decides which models are the best.",
        ),
        "metrics": (
            "list of texts",
            "all standard metrics of the problem",
            "The [metrics](metrics.md) that are computed on every set. They are not part of the key of a task: a"
            " metric that is added later is computed from kept predictions, or the tasks run again.",
        ),
        "score_train": ("true or false", "", "Whether the training rows are scored too, as the set `train`."),
        "seeds": (
            "integer or list of integers",
            "`[0]`",
            "One seed or several. A seed shuffles the folds and becomes every `random_state` that is left open."
            " A candidate that uses no seed is fitted once, not once for each seed.",
        ),
        "fuse": (
            "true, false or list of rules",
            "`true`",
            "Whether related fits are computed together. `true`: wherever no score changes. `false`: never. A list"
            " names rules that are used beside these. See [fits that share work](../how-to/fusion.md).",
        ),
        "priority": (
            f"{listed(model.PRIORITIES)} or an integer",
            "`normal`",
            "Of all tasks that a worker could take, it takes those of the highest priority first, then the oldest."
            " See [priorities and limits](../how-to/priorities.md).",
        ),
        "tenant": ("name", "none", "Whose sweep this is, for limits that all sweeps of one tenant share."),
        "store": (
            "path, `sqlite:///FILE.db` or `postgresql://USER@HOST/DATABASE`",
            "the folder `NAME.sweep` beside the file",
            "Where the sweep's state lives. Paths start from the folder of the sweep file. A password never stands"
            " here: PostgreSQL reads it from `~/.pgpass` or `PGPASSWORD`.",
        ),
        "data": ("table or text", "must be given", "See [`[data]`](#data). A text alone is the source."),
        "features": ("table or list of patterns", "all numeric columns", "See [`[features]`](#features)."),
        "splits": ("table of tables", "one split `cv` with 5 folds", "See [`[splits.NAME]`](#splitsname)."),
        "prepare": ("table", "nothing", "See [`[prepare]`](#prepare)."),
        "pipelines": ("table of tables", "must be given", "See [`[pipelines.NAME]`](#pipelinesname)."),
        "limits": ("table", "", "See [`[limits]`](#limits)."),
        "keep": ("table", "", "See [`[keep]`](#keep)."),
        "workers": ("table", "", "See [`[workers]`](#workers)."),
        "concurrency": ("table", "no limits", "See [`[concurrency]`](#concurrency)."),
        "needs": ("table", "nothing", "See [`[needs]`](#needs)."),
        "retention": ("table", "", "See [`[retention]`](#retention)."),
        "checks": ("table", "", "See [`[checks]`](#checks)."),
        "export": ("table", "", "See [`[export]`](#export)."),
    },
)


PIPELINE = Section(
    heading="`[pipelines.NAME]`",
    text=(
        "A list of steps and the search over their parameters. A parameter is written `step__parameter`; a"
        " bare name"
        " belongs to the last step. A pipeline without `grid` and `space` is a single candidate.\n\n"
        'A step is the name of an estimator of scikit-learn (`"SVC"`), the import path of any class with `fit` and'
        ' `get_params` (`"package.module:Class"`), or a table `{ use = "SVC", name = "svm", probability = true }`'
        " with a name and fixed parameters of its own. Without a name a step is called like its class in lower"
        " case."
        " `XGBClassifier`, `LGBMClassifier` and their regressors are known by name where their libraries are"
        ' installed. Nested estimators are written the same way: `estimator = { use = "SVC" }`. TOML has no'
        ' null: write `"None"`.'
    ),
    keys={
        "steps": ("list of steps", "must be given", "The estimators, in order. All but the last transform."),
        "grid": (
            "table, or list of tables",
            "one candidate",
            "Lists of values: every combination is a candidate. Several tables are several grids, each for"
            " itself.",
        ),
        "space": (
            "table: parameter = distribution",
            "none",
            "What to draw from; see [distributions](#distributions). Needs `draws`.",
        ),
        "draws": (
            "integer >= 1",
            "none",
            "How many candidates are drawn from `space`. The same sweep draws the same candidates on every"
            " machine;"
            " more draws keep the earlier ones. With both `space` and `grid`, the candidates of both are fitted.",
        ),
        "needs": (
            "table",
            "those of the sweep",
            "What this pipeline needs of a machine. See [`[needs]`](#needs).",
        ),
    },
)

PREPARE = Section(
    heading="`[prepare]`",
    text="Steps that stand before the steps of every pipeline, and a grid that multiplies all candidates.",
    keys={
        "steps": ("list of steps", "must be given", "As in a pipeline; all of them transform."),
        "grid": ("table: step__parameter = list", "one variant", "Every combination goes with every candidate."),
    },
)

LIMITS = Section(
    heading="`[limits]`",
    text="Limits of one task, not of the sweep. See [limits of time and memory](../how-to/limits.md).",
    keys={
        "time": (
            'time: seconds, or `"90s"`, `"15min"`, `"1h 30min"`',
            '`"1h"`',
            "Wall time of one attempt at a task. What takes longer is stopped and fails as `timeout`.",
        ),
        "memory": (
            'amount: bytes, or `"500MB"`, `"2GiB"`; `"none"`',
            "no limit",
            "Memory that a task may take beyond what its runner had before. What takes more fails as `oom`.",
        ),
        "memory_cap": (
            "amount of memory",
            "four times `memory`",
            "An attempt after one that ran out of memory is given more, this much at most.",
        ),
        "attempts": (
            "integer >= 1",
            "",
            "Attempts at a task in all. Only failures that may end otherwise are tried again (`oom`, `crash`).",
        ),
    },
)

KEEP = Section(
    heading="`[keep]`",
    text="What is kept beside scores. See [keeping models](../how-to/keep-models.md).",
    keys={
        "models": (
            '`"none"`, `"all"`, `"best:K"` or `"best:K per pipeline"`',
            '`"none"`',
            "Fitted models, as [bundles](../glossary.md#model-bundle-manifest). `best:3` keeps the three best"
            " candidates of each split, `best:3 per pipeline` those of each pipeline on each split; they are"
            " fitted on all training rows once the sweep is complete.",
        ),
        "format": (
            '`"skops"` or `"joblib"`',
            '`"skops"`',
            "How models are written. `skops` runs no code when it is read. `joblib` is a pickle: it writes any"
            " model, and loading it runs whatever the file says, so that it always needs trust.",
        ),
        "calibrate": (
            '`"none"`, `"sigmoid"`, `"isotonic"`, true or false',
            '`"none"`',
            "Probabilities for kept classifiers that have none by themselves, such as `SVC`, from held-out folds"
            " of the training rows (whole groups, where there are groups). What they predict stays as it is, and"
            " so do scores. true is `sigmoid`; `isotonic` wants a thousand rows or more.",
        ),
        "series": (
            "true or false",
            "`false`",
            "What fitted estimators tell of their training (`loss_curve_`, `train_score_`, `n_iter_` and the"
            " like), up to 500 numbers of each, and scores of boosters by number of rounds. Estimators that have a"
            " curve are fitted alone. See [exporting](../how-to/export.md#series).",
        ),
        "predictions": (
            '`"none"`, `"all"`, true or false',
            '`"none"`',
            "Predictions and probabilities of every task on every set, so that metrics can be added without a"
            " fit.",
        ),
    },
)

WORKERS = Section(
    heading="`[workers]`",
    text="What `manyfit run` starts on this machine. Workers x threads never exceed the cores, unless you insist.",
    keys={
        "count": ('integer >= 1 or `"auto"`', "one for each core", "Worker processes."),
        "threads": ("integer >= 1", "", "Threads of numerical libraries (BLAS, OpenMP) in each worker."),
    },
)

CONCURRENCY = Section(
    heading="`[concurrency]`",
    text=(
        "How many tasks run at once, on all machines together; without a limit, as many as there are workers."
        " `manyfit limit` changes it while the sweep runs. See [priorities and limits](../how-to/priorities.md)."
    ),
    keys={
        "sweep": ("integer >= 1", "no limit", "Tasks of this sweep."),
        "tenant": (
            "integer >= 1",
            "no limit",
            "Tasks of all sweeps in the same store whose `tenant` is that of this sweep. Needs `tenant`.",
        ),
        "pipelines": ("table: pipeline = integer >= 1", "no limits", "Tasks of one pipeline: `{ svc = 2 }`."),
    },
)

NEEDS = Section(
    heading="`[needs]`",
    text=(
        "What a worker has to offer to be given tasks, for all pipelines; the same keys in"
        " `[pipelines.NAME.needs]` replace these one by one. See [machines that fit](../how-to/machines.md)."
    ),
    keys={
        "cores": ("integer >= 0", "", "Threads of the worker, as `work --threads` says."),
        "memory": (
            'amount: bytes, or `"16GiB"`; `"none"`',
            "none",
            "Memory of the host, or what the worker's control group allows of it.",
        ),
        "gpus": ("integer >= 0", "", "GPUs that the worker sees. 0 also takes back a general `gpu_memory`."),
        "gpu_memory": (
            'amount: bytes, or `"16GiB"`; `"none"`',
            "none",
            "Memory of each of these GPUs. Alone it asks for one.",
        ),
        "hosts": ("list of patterns", "any host", 'Shell-style patterns, one of which fits the host: `["gpu*"]`.'),
        "labels": (
            "list of texts",
            "none",
            "All of them must be among the worker's labels (`work --label`, `MANYFIT_LABELS`).",
        ),
    },
)

_AGE = 'time: seconds, or `"90d"`, `"12h"`; `"never"`'

RETENTION = Section(
    heading="`[retention]`",
    text=(
        "How long things are kept after the sweep was last worked on. Nothing is removed by itself: these are the"
        " ages that a clean-up of the store goes by."
    ),
    keys={
        "completed": (_AGE, '`"90d"`', "A sweep that is settled, with at least one success."),
        "failed": (_AGE, '`"30d"`', "A sweep that is settled without any."),
        "logs": (_AGE, '`"7d"`', "Logs of workers that ended."),
        "artifacts": (_AGE, '`"24h"`', "Kept files that no result refers to."),
    },
)

SPLIT_KEYS: Mapping[str, Meaning] = {
    "kind": ("see below", "told from the values", "How rows are selected."),
    "train": (
        "SQL condition; for `column` a text",
        "the rows in no evaluation set",
        "The training rows.",
    ),
    "validate": ("as the kind says", "none", "An evaluation set. It ranks candidates when there are no folds."),
    "test": ("as the kind says", "none", "An evaluation set."),
    "column": ("column", "none", 'For `kind = "column"`: the column that names the set of each row.'),
    "seed": ("integer", "`0`", "For random splits: which rows are drawn. Not one of the sweep's seeds."),
    "folds": (
        'integer, or `{ n = 5, kind = "group", shuffle = true }`, or `"leave_one_group_out"`',
        "no folds",
        "Cross-validation inside the training rows: held-out rows are scored as the set `cv`, which then ranks.",
    ),
    "gap": (
        "rows",
        "`0`",
        'For `kind = "time"` and folds by time: how many rows between those that train and those that evaluate are'
        " in neither. With lags of your own, give the rows from a row to its target;"
        " [`[data.lags]`](#datalags) leaves such rows out by itself.",
    ),
    "validation": (
        "true or false",
        "true when there is an evaluation set",
        "Whether candidates are also fitted on all training rows and scored on the evaluation sets.",
    ),
}


KIND_FORMS: Mapping[str, str] = {
    "all": "none: cross-validation only",
    "filter": "an SQL condition on the columns: `\"Run > 10 AND host IN ('a', 'b')\"`",
    "random": "a fraction: `0.2`; stratified by class",
    "groups": "a list of group names, or a fraction of the groups",
    "time": "a fraction: the latest rows; the set declared last gets the very latest",
    "column": "the text that its rows have in `column`; `validate` and `test` by default",
}

FOLD_KINDS: Mapping[str, str] = {
    "stratified": "each fold has its share of each class; the default, and plain for a regression",
    "plain": "rows at random",
    "group": "whole groups; the default when groups are held out",
    "stratified_group": "whole groups, and as far as that allows its share of each class",
    "time": "training rows always before held-out rows; the default when the latest rows are held out",
    "leave_one_group_out": "every group is held out once; without `n`, and also written as the kind alone",
}

DISTRIBUTION_FORMS: Mapping[str, tuple[str, str]] = {
    "uniform": ("[low, high]", "a number between the two"),
    "loguniform": ("[low, high]", "a number whose logarithm is uniform; both above 0"),
    "normal": ("[mean, deviation]", "a normal number"),
    "lognormal": ("[mean, deviation]", "a number whose logarithm is normal"),
    "int": ("[low, high]", "an integer, both ends included"),
    "logint": ("[low, high]", "an integer, small ones as likely as large ones by scale; both ends included"),
    "choice": ("[values]", "one of the values; a bare list means the same"),
}

CHECKS = Section(
    heading="`[checks]`",
    text="What [checks](../how-to/check-results.md) do while the sweep runs.",
    keys={
        "hold": (
            "true or false",
            "`false`",
            "Hold a pipeline as soon as most of its fits diverge; `manyfit resume` lets it go on.",
        ),
    },
)

EXPORT = Section(
    heading="`[export]`",
    text="What `manyfit export` writes. See [exporting](../how-to/export.md).",
    keys={
        "columns": (
            "list of names, or table of names with types",
            "the usual columns",
            'Columns of the table of runs: `["key", "cv_accuracy"]`, or `{ key = "text", cv_accuracy = "float" }`.'
            " Types are text, integer, float, boolean and time.",
        ),
    },
)

TABLES: Sequence[tuple[Section, type[Any]]] = (
    (SWEEP, schema.SweepFile),
    (DATA, schema.DataTable),
    (WINDOWS, WindowsTable),
    (LAGS, LagsTable),
    (ENCODE, EncodeTable),
    (PIPELINE, schema.PipelineTable),
    (PREPARE, schema.PrepareTable),
    (LIMITS, schema.LimitsTable),
    (KEEP, schema.KeepTable),
    (WORKERS, schema.WorkersTable),
    (CONCURRENCY, conditions.ConcurrencyTable),
    (NEEDS, conditions.NeedsTable),
    (RETENTION, conditions.RetentionTable),
    (CHECKS, outcomes.ChecksTable),
    (EXPORT, outcomes.ExportTable),
)


def keys() -> list[str]:
    """Return every key that a sweep file can have, with the table it stands in."""
    found = [f"{model_.__name__}.{key}" for _, model_ in TABLES for key in model_.model_fields]
    return [*found, *(f"split.{key}" for key in selections.KEYS)]


def text() -> str:
    """Return the page. Raises ValueError when the schema and the meanings do not name the same keys."""
    whole = {section.heading: _section(section, model_) for section, model_ in TABLES}
    return page(
        "The sweep file",
        _INTRODUCTION,
        whole[SWEEP.heading],
        whole[DATA.heading],
        whole[WINDOWS.heading],
        whole[LAGS.heading],
        whole[ENCODE.heading],
        _FEATURES,
        _splits(),
        whole[PREPARE.heading],
        whole[PIPELINE.heading],
        _distributions(),
        whole[LIMITS.heading],
        whole[KEEP.heading],
        whole[WORKERS.heading],
        whole[CONCURRENCY.heading],
        whole[NEEDS.heading],
        whole[RETENTION.heading],
        whole[CHECKS.heading],
        whole[EXPORT.heading],
    )


def _section(section: Section, model_: type[Any]) -> str:
    _agree(section.heading, section.keys, model_.model_fields)
    rows = [
        (code(key), how, default or _default(model_.model_fields[key].default), _filled(meaning))
        for key, (how, default, meaning) in section.keys.items()
    ]
    return f"## {section.heading}\n\n{section.text}\n\n" + table(("key", "written as", "default", "meaning"), rows)


def _agree(where: str, described: Mapping[str, Any], known: Any) -> None:
    if set(described) != set(known):
        differing = sorted(set(described) ^ set(known))
        raise ValueError(f"docs/generating/sweep_file.py and the schema differ in {where}: {', '.join(differing)}")


def _default(value: Any) -> str:
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(str(value)) if isinstance(value, (int, str)) else "see below"


def _filled(meaning: str) -> str:
    from manyfit.data.readers import BUNDLED, READERS

    return meaning.replace("{readers}", listed(READERS)).replace("{bundled}", listed(BUNDLED))


def _splits() -> str:
    _agree("splits", SPLIT_KEYS, selections.KEYS)
    kinds = attribute_docs(model, "SplitKind")
    _agree("kinds of splits", KIND_FORMS, [kind.value for kind in model.SplitKind])
    _agree("kinds of folds", FOLD_KINDS, [kind.value for kind in model.FoldKind])
    rows = [(code(key), how, default, meaning) for key, (how, default, meaning) in SPLIT_KEYS.items()]
    forms = [(code(kind.value), kinds[kind.name], KIND_FORMS[kind.value]) for kind in model.SplitKind]
    folds = [(code(kind.value), FOLD_KINDS[kind.value]) for kind in model.FoldKind]
    return under(
        "`[splits.NAME]`",
        _SPLITS,
        table(("key", "written as", "default", "meaning"), rows),
        "Kinds of splits, and what an evaluation set looks like in each:",
        table(("kind", "selects", "an evaluation set is"), forms),
        "Kinds of folds (scikit-learn's splitters are used):",
        table(("kind", "meaning"), folds),
    )


def _distributions() -> str:
    _agree("distributions", DISTRIBUTION_FORMS, searches.DISTRIBUTIONS)
    rows = [(f"`{{ {name} = {form} }}`", meaning) for name, (form, meaning) in DISTRIBUTION_FORMS.items()]
    return "### Distributions\n\n" + table(("written as", "draws"), rows)


_INTRODUCTION = """
A sweep is declared in one file: TOML (`.toml`), or the same keys as YAML (`.yaml`, `.yml`, with the rules of
YAML 1.2). `manyfit init` writes one to begin with, `manyfit plan` checks it and reports every mistake at
once. A key that is not listed here is a mistake, not a comment.
"""

_FEATURES = """
## `[features]`

Which columns are features. Without this table all numeric columns are, but not the target, the index, the
group, the time, a split's column and what came with the metadata.

| written as | meaning |
| --- | --- |
| `features = ["f*", "area"]` | these columns only |
| `[features]` with `include = [...]`, `exclude = [...]` | one set; excludes win over includes |
| `[features]` with `NAME = { include = [...], exclude = [...] }` | named sets; every candidate runs on each |

Patterns are shell-style: `*`, `?` and `[abc]`. A pattern that matches no column is a mistake. A column with a
role (but never the target) becomes a feature when it is included by its exact name.
"""

_SPLITS = """
Which rows train and which evaluate. Each split is a factor of the sweep. An integer alone, `cv = 5`, means
that many folds over all rows. Any key that is not in this table names a further evaluation set.

With `folds`, every candidate is fitted once for each fold; with evaluation sets, once more on all training
rows. Rows that are in a set and in training, an empty set, or rows without a target are mistakes.

`kind = "leave_one_group_out"` is short for all rows with one fold for each group: `kind = "all"` and
`folds = "leave_one_group_out"`. The data say how many folds there are, and tables name them by their groups.
"""
