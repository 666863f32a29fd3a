"""Ending epochs, inside a transaction: what becomes of the unit, its children and its results."""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from manyfit.contracts.accepted import EndedEpoch
from manyfit.model.errors import Refused
from manyfit.model.keys import WorkerId
from manyfit.model.lease import End, Lease
from manyfit.stores.ledger.ends import Attempt, concluded, sealed
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.database import Database
from manyfit.stores.sql.known import Known
from manyfit.stores.sql.rows import (
    State,
    UnitRow,
    checksum,
    child_rows,
    end_content,
    end_of,
    joined_lines,
    past_text,
    spans_of,
    state_after,
)


class Ending(enum.Enum):
    """What became of an attempt to end an epoch."""

    DONE = "done"
    DONE_BEFORE = "done before"
    """By this very call, whose first answer was lost."""
    LOST = "lost"
    """Somebody else has ended it."""


@dataclass(slots=True)
class Held:
    """
    A lease of this handle, with the results that wait for the next transaction.

    What a transaction has tried to store stays one *part* with one number until it is known to be
    stored, so that trying again stores it once.
    """

    lease: Lease
    row: UnitRow
    nonce: str
    seq: int = 0
    n_stored: int = 0
    parts: list[tuple[int, bytes]] = field(default_factory=list)
    waiting: list[bytes] = field(default_factory=list)
    n_waiting: int = 0

    def put(self, lines: bytes) -> None:
        """Let *lines* wait."""
        self.waiting.append(lines)
        self.n_waiting += len(lines)

    def gather(self) -> None:
        """Make one part of all that waits."""
        if self.waiting:
            self.parts.append((self.seq, b"".join(self.waiting)))
            self.seq += 1
            self.waiting.clear()

    def stored(self) -> int:
        """Note that the parts are stored; return how many bytes they were."""
        n_bytes = sum(len(content) for _, content in self.parts)
        self.parts.clear()
        self.n_stored += n_bytes
        self.n_waiting -= n_bytes
        return n_bytes


