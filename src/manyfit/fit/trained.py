"""A fitted model with all that predicting on a new table needs: its features, its classes, their names."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from manyfit.model.encoding import Encoding, encoding_of_json
from manyfit.model.errors import SchemaMismatch, UserError
from manyfit.model.schema import FeatureSchema
from manyfit.model.sweep import Problem

if TYPE_CHECKING:
    import polars as pl

PREDICTED, CONFIDENCE, PROBABILITY = "predicted", "confidence", "p:"
"""Columns of predictions: the class or number, the probability of that class, that of each class by its text."""

BY_NAME = "To take the features by their names and leave other columns alone: --by-name, in Python by_name=True."

MOST_NAMED = 5
"""Columns that a message names."""


class UnknownValues(UserWarning):
    """Rows have texts that a model was not fitted on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """
    A fitted model, ready to predict.

    `estimator` is fitted in scikit-learn's style; classifiers predict class codes, positions in `classes`
    (texts; empty for a regression). `labels` map class texts to shown names, `categories` names to
    classes. `manifest` says where the model comes from, as JSON values (see `manyfit.fit.bundles`).
    """

    estimator: Any
    problem: Problem
    classes: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    schema: FeatureSchema
    manifest: Mapping[str, Any] = field(default_factory=dict)

    def matrix(self, frame: "pl.DataFrame", *, by_name: bool = False) -> NDArray[np.float64]:
        """
        Return the features of *frame*: float64, C order, missing values NaN.

        Its feature columns must be those of the schema in the same order: columns that had another role in
        the table of the sweep, and those that its feature set leaves out, do not count. With *by_name*
        order and further columns do not matter. Whole numbers do as floats. Columns that the sweep encodes may
        stand as they are. Raises `SchemaMismatch`.
        """
        lacking = self._lacking(frame)
        frame = self._encoded(frame)
        found = schema_of(frame, self.schema, None if by_name else self.manifest.get("table"))
        texts = [f"{name} ({frame[name].dtype})" for name in self.schema.names if _is_other(frame, name)]
        strange = [*lacking, *(f"no numbers: {text}" for text in texts)]
        if differences := [*self.schema.difference(found), *strange]:
            named = schema_of(frame, self.schema)
            helps = not (by_name or texts or self.schema.difference(named))
            raise SchemaMismatch(differences, BY_NAME if helps else "")
        return _matrix(frame, self.schema.names)

    @property
    def encoding(self) -> Encoding:
        """Which columns of tables the model takes as texts, and the values it knows."""
        return encoding_of_json(self.manifest.get("encoding", {}))

    def unknown_values(self, frame: "pl.DataFrame") -> Sequence[str]:
        """Return sentences about texts in *frame* that the model was not fitted on; they count as missing."""
        encoding = self.encoding
        if not encoding.known():
            return []
        from manyfit.data.encoding import unknown_values

        return unknown_values(frame, encoding, self.schema.names)

    def _encoded(self, frame: "pl.DataFrame") -> "pl.DataFrame":
        """Return *frame* with the features that encode its texts, and without these."""
        encoding = self.encoding
        if not encoding.known():
            return frame
        from manyfit.data.encoding import encoded_like

        found = encoded_like(frame, encoding, self.schema.names)
        texts = [name for name in encoding.known() if name in found.columns and name not in self.schema.names]
        return found.drop(texts)

    def _lacking(self, frame: "pl.DataFrame") -> Sequence[str]:
        """Return a line about columns of texts that are not there, and neither is what encodes them."""
        origins = self.encoding.origins()
        lacking = {
            origins[name]: None for name in self.schema.names if name in origins and name not in frame.columns
        }
        named = [f'"{name}"' for name in lacking if name not in frame.columns]
        return [f"missing columns that are encoded: {', '.join(named)}"] if named else []

    def check(self, schema: FeatureSchema) -> None:
        """Raise `SchemaMismatch`, which shows the difference, unless *schema* is that of the model."""
        if differences := self.schema.difference(schema):
            raise SchemaMismatch(differences, BY_NAME)

    def predict(self, frame: "pl.DataFrame", *, by_name: bool = False) -> "pl.DataFrame":
        """
        Return one row for each row of *frame*: `predicted` (class text or number), `confidence`, `p:<class>`.

        `confidence` is the probability of the predicted class, null where the model has none; then there
        are no columns `p:<class>` either. Warns with `UnknownValues` of texts that the model does not know, which
        count as missing. Raises `SchemaMismatch` as `matrix` does.
        """
        for note in self.unknown_values(frame):
            warnings.warn(note, UnknownValues, stacklevel=2)
        return self.answer(self.matrix(frame, by_name=by_name))

    def answer(self, X: NDArray[np.float64]) -> "pl.DataFrame":
        """Return what `predict` does, for the rows of a matrix that `matrix` made."""
        with self.naming_gaps(X):
            return self._answer(X)

    @contextmanager
    def naming_gaps(self, X: NDArray[np.float64]) -> Iterator[None]:
        """Raise `UserError` for what the model says of rows of *X* that have no value where it needs one."""
        try:
            yield
        except ValueError as exc:
            missing = ~np.isfinite(X)
            if not missing.any():
                raise
            count = len(np.unique(np.nonzero(missing)[0]))
            names = [f'"{self.schema.names[place]}"' for place in np.unique(np.nonzero(missing)[1])]
            more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
            what = "missing or infinite values in" if np.isinf(X).any() else "no value in"
            said = next(iter(str(exc).splitlines()), type(exc).__name__).rstrip(".")
            raise UserError(
                f"{count} of {len(X)} rows have {what} {', '.join(names[:MOST_NAMED])}{more}, and the model does"
                f" not take that ({said}); leave these rows out, or fit with an imputer as the first step"
            ) from exc

    def _answer(self, X: NDArray[np.float64]) -> "pl.DataFrame":
        import polars as pl

        if self.problem is Problem.REGRESSION:
            numbers = np.asarray(self.estimator.predict(X), dtype=np.float64).reshape(len(X))
            return pl.DataFrame({PREDICTED: numbers, CONFIDENCE: pl.Series([None] * len(X), dtype=pl.Float64)})
        codes = np.asarray(self.estimator.predict(X)).reshape(len(X)).astype(np.int64)
        predicted = pl.Series(PREDICTED, np.array(self.classes, dtype=object)[codes].tolist(), dtype=pl.String)
        chances = self._probabilities(X)
        if chances is None:
            return pl.DataFrame({PREDICTED: predicted, CONFIDENCE: pl.Series([None] * len(X), dtype=pl.Float64)})
        columns = {f"{PROBABILITY}{name}": chances[:, code] for code, name in enumerate(self.classes)}
        return pl.DataFrame({PREDICTED: predicted, CONFIDENCE: chances[np.arange(len(X)), codes], **columns})

    def _probabilities(self, X: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Return the probabilities of all classes, 0 for those that the training rows did not have."""
        if not hasattr(self.estimator, "predict_proba"):
            return None
        found = np.asarray(self.estimator.predict_proba(X), dtype=np.float64)
        known = np.asarray(getattr(self.estimator, "classes_", np.arange(found.shape[1]))).astype(np.int64)
        chances = np.zeros((len(X), len(self.classes)))
        chances[:, known] = found
        return chances


def schema_of(
    frame: "pl.DataFrame", wanted: FeatureSchema, table: Mapping[str, Any] | None = None
) -> FeatureSchema:
    """
    Return the features that *frame* has, under the mode of *wanted*.

    With *table* (`include`, `exclude`: patterns of a feature set; `others`: columns with another role) they
    are the numeric columns that these choose, in the order of *frame*. Without it they are the features of
    *wanted* that are there. A column of whole numbers, or without any value, has the type that is wanted.
    """
    kinds = {
        name: _kind(frame[name], wanted.by_name().get(name)) for name in _chosen(frame.columns, wanted, table)
    }
    kept = {name: kind for name, kind in kinds.items() if kind}
    return FeatureSchema(names=tuple(kept), types=tuple(kept.values()), mode=wanted.mode)


def _chosen(columns: Sequence[str], wanted: FeatureSchema, table: Mapping[str, Any] | None) -> list[str]:
    if table is None:
        return [name for name in wanted.names if name in columns]
    others, include, exclude = (tuple(table.get(name, ())) for name in ("others", "include", "exclude"))
    return [
        name
        for name in columns
        if name in wanted.names
        or (
            name not in others
            and any(fnmatchcase(name, pattern) for pattern in include)
            and not any(fnmatchcase(name, pattern) for pattern in exclude)
        )
    ]


def _kind(column: "pl.Series", wanted: str | None) -> str:
    """Return the type of a feature; for what is no number the type that is wanted, "" where none is."""
    import polars as pl

    if column.null_count() == len(column):
        return wanted or ""
    if column.dtype.is_integer():
        return "float" if wanted == "float" else "int"
    if column.dtype.is_float() or isinstance(column.dtype, pl.Decimal):
        return "float"
    return "bool" if isinstance(column.dtype, pl.Boolean) else wanted or ""


def _is_other(frame: "pl.DataFrame", name: str) -> bool:
    """Whether a column of this name holds neither numbers nor truth values, nor only gaps."""
    import polars as pl

    if name not in frame.columns or frame[name].null_count() == len(frame):
        return False
    return not (frame[name].dtype.is_numeric() or isinstance(frame[name].dtype, pl.Boolean))


def _matrix(frame: "pl.DataFrame", names: Sequence[str]) -> NDArray[np.float64]:
    """Convert column by column as a sweep converts its table, so that equal values are equal bits."""
    import polars as pl

    X = np.empty((len(frame), len(names)), dtype=np.float64)
    for i, name in enumerate(names):
        column = frame[name]
        numbers = column.cast(pl.Int8) if isinstance(column.dtype, pl.Boolean) else column
        X[:, i] = numbers.cast(pl.Float64).to_numpy()
    return X
