"""Failed tasks, grouped by cause, each group with what to do next."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.errors import told
from manyfit.model.result import FailureClass
from manyfit.report.advice import ADVICE
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.lines import COLUMNS
from manyfit.report.planned import label_of

_EXAMPLE = ("key", "pipeline", "params", "split", "fold", "seed", "failure_error", "failure_message")
_READ = NEEDED | {*_EXAMPLE, "outcome", "failure_class", "failure_fingerprint"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """
    Failed tasks with one cause.

    `key`, `label`, `error` and `message` are those of one example: the task with the smallest key. `pipelines` are
    all that have the failure; `do` is the next step.
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

    @property
    def what(self) -> str:
        """The example in one line: where it happened and what was said."""
        said = told(self.error, self.message)
        return f"{self.label}: {said.splitlines()[0] if said else 'no message'}"


def failures(store: Store) -> list[FailureGroup]:
    """Return the failed tasks of *store* by class and fingerprint, largest group first."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    failed = frame.filter(pl.col("outcome") == "failed")
    groups = failed.group_by("failure_class", "failure_fingerprint").agg(
        pl.len().alias("count"),
        pl.col("pipeline").unique().sort().alias("pipelines"),
        pl.struct(_EXAMPLE).sort_by("key").first().alias("example"),
    )
    ordered = groups.sort("count", "failure_class", "failure_fingerprint", descending=[True, False, False])
    return [_group(row) for row in ordered.collect(engine="streaming").iter_rows(named=True)]


def _group(row: Mapping[str, object]) -> FailureGroup:
    example = row["example"]
    assert isinstance(example, dict)
    cls = FailureClass(row["failure_class"] or "crash")
    return FailureGroup(
        cls=cls,
        fingerprint=str(row["failure_fingerprint"] or ""),
        count=int(str(row["count"])),
        pipelines=tuple(row["pipelines"]),  # type: ignore[arg-type]
        key=example["key"],
        label=_label(example),
        error=example["failure_error"] or "",
        message=example["failure_message"] or "",
        do=ADVICE[cls],
    )


def _label(example: Mapping[str, object]) -> str:
    what = f"{example['pipeline']} {label_of(str(example['params']))}".strip()
    fold = "" if example["fold"] is None else f" fold {example['fold']}"
    return f"{what}, {example['split']}{fold} seed {example['seed']}"
