"""The Store protocol: the durable state of one sweep, shared by submitters, workers and readers."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from manyfit.contracts.accepted import AcceptedBlock, UnitState
from manyfit.model.control import Action, AddSegment, Entry
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit
from manyfit.model.worker import Beat, WorkerInfo

Wanted = Callable[[Unit, int], bool]
"""Tells whether the task with this index of a root unit is wanted by the worker that asks."""


class Store(Protocol):
    """
    The durable state of one sweep.

    One handle serves one sweep and one thread; handles are cheap and many, in any number of processes
    and hosts. A backend that holds many sweeps gives one handle for each. Every method is atomic: for
    all handles it happened completely, or not at all, also when the process or the host dies inside it.
    What a method returned as done is durable, unless its docstring says otherwise. Values that come
    back never change afterwards. All methods may raise `StoreError`.

    The laws (numbered as the invariants of the protocol):

    1. At most one accepted record for each (task, generation, attempt).
    2. What was accepted stays accepted.
    3. Every accepted byte was durable before the end that covers it.
    4. Work that is left can always be claimed again.
    5. A unit that ended DONE has every task settled: done, failed for good, or cancelled before.
    6. Epoch e+1 of a unit exists only if epoch e has ended.
    7. The artifacts of an accepted result exist and match their SHA-256.
    8. A claim whose position covers a cancellation contains none of the cancelled tasks.
    9. Attempts at a task stay within the limits of its segment.
    10. Two readers of one state get the same bytes, before and after compaction.
    """

    url: str

    # -- the control chain and the plan ------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        """Return the entries after position *since*, in order. A backend may lag behind; it never reorders."""

    def append(self, action: Action, *, position: int) -> Entry:
        """
        Append *action* as entry *position*, which must be one more than the last entry read.

        Raises `PositionTaken` when another writer was first; nothing has happened then. Repeating an
        append whose reply was lost raises `PositionTaken` as well: read the entry and compare.
        """

    def submit(self, segment: Segment, *, position: int, more: bool = False, n_new: int) -> AddSegment:
        """
        Publish *segment* and append its `AddSegment` as entry *position*. Raises `PositionTaken`.

        Segment ids name content: submitting the same segment again is harmless.
        """

    def segment(self, segment: SegmentId) -> Segment:
        """Return a submitted segment, verified against its checksum. Raises `NotFound`, `StoreCorrupt`."""

    # -- workers -----------------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        """Make *worker* known. Its id must never have been used before."""

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        """Replace the heartbeat of *worker*. Cheap; not necessarily durable."""

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None) -> Lease | None:
        """
        Lease the next unit that has wanted tasks left, in plan order, to *worker*.

        The lease holds those tasks of the unit that are left, active and not cancelled; it may be a
        unit that another worker gave back or lost. None means that nothing can be claimed now: see
        `finished` for whether anything ever can. A worker holds at most one lease.
        """

    def finished(self) -> bool:
        """Whether the plan is complete and every unit has ended DONE or SPLIT. Never wrong when True."""

    def record(self, lease: Lease, lines: bytes) -> None:
        """
        Write result *lines* (JSON, one `TaskResult` each, newline-terminated) under *lease*.

        They survive the death of this process at once, and of the host after the next `sync`; they are
        accepted when the epoch ends with them inside its spans.
        """

    def sync(self) -> int:
        """Make everything recorded so far durable. Returns the number of bytes that were waiting."""

    def complete(self, lease: Lease, end: End) -> None:
        """
        End the epoch of *lease*: everything recorded under it becomes accepted, and *end* says what is left.

        `end.spans` is filled in by the store. Implies `sync`. Repeating it with the same lease is
        harmless. Raises `LeaseLost` when the epoch was already ended by another; what lay beyond that
        end is dropped.
        """

    def expire(self, workers: Sequence[WorkerId] | None = None) -> int:
        """
        Seal the open leases of *workers*, or of all that seem dead, and return how many were sealed.

        A worker seems dead when its process is known to have ended (same host) or when its heartbeat
        counter stood still for the store's patience by this handle's own monotonic clock. A wrong
        suspicion costs work, never correctness.
        """

    # -- reading -----------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        """Return counts that add up, the workers and the open leases. Reads no results."""

    def units(self) -> Iterator[UnitState]:
        """Yield every planned unit and every split child with its latest end, in plan order."""

    def accepted(self, skip: frozenset[tuple[UnitId, int]] = frozenset()) -> Iterator[AcceptedBlock]:
        """
        Yield the accepted result lines of every ended epoch that is not in *skip*, in plan order.

        Two handles yield the same bytes for the same epochs. Raises `StoreCorrupt` when accepted bytes
        fail their checksum.
        """

    def bases(self) -> Sequence[Path]:
        """Return the published compactions (Parquet files), oldest first; each covers epochs of its own."""

    def publish_base(self, parquet: Path, *, position: int) -> Entry:
        """
        Publish the compaction in the local file *parquet* and append its `Compacted` entry.

        The caller has made it from epochs that no entry before *position* covers. Compaction takes
        nothing away: the logs stay. Raises `PositionTaken`; nothing is published then.
        """

    def close(self) -> None:
        """Release files and connections. A lease that is still held is not ended."""
