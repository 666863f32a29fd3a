"""Failed tasks, grouped by cause, each group with what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import told
from manyfit.model.keys import UnitId, WorkerId
from manyfit.model.result import FailureClass, Outcome
from manyfit.report.advice import ADVICE
from manyfit.report.evidence import Evidence, Line, evidence_of
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import label_of
from manyfit.report.texts import fold_text

_LINE = ("unit", "epoch", "index", "attempt")
_CELL = ("split", "fold", "held_out", "seed")
_EXAMPLE = ("key", *_LINE, "pipeline", "params", *_CELL, "failure_error", "failure_message")
_READ = NEEDED | {*_EXAMPLE, "outcome", "worker", "failure_class", "failure_fingerprint"}
_CAUSE = ("failure_class", "failure_fingerprint")
_FORGIVEN = [outcome.value for outcome in (Outcome.LOST, Outcome.PREEMPTED)]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """
    Failed tasks with one cause.

    `key`, `label`, `error`, `message` and `evidence` are those of one example: the task with the smallest key.
    `pipelines` are all that have the failure; `do` is the next step. `host` is where all of them failed, "" when
    they failed on several hosts, or when the sweep never ran on another. `n_forgiven` counts attempts of these
    tasks that were not charged: the host was to blame, or the worker was told to leave.
    """

    cls: FailureClass
    fingerprint: str
    count: int
    pipelines: tuple[str, ...]
    key: str
    label: str
    error: str
    message: str
    do: str
    host: str = ""
    n_forgiven: int = 0
    evidence: Evidence = field(default_factory=dict)

    @property
    def where(self) -> str:
        """What speaks of the host rather than of the tasks, in words; "" when nothing does."""
        told = [f"all on host {self.host}"] if self.host and self.count > 1 else []
        if self.n_forgiven:
            plural = "attempts of these tasks were" if self.n_forgiven > 1 else "attempt of these tasks was"
            told.append(f"{self.n_forgiven} {plural} forgiven, since the host or its scheduler was to blame")
        return "; ".join(told)

    @property
    def what(self) -> str:
        """The example in one line: where it happened and what was said."""
        said = told(self.error, self.message)
        return f"{self.label}: {said.splitlines()[0] if said else 'no message'}"


def failures(store: Store) -> list[FailureGroup]:
    """Return the failed tasks of *store* by class and fingerprint, largest group first."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    failed = frame.filter(pl.col("outcome") == "failed")
    groups = failed.group_by(*_CAUSE).agg(
        pl.len().alias("count"),
        pl.col("pipeline").unique().sort().alias("pipelines"),
        pl.col("worker").unique().alias("workers"),
        pl.struct(_EXAMPLE).sort_by("key").first().alias("example"),
    )
    ordered = groups.sort("count", *_CAUSE, descending=[True, False, False])
    rows = list(ordered.collect(engine="streaming").iter_rows(named=True))
    hosts = {view.info.id: view.info.host for view in store.snapshot().workers} if rows else {}
    forgiven = _forgiven(store, failed) if rows else {}
    evidence = evidence_of(store, {_line(row["example"]) for row in rows})
    return [_group(row, hosts, forgiven, evidence) for row in rows]


def _line(example: Mapping[str, Any]) -> Line:
    unit, epoch, index, attempt = (example[name] for name in _LINE)
    return UnitId(unit), epoch, index, attempt


def _forgiven(store: Store, failed: pl.LazyFrame) -> Mapping[tuple[str, str], int]:
    """Return how many attempts at the *failed* tasks were not charged, by class and fingerprint of the failure."""
    every = load_results(store, current=False, leave_out=frozenset(COLUMNS) - NEEDED - {"outcome"}).frame
    excused = every.filter(pl.col("outcome").is_in(_FORGIVEN)).select("key", "generation")
    counts = excused.join(failed.select("key", "generation", *_CAUSE), on=["key", "generation"])
    rows = counts.group_by(*_CAUSE).len().collect(engine="streaming").iter_rows()
    return {(cls, digits): count for cls, digits, count in rows}


def _group(
    row: Mapping[str, Any],
    hosts: Mapping[WorkerId, str],
    forgiven: Mapping[tuple[str, str], int],
    evidence: Mapping[Line, Evidence],
) -> FailureGroup:
    example = row["example"]
    cls = FailureClass(row["failure_class"] or "crash")
    found = {hosts.get(WorkerId(worker), "") for worker in row["workers"]}
    return FailureGroup(
        cls=cls,
        fingerprint=str(row["failure_fingerprint"] or ""),
        count=row["count"],
        pipelines=tuple(row["pipelines"]),
        key=example["key"],
        label=_label(example),
        error=example["failure_error"] or "",
        message=example["failure_message"] or "",
        do=ADVICE[cls],
        host=found.pop() if len(found) == 1 and len(set(hosts.values())) > 1 else "",
        n_forgiven=forgiven.get((row["failure_class"], row["failure_fingerprint"]), 0),
        evidence=evidence[_line(example)],
    )


def _label(example: Mapping[str, object]) -> str:
    what = f"{example['pipeline']} {label_of(str(example['params']))}".strip()
    number, held_out = example["fold"], example["held_out"]
    fold = "" if number is None else f" fold {fold_text(int(str(number)), str(held_out or ''))}"
    return f"{what}, {example['split']}{fold} seed {example['seed']}"
