"""Verifications on the screen."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from manyfit.cli.boards import show_score
from manyfit.cli.output import Output
from manyfit.model.shell import quoted
from manyfit.model.verification import figures_to_json
from manyfit.report.texts import plural

if TYPE_CHECKING:
    from manyfit.model.verification import VerifiedModel
    from manyfit.report.verifications import Verification

MOST_CLASSES = 30
"""Classes or groups of a model that are shown; all are in the JSON."""

_SHARES = ("precision", "recall", "f1", "specificity")


def show_verification(out: Output, found: "Verification", sweep: str) -> None:
    """Show the gap of each model, and for one model what there is by class, category and group."""
    from manyfit.report.verifications import headline

    models = found.summary.models
    out.wrapped(headline(found.summary))
    for note in found.summary.notes:
        out.wrapped(f"note: {note}")
    out.line()
    _gaps(out, models)
    if len(models) == 1:
        _details(out, models[0])
    out.line()
    out.wrapped(f"stored as {found.id}; again: manyfit verify {quoted(sweep)} --show {found.id}")


def _gaps(out: Output, models: "Sequence[VerifiedModel]") -> None:
    """Show validation beside verified, model by model."""
    metric = models[0].metric
    one_split = len({model.split for model in models}) == 1
    sets = {model.set for model in models}
    before = f"{sets.pop()} {metric}" if len(sets) == 1 and None not in sets else metric
    headers = ["model", *([] if one_split else ["split"]), before, "here", "gap", "rows"]
    rows = [
        [
            _name(model, models),
            *([] if one_split else [model.split]),
            *(_number(value) for value in (model.validation, model.verified, model.gap)),
            f"{model.figures.n_rows:,}",
        ]
        for model in models
    ]
    out.table(headers, rows, right=range(len(headers) - 4, len(headers)))


def _name(model: "VerifiedModel", models: "Sequence[VerifiedModel]") -> str:
    extra = [
        f"{name}={getattr(model, name)}"
        for name in ("features", "variant")
        if len({getattr(one, name) for one in models}) > 1
    ]
    return " ".join(filter(None, (model.pipeline, model.params, *extra)))


def _details(out: Output, model: "VerifiedModel") -> None:
    found = figures_to_json(model.figures)
    out.line()
    scores = {name: value for name, value in found["scores"].items() if value is not None}
    out.wrapped("  ".join(f"{name} {show_score(value)}" for name, value in scores.items()))
    if classes := found.get("classes"):
        _table(out, "class", classes, ("support", "n_predicted"), _SHARES, {"n_predicted": "predicted"})
    if categories := found.get("categories"):
        renamed = {"recall": "sensitivity", "n_predicted": "predicted"}
        _table(out, "category", categories, ("support", "n_predicted"), _SHARES, renamed)
    if groups := found.get("groups"):
        metrics = [name for name in groups[0] if name not in ("group", "n_rows")]
        _table(out, "group", groups, ("n_rows",), metrics, {"n_rows": "rows"})


def _table(
    out: Output,
    what: str,
    rows: Sequence[Mapping[str, Any]],
    counts: Sequence[str],
    shares: Sequence[str],
    renamed: Mapping[str, str],
) -> None:
    out.line()
    shown = [
        (
            str(row[what]) if row[what] is not None else "-",
            *(f"{row[name]:,}" for name in counts),
            *(_number(row[name]) for name in shares),
        )
        for row in rows[:MOST_CLASSES]
    ]
    headers = (what, *(renamed.get(name, name) for name in (*counts, *shares)))
    out.table(headers, shown, right=range(1, len(headers)))
    if len(rows) > MOST_CLASSES:
        out.line(f"and {len(rows) - MOST_CLASSES} more in --json")


def _number(value: float | None) -> str:
    return "-" if value is None else show_score(value)


def show_list(out: Output, found: "Sequence[Verification]", sweep: str) -> None:
    """Show the stored verifications, oldest first."""
    if not found:
        out.line("no verification yet")
        return
    rows = [
        (
            one.id,
            one.summary.source.shown,
            f"{len(one.summary.models)}",
            f"{one.summary.n_rows:,}",
            one.summary.sample,
            one.summary.models[0].metric,
            _number(one.summary.models[0].verified),
            _number(one.summary.models[0].gap),
        )
        for one in found
    ]
    headers = ("id", "rows of", "models", "rows", "sample", "metric", "first", "gap")
    out.table(headers, rows, right=(2, 3, 6, 7))
    out.line()
    out.wrapped(
        f"{plural(len(found), 'verification')}; one of them: manyfit verify {quoted(sweep)} --show {found[-1].id}"
    )


def verification_facts(found: "Verification") -> dict[str, Any]:
    """Return a verification as JSON values: its file, and when it was stored."""
    return {**found.to_json(), "stored_at": found.stored_at}
