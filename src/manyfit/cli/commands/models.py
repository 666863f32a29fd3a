"""Commands about fitted models: which ones are kept, one made again, predictions of one."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    import polars as pl

    from manyfit.api.kept_models import KeptModel
    from manyfit.api.rebuilding import Rebuilt
    from manyfit.cli.output import Output
    from manyfit.contracts.store import Store
    from manyfit.fit.trained import Trained

SHOWN_ROWS = 10
"""Rows of predictions that a terminal shows; all of them go into a file."""

SHOWN_KEY = 8
_NONE = "-"

TaskArgument = Annotated[
    str, typer.Argument(metavar="TASK", show_default=False, help="A task's key, or its first characters.")
]


def models(sweep: options.SweepArgument, as_json: options.JsonOption = False) -> None:
    """
    List the models that a sweep kept.

    With their ids, tasks, parameters, scores, sizes, formats, and whether loading one needs trust.
    """
    from manyfit import connect
    from manyfit.api.kept_models import kept_models
    from manyfit.cli.output import Output
    from manyfit.report.frames import ranking_of

    out = Output(as_json=as_json)
    store = connect.open_store(sweep)
    found = kept_models(store)
    out.json({"models": [_model_facts(model) for model in found], "n_bytes": sum(one.n_bytes for one in found)})
    if not found:
        out.wrapped(_none_kept(store, sweep))
        return
    _show_models(out, found, ranking_of(store).rank_by)


def _none_kept(store: "Store", sweep: str) -> str:
    """Return why no model is kept: none is asked for, nobody made the fits that keep them, or there is none."""
    from manyfit.api.lacking import asks_for_models, stored_lacking
    from manyfit.cli.commands.states import lacking_text, without_scores

    if not asks_for_models(store):
        return 'no model is kept; write models = "best:1" under [keep] and run the sweep again'
    if n_lacking := len(stored_lacking(store)):
        return lacking_text(n_lacking, sweep)
    if not store.snapshot().counts.done:
        return f"no model is kept: {without_scores(store, sweep)}"
    return f"no model is kept: none could be written; next: manyfit warnings {quoted(sweep)}"


def _model_facts(model: "KeptModel") -> dict[str, Any]:
    return {name: getattr(model, name) for name in type(model).__dataclass_fields__}


def _show_models(out: "Output", found: "Sequence[KeptModel]", metric: str) -> None:
    own = [_score(model.scores, metric) for model in found]
    # What folds say of its candidate stands in for a model whose fit left no rows out, and is called so.
    folds = [
        _shown(model.fold_scores.get(metric)) if mine == _NONE else _NONE
        for model, mine in zip(found, own, strict=True)
    ]
    columns = {name: values for name, values in ((metric, own), (f"cv {metric}", folds)) if set(values) != {_NONE}}
    columns = columns or {metric: own}
    headers = ["id", "task", "pipeline", "parameters", "split", *columns, "size", "format"]
    rows = [
        [
            model.id[:SHOWN_KEY],
            model.task[:SHOWN_KEY],
            model.pipeline,
            model.params,
            model.split if model.fold is None else f"{model.split}, fold {model.fold}",
            *scores,
            _size(model.n_bytes),
            _format(model),
        ]
        for model, *scores in zip(found, *columns.values(), strict=True)
    ]
    out.table(headers, rows, right=range(5, 6 + len(columns)))
    out.line(f"{len(found):,} kept, {_size(sum(model.n_bytes for model in found))}")


def _score(scores: Mapping[str, float | None], metric: str) -> str:
    """Return the score on the set that ranks: held-out rows before others, the training rows never."""
    sets = [name.removesuffix(f"_{metric}") for name in scores if name.endswith(f"_{metric}") and name != metric]
    others = sorted(name for name in sets if name != "train")
    best = next((name for name in ("cv", "validate", *others) if name in sets), None)
    return _shown(None if best is None else scores[f"{best}_{metric}"])


def _shown(value: float | None) -> str:
    return _NONE if value is None else f"{value:.4f}"


def _size(n_bytes: int) -> str:
    from manyfit.report.texts import show_bytes

    return show_bytes(n_bytes)


def _format(model: "KeptModel") -> str:
    said = model.format if model.trusted else f"{model.format}, untrusted"
    return said if model.present else f"{said}, file is gone"


# -- rebuild ---------------------------------------------------------------------------------------------


def rebuild(
    sweep: options.SweepArgument,
    task: TaskArgument,
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", show_default=False, help="Write the model as a bundle.")
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """
    Fit a task again and prove that its scores are equal.

    From what the store says of the task alone, here, without workers. Ends with exit code 1 where a score
    differs in any bit, and says by how much and which versions differ.
    """
    from manyfit import connect
    from manyfit.api.rebuilding import rebuild as rebuilt_of
    from manyfit.api.rebuilding import write_bundle
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    found = rebuilt_of(connect.open_store(sweep), task)
    written = None if to is None else write_bundle(found, to)
    out.json(_rebuilt_facts(found, written))
    _show_rebuilt(out, found, written)
    if not found.equal:
        options.finish(1)


def _rebuilt_facts(found: "Rebuilt", written: Path | None) -> dict[str, Any]:
    return {
        "task": found.key,
        "label": found.label,
        "equal": found.equal,
        "scores": [
            {
                "set": one.set,
                "metric": one.metric,
                "stored": one.stored,
                "rebuilt": one.rebuilt,
                "equal": one.equal,
            }
            for one in found.scores
        ],
        "versions": list(found.versions),
        "fused_by": found.rule or None,
        "seconds": found.seconds,
        "id": found.sha256,
        "kept_id": found.kept or None,
        "n_bytes": len(found.content),
        "file": None if written is None else str(written),
    }


def _show_rebuilt(out: "Output", found: "Rebuilt", written: Path | None) -> None:
    from manyfit.report.texts import plural

    out.wrapped(f"{found.key[:SHOWN_KEY]}… {found.label}: fitted again in {found.seconds:.2g} s")
    differing = [one for one in found.scores if not one.equal]
    if not differing:
        out.line(f"  {plural(len(found.scores), 'score')} equal to the stored ones, bit by bit")
    for one in differing:
        out.line(f"  {one.set} {one.metric}: stored {_exact(one.stored)}, now {_exact(one.rebuilt)}")
    if differing and found.rule:
        out.wrapped(f"  the stored scores were computed together with other tasks, by the rule {found.rule}")
    if differing and not found.rule and not found.versions:
        out.wrapped("  nothing is known to differ but the machine: numerical libraries choose code by processor")
    out.lines(f"  {line}" for line in found.versions)
    if found.kept:
        same = "the same bytes as" if found.kept == found.sha256 else "other bytes than"
        out.line(f"  {same} the kept bundle {found.kept[:SHOWN_KEY]}")
    if written is not None:
        out.line(f"  wrote {written} ({_size(len(found.content))}, id {found.sha256[:SHOWN_KEY]})")


def _exact(value: float | None) -> str:
    return "none" if value is None else repr(value)


# -- predict ---------------------------------------------------------------------------------------------


def predict(
    model: options.ModelArgument,
    data: Annotated[
        str, typer.Argument(metavar="DATA", show_default=False, help="A table: .csv, .parquet, .arrow, .npz, ...")
    ],
    task: Annotated[
        str | None,
        typer.Option("--task", metavar="TASK", show_default=False, help="Of a sweep, the model of this task."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "--to", metavar="FILE", show_default=False, help="Write to a file: .csv, .parquet, .json or .ndjson."
        ),
    ] = None,
    index: Annotated[
        str | None,
        typer.Option(
            "--index",
            metavar="COLUMN",
            show_default=False,
            help="The column to carry along; else the sweep's own.",
        ),
    ] = None,
    by_name: Annotated[
        bool, typer.Option("--by-name", help="Take features by name: their order and other columns do not matter.")
    ] = False,
    trust: options.TrustOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Predict the rows of a table with a fitted model.

    The features must be those that the model was fitted on: the same names, types and order. Classes are
    shown by their names, with the confidence in the predicted one and the probability of each.
    """
    from manyfit.api.loading import load
    from manyfit.api.predicting import counts_of, predict_frame, table_like
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    trained = load(model, task, trust=trust)
    frame = table_like(trained, data)
    found = predict_frame(trained, frame, index=index, by_name=by_name)
    notes = list(trained.unknown_values(frame))
    if to is not None:
        from manyfit.report.results import export

        export(found, to)
    out.json(
        {
            "task": trained.manifest.get("task"),
            "n_rows": found.height,
            "counts": counts_of(found),
            "file": None if to is None else str(to),
            "notes": notes,
            "rows": found.to_dicts() if to is None else None,
        }
    )
    _show_predictions(out, trained, found, notes, to)


