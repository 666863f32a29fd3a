"""The Store protocol: the durable state of one sweep, shared by submitters, workers and readers."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from manyfit.contracts.accepted import AcceptedBlock, EndedEpoch, UnitState
from manyfit.contracts.artifacts import ArtifactStore
from manyfit.model.control import Action, AddSegment, Entry
from manyfit.model.keys import SegmentId, UnitId, WorkerId
from manyfit.model.lease import End, Lease
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Snapshot
from manyfit.model.unit import Unit
from manyfit.model.worker import Beat, WorkerInfo

Wanted = Callable[[Unit, int], bool]
"""
Tells whether the task with this index of a root unit is wanted by the worker that asks.

A function wants the same for ever: a store may remember what it said. To want something else, hand over
another function.
"""


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
    3. Every accepted byte is durable before the end that covers it, or together with it.
    4. Work that is left can always be claimed again.
    5. A unit that ended DONE has every task settled: done, failed for good, or cancelled before.
    6. Epoch e+1 of a unit exists only if epoch e has ended.
    7. The artifacts of an accepted result exist and match their SHA-256.
    8. A claim whose position covers a cancellation contains none of the cancelled tasks.
    9. Attempts charged to a task stay within the limits of its segment.
    10. Two readers of one state get the same bytes, before and after compaction.
    11. Leases that are open at once stay within the limits of concurrency in force.
    12. A lease holds nothing that needs more than its worker offers, and nothing of a held pipeline.

    `url` names the sweep for `manyfit.connect`; `sweep` is its name.
    """

    url: str
    sweep: str
    artifacts: ArtifactStore

    # -- the control chain and the plan ------------------------------------------------------------

    def entries(self, since: int = 0) -> Sequence[Entry]:
        """Return the entries after position *since*, in order. A backend may lag behind; it never reorders."""

    def append(self, action: Action, *, position: int, by: str | None = None, at: float | None = None) -> Entry:
        """
        Append *action* as entry *position*, which must be one more than the last entry read.

        *by* and *at* are this handle's name and clock, unless the entry is a copy of another store's.

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

    def unit(self, unit: UnitId) -> Unit:
        """Return the planned unit that *unit* is, or is a part of. Raises `NotFound`."""

    # -- workers -----------------------------------------------------------------------------------

    def register(self, worker: WorkerInfo) -> None:
        """Make *worker* known. Its id must never have been used before."""

    def beat(self, worker: WorkerId, beat: Beat) -> None:
        """Replace the heartbeat of *worker*. Cheap; not necessarily durable."""

    def claim(self, worker: WorkerId, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        """
        Lease the next unit that has wanted tasks left, by priority, then in plan order, to *worker*.

        The lease holds those tasks of the unit that are left, active and not cancelled; it may be a
        unit that another worker gave back or lost. Units of held pipelines, units that need what the
        worker, as it registered, does not offer, and units beyond a limit of concurrency are passed over.
        None means that nothing can be claimed now: see `finished` for whether anything ever can.

        A worker holds at most one lease: a second claim raises `Refused`, unless it repeats the
        *request* under which the lease that is still open was claimed; then it returns that lease.
        """

    def finished(self) -> bool:
        """Whether the plan is complete and every unit has ended DONE or SPLIT. Never wrong when True."""

    def record(self, lease: Lease, lines: bytes) -> None:
        """
        Write result *lines* (JSON, one `TaskResult` each, newline-terminated) under *lease*.

        They survive the death of this process and of its host after the next `sync`, that of this process
        at once where they go to a file. A `record` that finds lines waiting for 0.05 s, or 256 kB of them,
        syncs by itself. They are accepted when the epoch ends with them inside its spans. May raise
        `LeaseLost` when the epoch was ended by another, or drop them without a word: `complete` tells in
        any case.
        """

    def sync(self) -> int:
        """
        Make everything recorded and ended so far durable. Returns how many bytes of results were waiting.

        May raise `LeaseLost`, as `record`.
        """

    def complete(self, lease: Lease, end: End) -> None:
        """
        End the epoch of *lease*: everything recorded under it becomes accepted, and *end* says what is left.

        `end.spans` is filled in by the store. Implies `sync`. Repeating it with the same lease is
        harmless. Raises `LeaseLost` when the epoch was already ended by another; what lay beyond that
        end is dropped.
        """

    def cycle(self, lease: Lease, end: End, *, wanted: Wanted | None = None, request: str = "") -> Lease | None:
        """
        `complete` and then `claim`, in one step where the backend can: what it costs is one transaction.

        The end is durable after the next `sync`, for which a caller should not wait longer than 0.05 s, or
        as soon as anybody was told of it by `finished`, `accepted` or `epochs`. Raises what `complete`
        raises; nothing was claimed then.
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

    def epochs(self) -> Iterator[EndedEpoch]:
        """Yield every epoch that ended, parents before their children, each unit's in order."""

    def adopt(self, ended: EndedEpoch) -> bool:
        """
        Take over an epoch that ended in another store of the same plan; whether it was new here.

        The segment must be there, and all earlier epochs of the unit must have ended. `end.spans` are
        those of this store. Raises `Refused` when the epoch is open here, or ended in another way.
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
