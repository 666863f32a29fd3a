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

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """
    One verification.

    `summary` are the JSON values of its file: what was verified on which rows, and for each model its scores, by
    class, group and category, beside its score of the sweep. `stored_at` is in seconds, by the store's clock.
    """

    id: str
    stored_at: float
    summary: Mapping[str, Any]
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
        rows = [{name: model[name] for name in (*columns, "n_rows", "candidate_key")} for model in self._models]
        floats = dict.fromkeys(("validation", "verified", "gap"), pl.Float64)
        return pl.DataFrame(rows, schema_overrides=floats)

    def classes(self, model: int = 0) -> pl.DataFrame:
        """Return precision, recall, F1, specificity and support of each class, for one model."""
        return _frame(self._models[model].get("classes", []))

    def categories(self, model: int = 0) -> pl.DataFrame:
        """Return the same for each category; empty where the sweep declares none."""
        return _frame(self._models[model].get("categories", []))

    def groups(self, model: int = 0) -> pl.DataFrame:
        """Return the scores of each group, for one model; empty where the rows have no groups."""
        return _frame(self._models[model].get("groups", []))

    def confusion_matrix(self, model: int = 0) -> pl.DataFrame:
        """Return the confusion matrix, classes by name: true ones as rows, predicted ones as columns."""
        found, names = self._models[model], [row["class"] for row in self._models[model]["classes"]]
        columns = {name: [row[i] for row in found["confusion_matrix"]] for i, name in enumerate(names)}
        return pl.DataFrame({"true": names, **columns})

    def plot(self, path: str | Path) -> Path:
        """Draw the gap of each model to a file (.png, .svg or .pdf). Raises `MissingExtra` without matplotlib."""
        from manyfit.report.plots.canvas import save
        from manyfit.report.plots.verified import draw_verified

        return save(lambda: draw_verified(self.summary), Path(path))

    @property
    def _models(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.summary["models"]
        return found

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


def store_verification(store: Store, summary: Mapping[str, Any], rows: bytes, name: str) -> Verification:
    """Store a verification under its id *name*; the same again is harmless. What names the rows comes last."""
    content = {"format": FORMAT, "id": name, **summary}
    store.artifacts.put(f"{VERIFICATIONS}{name}.parquet", rows)
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    store.artifacts.put(f"{VERIFICATIONS}{name}.json", text.encode())
    return verification(store, name)


def _stored(store: Store) -> Iterator[Verification]:
    for file in store.artifacts.files():
        if not (file.name.startswith(VERIFICATIONS) and file.name.endswith(".json")):
            continue
        try:
            summary = json.loads(store.artifacts.read(file.name))
            known = summary["format"] == FORMAT
        except (ValueError, KeyError, TypeError) as exc:
            raise StoreCorrupt(f"{file.name} of {store.url} is no verification ({exc}); remove it") from exc
        if known:  # another version of manyfit wrote the others
            yield Verification(id=summary["id"], stored_at=file.stored_at, summary=summary, store=store)


def headline(summary: Mapping[str, Any]) -> str:
    """Return in one line what was verified on which rows."""
    n_models = len(summary["models"])
    models = "1 model" if n_models == 1 else f"{n_models} models"
    upto = "up to " if len({model["n_rows"] for model in summary["models"]}) > 1 else ""
    noun = "row" if summary["n_rows"] == 1 else "rows"
    rows = f"{upto}{summary['n_rows']:,} {noun} of {summary['source']['shown']}"
    return f"{models} on {rows} (sample {summary['sample']})"