def _show_predictions(
    out: "Output", trained: "Trained", found: "pl.DataFrame", notes: Sequence[str], to: Path | None
) -> None:
    from manyfit.api.predicting import counts_of
    from manyfit.fit.environment import environment, version_differences
    from manyfit.report.texts import plural

    candidate = dict(trained.manifest.get("candidate") or {})
    out.wrapped(f"{plural(found.height, 'row')} predicted by {candidate.get('pipeline', 'the model')}")
    counts = counts_of(found)
    if counts:
        out.wrapped(
            "  " + ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:20]), indent="  "
        )
    for note in notes:
        out.wrapped(f"  note: {note}", indent="    ")
    then = trained.manifest.get("environment")
    differing = version_differences(then, environment()) if then and then.get("python") else []
    if differing:
        out.wrapped(f"  note: the model was fitted with other versions: {'; '.join(differing)}", indent="    ")
    if to is not None:
        out.line(f"wrote {to}")
        return
    _show_rows(out, found)


def _show_rows(out: "Output", found: "pl.DataFrame") -> None:
    names = [name for name in found.columns if not name.startswith("p:")]
    rows = [[_cell(value) for value in row] for row in found.select(names).head(SHOWN_ROWS).iter_rows()]
    out.table(names, rows, right=[i for i, name in enumerate(names) if found[name].dtype.is_numeric()])
    if found.height > SHOWN_ROWS:
        out.line(f"… {found.height - SHOWN_ROWS:,} more rows; all of them, with probabilities: --to FILE")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
