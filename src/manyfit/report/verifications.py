"""Verifications that are stored with a sweep: what models said of rows that they had never seen."""

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from manyfit.contracts.artifacts import VERIFICATIONS
from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, StoreCorrupt, UserError
from manyfit.model.verification import Summary, figures_to_json, summary_from_json, summary_to_json

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """
    One verification.

    `summary` says what was verified on which rows, and for each model its scores, by class, group and category,
    beside its score of the sweep. `stored_at` is in seconds, by the store's clock.
    """

    id: str
    stored_at: float
    summary: Summary
    store: Store

    def rows(self) -> pl.DataFrame:
        """Return one row for each model and verified row: what is true, what was predicted, how sure."""
        return pl.read_parquet(io.BytesIO(self.store.artifacts.read(f"{VERIFICATIONS}{self.id}.parquet")))

    def models(self) -> pl.DataFrame:
        """
        Return one row for each model: score of the sweep (`validation`), of these rows (`verified`), and the gap.

        The gap is positive where the model is worse on these rows than it seemed.
        """
        columns = ("pipeline", "params", "split", "variant", "features", "set", "validation", "verified", "gap")
        rows = [
            {name: getattr(model, name) for name in columns}
            | {"n_rows": model.figures.n_rows, "candidate_key": model.candidate_key}
            for model in self.summary.models
        ]
        floats = dict.fromkeys(("validation", "verified", "gap"), pl.Float64)
        return pl.DataFrame(rows, schema_overrides=floats)

    def classes(self, model: int = 0) -> pl.DataFrame:
        """Return precision, recall, F1, specificity and support of each class, for one model."""
        return _frame(self._figures(model).get("classes", []))

    def categories(self, model: int = 0) -> pl.DataFrame:
        """Return the same for each category; empty where the sweep declares none."""
        return _frame(self._figures(model).get("categories", []))

    def groups(self, model: int = 0) -> pl.DataFrame:
        """Return the scores of each group, for one model; empty where the rows have no groups."""
        return _frame(self._figures(model).get("groups", []))

    def confusion_matrix(self, model: int = 0) -> pl.DataFrame:
        """Return the confusion matrix, classes by name: true ones as rows, predicted ones as columns."""
        found = self.summary.models[model].figures
        names = [rates.name for rates in found.classes or ()]
        columns = {name: [row[i] for row in found.confusion_matrix or ()] for i, name in enumerate(names)}
        return pl.DataFrame({"true": names, **columns})

    def plot(self, path: str | Path) -> Path:
        """Draw the gap of each model to a file (.png, .svg or .pdf). Raises `MissingExtra` without matplotlib."""
        from manyfit.report.plots.canvas import save
        from manyfit.report.plots.verified import draw_verified

        return save(lambda: draw_verified(self.summary), Path(path))

    def _figures(self, model: int) -> Mapping[str, Any]:
        return figures_to_json(self.summary.models[model].figures)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON values of its file, the same as `manyfit verify --json` shows."""
        return {"format": FORMAT, "id": self.id, **summary_to_json(self.summary)}

    def _repr_html_(self) -> str:
        from manyfit.report.html import table_html

        return table_html(self.models(), caption=headline(self.summary))


def _frame(rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame([dict(row) for row in rows], infer_schema_length=None)


def verifications(store: Store) -> list[Verification]:
    """Return the verifications of a sweep, oldest first."""
    return sorted(_stored(store), key=lambda one: (one.stored_at, one.id))


def verification(store: Store, beginning: str) -> Verification:
    """Return the verification whose id begins with *beginning*. Raises `NotFound`, `UserError`."""
    known = verifications(store)
    found = [one for one in known if one.id.startswith(beginning)]
    if not found:
        listed = ", ".join(one.id for one in known) or "none yet"
        raise NotFound(f'no verification has an id that starts with "{beginning}"; there are: {listed}')
    if len(found) > 1:
        raise UserError(f'{len(found)} verifications have ids that start with "{beginning}"; give more of it')
    return found[0]


def store_verification(store: Store, summary: Summary, rows: bytes, name: str) -> Verification:
    """Store a verification under its id *name*; the same again is harmless. What names the rows comes last."""
    content = {"format": FORMAT, "id": name, **summary_to_json(summary)}
    store.artifacts.put(f"{VERIFICATIONS}{name}.parquet", rows)
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    store.artifacts.put(f"{VERIFICATIONS}{name}.json", text.encode())
    return verification(store, name)


def _stored(store: Store) -> Iterator[Verification]:
    for file in store.artifacts.files():
        if not (file.name.startswith(VERIFICATIONS) and file.name.endswith(".json")):
            continue
        try:
            value = json.loads(store.artifacts.read(file.name))
            # another version of manyfit wrote those of another format
            summary = summary_from_json(value) if value["format"] == FORMAT else None
            name = str(value["id"])
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise StoreCorrupt(f"{file.name} of {store.url} is no verification ({exc!r}); remove it") from exc
        if summary is not None:
            yield Verification(id=name, stored_at=file.stored_at, summary=summary, store=store)


def headline(summary: Summary) -> str:
    """Return in one line what was verified on which rows."""
    n_models = len(summary.models)
    models = "1 model" if n_models == 1 else f"{n_models} models"
    upto = "up to " if len({model.figures.n_rows for model in summary.models}) > 1 else ""
    noun = "row" if summary.n_rows == 1 else "rows"
    rows = f"{upto}{summary.n_rows:,} {noun} of {summary.source.shown}"
    return f"{models} on {rows} (sample {summary.sample})"
