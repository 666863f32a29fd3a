"""Predicting a whole table with a fitted model: read like the sweep's own, answered in names that people know."""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyfit.fit.trained import CONFIDENCE, PREDICTED, PROBABILITY, Trained, UnknownValues
from manyfit.model.errors import Refused, UserError

if TYPE_CHECKING:
    import polars as pl

    from manyfit.model.sweep import DataSpec


def predict_table(
    trained: Trained, source: str, *, index: str | None = None, by_name: bool = False
) -> "pl.DataFrame":
    """
    Return predictions for the table in the file *source*, one row for each of its rows (windows, where the
    sweep cuts its recordings into windows).

    The first column is *index*, or the index column of the sweep where the table has it; then `predicted`,
    `confidence` and `p:<class>`, with the names of the classes that `data.labels` gives. Raises `UserError`
    for a file that cannot be read, `SchemaMismatch` for other features.
    """
    return predict_frame(trained, table_like(trained, source), index=index, by_name=by_name)


def predict_frame(
    trained: Trained, frame: "pl.DataFrame", *, index: str | None = None, by_name: bool = False
) -> "pl.DataFrame":
    """Return what `predict_table` does, for a table that `table_like` read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownValues)  # whoever reads tables asks `Trained.unknown_values`
        found = shown(trained, trained.predict(frame, by_name=by_name))
    carried = _index(trained, frame, index)
    if carried is None:
        return found
    if carried in found.columns:
        raise UserError(f'the index column "{carried}" has the name of a column of the answer; rename it')
    return found.insert_column(0, frame[carried])


def table_like(trained: Trained, source: str) -> "pl.DataFrame":
    """Return the table in the file *source*, shaped as the sweep shapes its own; metadata is not joined."""
    from manyfit.data import variants
    from manyfit.data.unseen import read_table_like

    here = Path.cwd()
    if not (here / Path(source).expanduser()).exists():
        raise UserError(f'there is no file "{source}"')
    data = _declared(trained.manifest)
    if data is None:
        from manyfit.data.readers import read_file

        return read_file(Path(source).expanduser(), source)
    params = variants(data).get(str(trained.manifest["cell"]["variant"]), {})
    return read_table_like(replace(data, metadata=None), source, here, params=params, here=here)


def shown(trained: Trained, found: "pl.DataFrame") -> "pl.DataFrame":
    """Return predictions with the names of classes that people gave them, where these are one for each class."""
    names = {name: trained.labels.get(name, name) for name in trained.classes}
    if len(set(names.values())) < len(names) or all(name == text for text, name in names.items()):
        return found
    renamed = {f"{PROBABILITY}{text}": f"{PROBABILITY}{name}" for text, name in names.items()}
    kept = {old: new for old, new in renamed.items() if old in found.columns}
    return found.with_columns(found[PREDICTED].replace_strict(names)).rename(kept)


def _declared(manifest: Mapping[str, Any]) -> "DataSpec | None":
    """Return how the sweep declared its data; None for a model without a manifest."""
    from manyfit.declare import from_json

    if "data" not in manifest:
        return None
    try:
        return from_json({"name": "model", "data": manifest["data"], "pipelines": [], "splits": []}).data
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Refused(f"the manifest of the model does not say how its data is read: {error}") from error


def _index(trained: Trained, frame: "pl.DataFrame", wanted: str | None) -> str | None:
    if wanted is not None:
        if wanted not in frame.columns:
            raise UserError(
                f'there is no column "{wanted}" to carry along; columns: {", ".join(frame.columns[:8])}'
            )
        return wanted
    declared = dict(trained.manifest.get("data") or {}).get("index")
    return declared if declared in frame.columns else None


def counts_of(found: "pl.DataFrame") -> Mapping[str, int]:
    """Return how often each class was predicted, the most frequent first; nothing for numbers."""
    import polars as pl

    if found[PREDICTED].dtype != pl.String:
        return {}
    counts = found[PREDICTED].value_counts().sort(["count", PREDICTED], descending=[True, False])
    return dict(zip(counts[PREDICTED].to_list(), counts["count"].to_list(), strict=True))


__all__ = [
    "CONFIDENCE",
    "PREDICTED",
    "PROBABILITY",
    "counts_of",
    "predict_frame",
    "predict_table",
    "shown",
    "table_like",
]