class Ender:
    """Ends epochs. Calls belong into a transaction that writes."""

    def __init__(self, database: Database, known: Known, sweep: int, clock: Callable[[], float]) -> None:
        self._database = database
        self._known = known
        self._sweep = sweep
        self._clock = clock

    def is_open(self, held: Held) -> bool:
        """Whether nobody has ended the epoch of *held*; nobody will before this transaction has ended."""
        values = (held.row.number, held.lease.epoch, held.lease.worker)
        return self._database.one(sql.OPEN_EPOCH + self._database.share_row, values) is not None

    def store(self, held: Held) -> None:
        """Store the gathered results of *held*."""
        for seq, content in held.parts:
            self._add_lines(held.row.number, held.lease.epoch, seq, content)

    def complete(self, held: Held, end: End) -> Ending:
        """End the epoch of *held* as its holder says."""
        row, lease = held.row, held.lease
        settled = concluded(end, lease, self._known.own(row), row.past, self._known.withdrawn(row))
        n_bytes = held.n_stored + sum(len(content) for _, content in held.parts)
        if self._end(row, lease.epoch, lease.worker, settled, n_bytes, held.nonce):
            self.store(held)
            return Ending.DONE
        return Ending.DONE_BEFORE if self.nonce_of(row, lease.epoch) == held.nonce else Ending.LOST

    def seal(self, row: UnitRow, worker: WorkerId, lost: int | None, by: WorkerId, nonce: str) -> bool:
        """End the open epoch of a lost *worker* at what is stored; whether it ended like that."""
        values = (row.number, row.epoch, worker)
        if self._database.one(sql.OPEN_EPOCH + self._database.lock_row, values) is None:
            return self.nonce_of(row, row.epoch) == nonce
        lines = joined_lines(self._database.all(sql.LINES, (row.number, row.epoch)), row.number, row.epoch)
        attempts = map(Attempt.of_line, lines.splitlines())
        end = sealed(self._known.own(row), row.past, attempts, lost, by)
        return self._end(row, row.epoch, worker, end, len(lines), nonce)

    def nonce_of(self, row: UnitRow, epoch: int) -> str | None:
        """Return what marks the end of an epoch as that of one call."""
        found = self._database.one(sql.EPOCH, (self._sweep, row.id, epoch))
        return found[5] if found else None

    def _end(self, row: UnitRow, epoch: int, worker: WorkerId, end: End, n_bytes: int, nonce: str) -> bool:
        """End an open epoch of *worker* with *n_bytes* of results; False when it has ended already."""
        at = self._clock()
        content, crc = end_content(end, spans_of(worker, n_bytes), nonce, at, row.number, epoch)
        values = (content, crc, nonce, at, row.number, epoch, worker)
        if not self._database.changed(sql.END_EPOCH, values):
            return False
        self._settle(row, epoch, end)
        return True

    def _settle(self, row: UnitRow, epoch: int, end: End) -> None:
        state = state_after(end)
        past = past_text(end) if state is State.FREE else None
        self._database.run(sql.SETTLE_UNIT, (int(state), epoch, past, row.number))
        children = child_rows(row, end)
        if children:
            fixed = (row.root, row.pipeline)
            self._database.many(
                sql.ADD_UNIT,
                (
                    (self._sweep, row.segment, place, id_, *fixed, own, before)
                    for place, id_, own, before in children
                ),
            )

    def _add_lines(self, unit: int, epoch: int, seq: int, content: bytes) -> None:
        crc = checksum(content, unit, epoch, seq)
        self._database.run(sql.ADD_LINES, (unit, epoch, seq, self._sweep, content, crc))

    # -- taking over from another store --------------------------------------------------------------

    def adopt(self, ended: EndedEpoch, nonce: str) -> bool:
        """See `Store.adopt`."""
        row = self._known.unit(ended.unit)
        what = f"epoch {ended.epoch} of unit {ended.unit}"
        if ended.epoch <= row.epoch:
            return self._was_adopted(row, ended, nonce, what)
        if row.state is State.LEASED or ended.epoch > row.epoch + 1:
            why = "is open here" if row.state is State.LEASED else "has not ended here"
            raise Refused(f"{what} cannot be taken over: epoch {ended.epoch - 1} {why}; take that over first")
        if sorted(ended.end.indices) != sorted(self._known.own(row)):
            raise Refused(f"{what} cannot be taken over: its unit has other tasks in that store")
        at = self._clock()
        spans = spans_of(ended.worker, len(ended.lines))
        content, crc = end_content(ended.end, spans, nonce, at, row.number, ended.epoch)
        fixed = (row.number, ended.epoch, self._sweep, ended.worker)
        self._database.run(sql.ADD_ENDED, (*fixed, at, content, crc, nonce, at))
        if ended.lines:
            self._add_lines(row.number, ended.epoch, 0, ended.lines)
        self._settle(row, ended.epoch, ended.end)
        return True

    def _was_adopted(self, row: UnitRow, ended: EndedEpoch, nonce: str, what: str) -> bool:
        found = self._database.one(sql.EPOCH, (self._sweep, row.id, ended.epoch))
        if found is None or found[3] is None:
            raise Refused(f"{what} is open here; wait until it has ended, or seal it")
        end = end_of(bytes(found[3]), found[4], row.number, ended.epoch)
        stored = self._database.all(sql.LINES, (row.number, ended.epoch))
        here = (found[0], joined_lines(stored, row.number, ended.epoch), replace(end, spans=()))
        if here != (ended.worker, ended.lines, replace(ended.end, spans=())):
            raise Refused(f"{what} ended here in another way; the two stores went on separately, keep both")
        return bool(found[5] == nonce)


def bytes_waiting(held: Iterable[Held]) -> int:
    """Return how many bytes of results are not stored yet."""
    return sum(some.n_waiting for some in held)


def parts_of(rows: Sequence[tuple[int | None, int | None]]) -> tuple[int, int]:
    """Return the next part number and the bytes stored of an epoch, from the row of `LINES_STORED`."""
    last, n_bytes = rows[0]
    return (0 if last is None else last + 1), n_bytes or 0
