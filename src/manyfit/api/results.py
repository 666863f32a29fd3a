"""What came out of a sweep: leaderboard, tables, failures, the best model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyfit import connect
from manyfit.contracts.store import Store
from manyfit.model.audit import Certificate
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import certificates
from manyfit.model.errors import NotFound
from manyfit.model.snapshot import Snapshot
from manyfit.run.control import last_header
from manyfit.run.known import segments_of

if TYPE_CHECKING:
    import polars as pl

    from manyfit.report.failures import FailureGroup


class Results:
    """
    The results in one store, read when asked for.

    Frames are Polars; ``.to_pandas()`` of each needs the extra ``manyfit[pandas]``.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.files = connect.local_files(store)

    @property
    def folder(self) -> Path:
        """The folder with the files of the sweep on this machine: the store itself where that is a folder."""
        return self.files.folder

    def leaderboard(
        self,
        *,
        top: int | None = None,
        metric: str | None = None,
        split: str | None = None,
        pipeline: str | None = None,
    ) -> "pl.DataFrame":
        """Return one row for each candidate on each split, best first; *top* of each split."""
        from manyfit.fit.metrics import greater_is_better
        from manyfit.report.leaderboard import leaderboard

        return leaderboard(
            self.store,
            top=top,
            metric=metric,
            split=split,
            pipeline=pipeline,
            greater_is_better=greater_is_better,
        )

    def tasks(self) -> "pl.DataFrame":
        """Return one row for each task: what it was, its scores, timings, failure."""
        from manyfit.report.results import raw_results

        return raw_results(self.store).collect()

    def failures(self) -> "Sequence[FailureGroup]":
        """Return the failed tasks, grouped by cause."""
        from manyfit.report.failures import failures

        return failures(self.store)

    def certificate(self) -> Certificate | None:
        """Return what the last audit found; None before the first."""
        found = certificates(self.store.entries())
        return found[-1] if found else None

    def doubtful(self) -> Mapping[str, int]:
        """Return how many results are doubtful, by the fusion rule that an audit switched off."""
        from manyfit.report.fused import doubtful_counts

        return doubtful_counts(self.store)

    def snapshot(self) -> Snapshot:
        """Return the counts as they are now."""
        return self.store.snapshot()

    def best(self, *, split: str | None = None, pipeline: str | None = None, metric: str | None = None) -> "Best":
        """
        Return the best candidate, of one split or pipeline if named.

        Raises `NotFound` when nothing has a score yet.
        """
        board = self.leaderboard(split=split, pipeline=pipeline, metric=metric, top=1)
        scored = board.filter(board["score"].is_not_null())
        if scored.is_empty():
            raise NotFound("no task has a score yet; look at `manyfit status` and `manyfit failures`")
        row = scored.row(0, named=True)
        return Best(
            results=self,
            candidate_key=row["candidate_key"],
            variant=row["variant"],
            split=row["split"],
            score=row["score"],
            params=row["params"],
            pipeline=row["pipeline"],
        )

    def _repr_html_(self) -> str:
        from manyfit.report.html import table_html

        caption = str(self.snapshot().counts)
        if doubtful := self.doubtful():
            caption += f"; doubtful: {', '.join(f'{n:,} by {rule}' for rule, n in doubtful.items())}"
        return table_html(self.leaderboard(top=20), caption=caption)

    def __repr__(self) -> str:
        return f"Results({self.store.url!r}, {self.snapshot().counts})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Best:
    """The best candidate of a leaderboard."""

    results: Results
    candidate_key: str
    variant: str
    split: str
    score: float
    params: str
    pipeline: str

    def candidate(self) -> Candidate:
        """Return the candidate with its steps."""
        for segment in segments_of(self.results.store):
            for candidate in segment.candidates:
                if candidate.key == self.candidate_key and candidate.variant == self.variant:
                    return candidate
        raise NotFound(f"candidate {self.candidate_key} is in no segment of the sweep")

    def model(self) -> Any:
        """
        Return the fitted scikit-learn estimator, fitted on all training rows of the split.

        The kept model when the sweep kept it, else the same fit made again in this process. It predicts
        the integer codes of the classes, in the order of `classes`.
        """
        kept = self._kept()
        if kept is not None:
            from manyfit.fit.models import model_of

            content = self.results.store.artifacts.read(kept["file"])
            return model_of(content, kept["file"], sha256=kept["sha256"])
        from manyfit.fit.refit import refit

        return refit(last_header(self.results.store), self.candidate(), self.cell())

    def cell(self) -> Cell:
        """Return the cell of the fit on all training rows of the split, with the first seed."""
        from manyfit.api.keeping import whole_cell

        return whole_cell(self.results.store, self.split, self.variant)

    def _kept(self) -> dict[str, Any] | None:
        import json

        frame = self.results.tasks()
        mine = frame.filter(
            (frame["candidate_key"] == self.candidate_key)
            & (frame["variant"] == self.variant)
            & (frame["split"] == self.split)
            & frame["fold"].is_null()
        )
        for text in mine["artifacts"].drop_nulls().to_list():
            model = json.loads(text).get("model")
            if isinstance(model, dict):
                return model
        return None
