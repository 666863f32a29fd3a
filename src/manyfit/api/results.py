"""What came out of a sweep: leaderboard, tables, failures, the best model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from manyfit import connect
from manyfit.contracts.store import Store
from manyfit.model.audit import Certificate
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import certificates
from manyfit.model.errors import NotFound, UserError
from manyfit.model.snapshot import Snapshot
from manyfit.run.known import segments_of

if TYPE_CHECKING:
    import polars as pl

    from manyfit.api.checking import Checked
    from manyfit.api.exporting import Exported
    from manyfit.api.reporting import Report
    from manyfit.fit.trained import Trained
    from manyfit.report.failures import FailureGroup
    from manyfit.report.verifications import Verification


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

    def generalisation(
        self,
        *,
        top: int | None = None,
        metric: str | None = None,
        split: str | None = None,
        pipeline: str | None = None,
    ) -> "pl.DataFrame":
        """Return validation and held-out score of each candidate, with the gap between the two."""
        from manyfit.fit.metrics import greater_is_better
        from manyfit.report.generalisation import generalisation

        return generalisation(
            self.store, top=top, metric=metric, split=split, pipeline=pipeline, greater_is_better=greater_is_better
        )

    def verify(
        self,
        data: str | Path | None = None,
        *,
        top: int | None = 1,
        task: str = "",
        split: str | None = None,
        metric: str | None = None,
        trust: bool = False,
        **rows: Any,
    ) -> "Verification":
        """
        Run the best models, or that of *task*, on rows that they never saw; store and return what came out.

        The rows are those of *data*, or of the sweep's own data with ``unseen_groups=True`` or
        ``unused_rows=True``; *rows* are also ``sample``, ``seed``, ``keep_seen`` and ``where``, as in
        `manyfit verify`.
        """
        from manyfit.api.verifying import requested, verify

        request = requested(data=data, **rows)
        return verify(self.store, request, top=top, task=task, split=split, metric=metric, trust=trust)

    def verifications(self) -> "Sequence[Verification]":
        """Return the verifications that are stored with the sweep, oldest first."""
        from manyfit.report.verifications import verifications

        return verifications(self.store)

    def check(self, *rules: str) -> "Checked":
        """Hold the results to the quality rules with these names, to all without any, as `manyfit check`."""
        from manyfit.api.checking import check_sweep

        return check_sweep(self.store, rules)

    def export(self, folder: str | Path, *, columns: Mapping[str, str] | Sequence[str] = ()) -> "Exported":
        """
        Write the results into *folder*, as `manyfit export`: tables, a dictionary of them, what they come from.

        *columns* are names, or a mapping of names to types ("text", "integer", "float", "boolean", "time").
        """
        from manyfit.api.exporting import export_sweep

        typed = columns if isinstance(columns, Mapping) else dict.fromkeys(columns, "")
        return export_sweep(self.store, folder, columns=list(typed.items()))

    def snapshot(self) -> Snapshot:
        """Return the counts as they are now."""
        return self.store.snapshot()

    def report(
        self,
        to: str | Path | None = None,
        *,
        plots: Sequence[str] = (),
        metric: str | None = None,
        split: str | None = None,
        heatmaps: Sequence[tuple[str, str]] = (),
        refit: bool = True,
        top: int = 20,
    ) -> "Report":
        """
        Write a report: one HTML file with tables and plots, which needs nothing else to be looked at.

        *to* is that file (.html) or a folder; the folder of the sweep's result tables by default. *plots* are
        formats, "png" or "svg", in which every plot becomes a file too. *heatmaps* are pairs of parameters.
        Curves need predictions: without kept ones the best candidates are fitted again, unless *refit* is
        False. Raises `MissingExtra` without matplotlib.
        """
        from manyfit.api.reporting import report

        return report(
            self.store,
            to=to,
            plots=plots,
            metric=metric,
            split=split,
            heatmaps=heatmaps,
            refit=refit,
            top=top,
        )

    def compare(
        self,
        *,
        metric: str | None = None,
        split: str | None = None,
        top: int | None = None,
        alpha: float = 0.05,
        rope: float | None = None,
    ) -> "pl.DataFrame":
        """
        Return one row for each candidate that is compared with the best of its split and data variant.

        The best candidate of each pipeline, or the *top* best of all, paired by fold and seed; columns are those
        of `manyfit.report.comparison_facts.SCHEMA`.
        """
        from manyfit.api.comparing import compared
        from manyfit.report.comparison_facts import comparison_frame

        found = compared([self.store], metric=metric, split=split, top=top, alpha=alpha, rope=rope)
        return comparison_frame(found)

    def best(
        self,
        *,
        split: str | None = None,
        pipeline: str | None = None,
        metric: str | None = None,
        rule: Literal["best", "one_se"] = "best",
        simplest: Sequence[str] = (),
    ) -> "Best":
        """
        Return the best candidate, of one split or pipeline if named.

        With the rule "one_se" it is the simplest one within one standard error of the best: *simplest* says what
        is simple, "time" (the shortest fit, by default) or parameters with a direction such as "C,asc". Raises
        `NotFound` when nothing has a score yet, or the error cannot be known.
        """
        row = self._best_row(split, pipeline, metric, rule, simplest)
        return Best(
            results=self,
            candidate_key=row["candidate_key"],
            variant=row["variant"],
            split=row["split"],
            score=row["score"],
            params=row["params"],
            pipeline=row["pipeline"],
        )

    def _best_row(
        self, split: str | None, pipeline: str | None, metric: str | None, rule: str, simplest: Sequence[str]
    ) -> Mapping[str, Any]:
        if rule == "one_se":
            from manyfit.api.comparing import simplest as choices

            found = choices(self.store, metric=metric, split=split, pipeline=pipeline, orders=simplest)
            if not found:
                raise NotFound("one standard error takes two scores of the best: folds, or several seeds")
            return found[0].chosen
        if rule != "best" or simplest:
            raise UserError(f'no rule "{rule}"' if rule != "best" else 'simplest= goes with rule="one_se"')
        board = self.leaderboard(split=split, pipeline=pipeline, metric=metric, top=1)
        scored = board.filter(board["score"].is_not_null())
        if scored.is_empty():
            raise NotFound("no task has a score yet; look at `manyfit status` and `manyfit failures`")
        return scored.row(0, named=True)

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
        return self.trained().estimator

    def trained(self) -> "Trained":
        """Return the same model ready for new tables: it checks their features and predicts class names."""
        from manyfit.api.trained import trained_for

        return trained_for(self.results.store, self.candidate(), self.cell())

    def cell(self) -> Cell:
        """Return the cell of the fit on all training rows of the split, with the first seed."""
        from manyfit.api.cells import whole_cell

        return whole_cell(self.results.store, self.split, self.variant, self.candidate_key)
