"""What a search asks of its fits: candidates on splits, with everything that decides their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.fusion import Fuse

Row = dict[str, Any]
"""What became of one task, by the names that scikit-learn has for it."""
Scores = float | dict[str, float]
"""One score, or scores by metric name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """
    Candidates to be evaluated on splits of `X` and `y`.

    `estimator` is unfitted; `candidates` are parameters to set on it; `splits` are positions of training
    and test rows. `scorer`, `fit_params`, `score_params` and `error_score` are scikit-learn's. `settings` are its
    configuration and `filters` the warning filters of the caller. `seed` starts the global random streams
    of each fit in a runner (None: no fit asks them). Task *i* is candidate i // n_folds on fold
    i % n_folds.
    """

    estimator: Any
    X: Any
    y: Any
    candidates: Sequence[Mapping[str, Any]]
    splits: Sequence[tuple[Any, Any]]
    scorer: Any
    fit_params: Mapping[str, Any]
    score_params: Mapping[str, Any]
    return_train_score: bool
    error_score: Any
    settings: Mapping[str, Any]
    filters: Sequence[Any]
    fuse: Fuse | None
    seed: int | None = None

    @property
    def n_folds(self) -> int:
        return len(self.splits)

    @property
    def n_tasks(self) -> int:
        return len(self.candidates) * len(self.splits)

    def place(self, index: int) -> tuple[int, int]:
        """Return the candidate and the fold of a task."""
        return divmod(index, len(self.splits))


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A warning that a fit gave: its category, text and place in the source."""

    category: type[Warning]
    text: str
    filename: str
    lineno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """
    What became of one task, as scikit-learn's search sees it.

    `train` is None unless it was asked for. `fit_error` is the traceback of a fit that failed. Times are seconds.
    `fusion` is what `TaskResult.fusion` says.
    """

    test: Scores
    train: Scores | None
    fit_seconds: float
    score_seconds: float
    fit_error: str | None = None
    warned: tuple[Warned, ...] = ()
    fusion: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> Row:
        """Return the fields by the names that scikit-learn has for them."""
        row: Row = {
            "fit_error": self.fit_error,
            "test_scores": self.test,
            "fit_time": self.fit_seconds,
            "score_time": self.score_seconds,
        }
        return row if self.train is None else {**row, "train_scores": self.train}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTogether:
    """
    What became of several tasks that were computed and scored at once: `test` and `train` hold the scores of each.

    The other fields are those of `Scored`, for each of the tasks.
    """

    test: Sequence[Scores]
    train: Sequence[Scores] | None
    fit_seconds: float
    score_seconds: float
    warned: tuple[Warned, ...] = ()
    fusion: Mapping[str, Any] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Return the rows of all tasks in order."""
        fit, score = self.fit_seconds, self.score_seconds
        rows: list[Row] = [
            {"fit_error": None, "test_scores": test, "fit_time": fit, "score_time": score} for test in self.test
        ]
        for row, train in zip(rows, self.train or (), strict=self.train is not None):
            row["train_scores"] = train
        return rows

    def one(self, place: int) -> Scored:
        """Return what became of the task at a place in the order."""
        return Scored(
            test=self.test[place],
            train=None if self.train is None else self.train[place],
            fit_seconds=self.fit_seconds,
            score_seconds=self.score_seconds,
            warned=self.warned,
            fusion=self.fusion,
        )
