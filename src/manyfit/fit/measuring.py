"""What is measured of a fitted model for its gates: scores by class and group, comparisons, calibration, time."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from manyfit.fit.confusion import class_shares, confusion_matrix
from manyfit.fit.responses import KeptResponses, Responses
from manyfit.fit.scoring import Scoring, category_view
from manyfit.fit.trained import Trained
from manyfit.model.gates import ChampionGate, LatencyGate, PairedTest
from manyfit.model.sweep import DataSpec, Problem
from manyfit.report.calibration import brier_by_row, expected_calibration_error, log_loss_by_row
from manyfit.report.gates import Latency, Part
from manyfit.report.paired import (
    OF_CHANCES,
    OF_CLASSES,
    OF_NUMBERS,
    SMALLER_IS_BETTER,
    Discordant,
    Gain,
    Sums,
    mcnemar,
    paired_bootstrap,
    sums_of_classes,
    sums_of_losses,
    sums_of_numbers,
)

PAIRED_METRICS: Mapping[Problem, tuple[str, ...]] = {
    Problem.CLASSIFICATION: (*OF_CLASSES, *OF_CHANCES),
    Problem.REGRESSION: OF_NUMBERS,
}
"""Metrics that can be compared with a champion's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Rows to judge on: a table, true class codes or numbers, and the group of each row where there are groups."""

    frame: pl.DataFrame
    y: NDArray[Any]
    groups: Sequence[str | None] | None
    data: DataSpec


class Answered:
    """The answers of a model for the rows of a sample, each asked for once."""

    def __init__(self, trained: Trained, sample: Sample) -> None:
        self.trained = trained
        self.sample = sample
        X = trained.matrix(sample.frame, by_name=True)
        with trained.naming_gaps(X):
            self._arrays = Responses(trained.estimator, X, len(trained.classes)).arrays()

    @property
    def predicted(self) -> NDArray[Any]:
        return self._arrays["predict"]

    @property
    def chances(self) -> NDArray[np.float64] | None:
        """Probabilities, rows x classes; None where the model has none or not all are finite."""
        found = self._arrays.get("predict_proba")
        if found is None or not np.isfinite(found).all():
            return None
        return np.asarray(found, dtype=np.float64)

    def scores(self, metrics: Sequence[str], rows: NDArray[np.bool_] | None = None) -> dict[str, float | None]:
        """Return *metrics* on all rows, or on *rows*; None where one is not defined."""
        if not metrics:
            return {}
        trained = self.trained
        view = category_view(self.sample.data, trained.classes)
        scoring = Scoring(metrics, trained.problem, len(trained.classes), view)
        chosen = slice(None) if rows is None else rows
        part = {name: values[chosen] for name, values in self._arrays.items()}
        return scoring.score(KeptResponses(part, len(trained.classes)), self.sample.y[chosen])[0]

    def by_class(self) -> dict[str, Part]:
        """Return `CLASS_METRICS` of each class, by the name that is shown; a share of nothing is None."""
        trained = self.trained
        matrix = confusion_matrix(self.sample.y, self.predicted, len(trained.classes))
        return {
            trained.labels.get(text, text): Part(n_rows=n_true, scores=scores)
            for text, (n_true, _, scores) in zip(trained.classes, class_shares(matrix), strict=True)
        }

    def by_group(self, metrics: Sequence[str]) -> dict[str, Part]:
        """Return *metrics* on the rows of each group, in the order of their names."""
        groups = self.sample.groups
        if groups is None or not metrics:
            return {}
        found = {}
        for name in sorted({group for group in groups if group is not None}):
            mine = np.array([group == name for group in groups], dtype=bool)
            found[name] = Part(n_rows=int(mine.sum()), scores=self.scores(metrics, mine))
        return found

    def calibration(self, bins: int) -> tuple[float, float] | None:
        """Return the expected calibration error and the Brier score; None without probabilities."""
        chances, y = self.chances, self.sample.y
        if chances is None:
            return None
        return expected_calibration_error(chances, y, bins=bins), float(brier_by_row(chances, y).mean())


def gain_over(gate: ChampionGate, own: Answered, champion: Answered) -> Gain | Discordant | None:
    """
    Return how *own* compares with *champion* on the same rows; None where the metric is not defined for both.

    Classes are matched by their texts; one that only the champion knows is always wrong.
    """
    if gate.test is PairedTest.MCNEMAR:
        y = own.sample.y
        return mcnemar(own.predicted == y, _codes(own, champion) == y)
    sums = _sums(gate, own, champion)
    if sums is None:
        return None
    return paired_bootstrap(
        sums,
        smaller_is_better=gate.metric in SMALLER_IS_BETTER,
        confidence=gate.confidence,
        resamples=gate.resamples,
        seed=gate.seed,
    )


def _sums(gate: ChampionGate, own: Answered, champion: Answered) -> Sums | None:
    sample = own.sample
    groups = None
    if gate.by_group and sample.groups is not None:
        groups = np.unique([str(group) for group in sample.groups], return_inverse=True)[1].astype(np.int64)
    if gate.metric in OF_NUMBERS:
        return sums_of_numbers(gate.metric, sample.y, own.predicted, champion.predicted, groups)
    if gate.metric in OF_CHANCES:
        mine, other = own.chances, _chances(own, champion)
        if mine is None or other is None:
            return None
        loss = brier_by_row if gate.metric == "brier" else log_loss_by_row
        return sums_of_losses(loss(mine, sample.y), loss(other, sample.y), groups)
    n_classes = len(own.trained.classes) + 1
    predicted = own.predicted.astype(np.int64)
    return sums_of_classes(gate.metric, sample.y, predicted, _codes(own, champion), n_classes, groups)


def _codes(own: Answered, champion: Answered) -> NDArray[np.int64]:
    """Return the champion's predictions as codes of *own*, the first free one for classes that *own* lacks."""
    known = {text: code for code, text in enumerate(own.trained.classes)}
    codes = np.array([known.get(text, len(known)) for text in champion.trained.classes], dtype=np.int64)
    return np.asarray(codes[champion.predicted.astype(np.int64)])


def _chances(own: Answered, champion: Answered) -> NDArray[np.float64] | None:
    """Return the champion's probabilities by the classes of *own*, 0 for those that it does not know."""
    found = champion.chances
    if found is None:
        return None
    known = {text: code for code, text in enumerate(champion.trained.classes)}
    columns = [found[:, known[text]] if text in known else np.zeros(len(found)) for text in own.trained.classes]
    return np.column_stack(columns)


def latency_of(
    trained: Trained,
    frame: pl.DataFrame,
    gate: LatencyGate,
    *,
    machine: str,
    clock: Callable[[], float] = time.perf_counter,
) -> Latency:
    """
    Return the time of predictions in this process: from a table to classes and probabilities, or numbers.

    Each takes `gate.rows` rows of *frame*, from the first on, again from there where it has fewer.
    """
    rows = frame[np.resize(np.arange(len(frame)), gate.rows)]
    for _ in range(gate.warm_up):
        trained.predict(rows, by_name=True)
    seconds = []
    for _ in range(gate.repeats):
        start = clock()
        trained.predict(rows, by_name=True)
        seconds.append(clock() - start)
    median, p95 = (float(np.quantile(seconds, share)) for share in (0.5, 0.95))
    return Latency(rows=gate.rows, median_seconds=median, p95_seconds=p95, repeats=gate.repeats, machine=machine)
