"""What a verification found, and its JSON form: that of its file in a store and of ``manyfit verify --json``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Scores = Mapping[str, float | None]
"""Scores by metric; None where a metric has no value."""

Matrix = tuple[tuple[int, ...], ...]
"""Counts by true class (rows) and predicted class (columns)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The rows: where they come from (`kind`: data, unseen-groups, unused-rows), in words, and the condition."""

    kind: str
    shown: str
    fingerprint: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """One class or category against the others; a share of nothing is None."""

    name: str
    support: int
    n_predicted: int
    precision: float | None
    recall: float | None
    f1: float | None
    specificity: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScores:
    """The scores of the rows of one group; rows without a group are the group None."""

    group: str | None
    n_rows: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """
    What answers are worth. Matrices are in the order of `classes` and `categories`.

    `groups` is None where rows have none, what is by class for a regression, what is by category where the sweep
    declares none; such parts are left out of the JSON form.
    """

    n_rows: int
    scores: Scores
    groups: tuple[GroupScores, ...] | None = None
    confusion_matrix: Matrix | None = None
    classes: tuple[Rates, ...] | None = None
    category_confusion_matrix: Matrix | None = None
    categories: tuple[Rates, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedModel:
    """
    One model: its score by `metric` in the sweep (`validation`, on the set `set`) and on these rows (`verified`).

    `gap` is positive where it is worse here. `tasks` are the fits that answered: those of several folds, or one.
    `counts` are rows that were left out, by reason.
    """

    candidate_key: str
    tasks: tuple[str, ...]
    pipeline: str
    params: str
    features: str
    variant: str
    split: str
    metric: str
    set: str | None
    validation: float | None
    verified: float | None
    gap: float | None
    counts: Mapping[str, int]
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """
    What was verified on which rows, and what came out for each model.

    `n_rows` is that of the model with most, `rows_sha256` of the Parquet file with a row for each prediction.
    """

    sweep: str
    source: Source
    sample: str
    seed: int
    keep_seen: bool
    problem: str
    n_rows: int
    rows_sha256: str
    notes: tuple[str, ...]
    models: tuple[VerifiedModel, ...]


def summary_to_json(summary: Summary) -> dict[str, Any]:
    """
    Return JSON values: the fields by their names; the figures of a model stand beside its other fields.

    Rates have their name under "class" or "category", scores of a group stand beside its other fields.
    """
    whole = {name: getattr(summary, name) for name in Summary.__dataclass_fields__}
    return {
        **whole,
        "source": asdict(summary.source),
        "notes": list(summary.notes),
        "models": [_model_to_json(model) for model in summary.models],
    }


def summary_from_json(value: Mapping[str, Any]) -> Summary:
    """Return the summary that `summary_to_json` wrote. Raises KeyError, TypeError or ValueError for others."""
    fields = {name: value[name] for name in Summary.__dataclass_fields__}
    parts = {
        "source": Source(**value["source"]),
        "notes": tuple(value["notes"]),
        "models": tuple(_model_from_json(model) for model in value["models"]),
    }
    return Summary(**{**fields, **parts})


def _model_to_json(model: VerifiedModel) -> dict[str, Any]:
    fields = {name: getattr(model, name) for name in VerifiedModel.__dataclass_fields__ if name != "figures"}
    parts = {"tasks": list(model.tasks), "counts": dict(model.counts)}
    return {**fields, **parts, **figures_to_json(model.figures)}


def _model_from_json(value: Mapping[str, Any]) -> VerifiedModel:
    fields = {name: value[name] for name in VerifiedModel.__dataclass_fields__ if name != "figures"}
    parts = {"tasks": tuple(value["tasks"]), "figures": figures_from_json(value)}
    return VerifiedModel(**{**fields, **parts})


def figures_to_json(found: Figures) -> dict[str, Any]:
    """Return JSON values; what is None is left out."""
    parts = {
        "groups": None if found.groups is None else [_group_to_json(one) for one in found.groups],
        "confusion_matrix": _lists(found.confusion_matrix),
        "classes": _rates_to_json(found.classes, "class"),
        "category_confusion_matrix": _lists(found.category_confusion_matrix),
        "categories": _rates_to_json(found.categories, "category"),
    }
    there = {name: part for name, part in parts.items() if part is not None}
    return {"n_rows": found.n_rows, "scores": dict(found.scores), **there}


def figures_from_json(value: Mapping[str, Any]) -> Figures:
    """Return the figures that `figures_to_json` wrote, maybe among other fields."""
    groups = value.get("groups")
    return Figures(
        n_rows=value["n_rows"],
        scores=value["scores"],
        groups=None if groups is None else tuple(_group_from_json(one) for one in groups),
        confusion_matrix=_tuples(value.get("confusion_matrix")),
        classes=_rates_from_json(value.get("classes"), "class"),
        category_confusion_matrix=_tuples(value.get("category_confusion_matrix")),
        categories=_rates_from_json(value.get("categories"), "category"),
    )


def _group_from_json(value: Mapping[str, Any]) -> GroupScores:
    scores = {name: score for name, score in value.items() if name not in ("group", "n_rows")}
    return GroupScores(group=value["group"], n_rows=value["n_rows"], scores=scores)


def _group_to_json(one: GroupScores) -> dict[str, Any]:
    return {"group": one.group, "n_rows": one.n_rows, **one.scores}


def _rates_to_json(rates: Sequence[Rates] | None, what: str) -> list[dict[str, Any]] | None:
    if rates is None:
        return None
    return [{what if name == "name" else name: value for name, value in asdict(one).items()} for one in rates]


def _rates_from_json(rows: Sequence[Mapping[str, Any]] | None, what: str) -> tuple[Rates, ...] | None:
    if rows is None:
        return None
    return tuple(Rates(**{"name" if name == what else name: value for name, value in row.items()}) for row in rows)


def _lists(matrix: Matrix | None) -> list[list[int]] | None:
    return None if matrix is None else [list(row) for row in matrix]


def _tuples(matrix: Sequence[Sequence[int]] | None) -> Matrix | None:
    return None if matrix is None else tuple(tuple(row) for row in matrix)
