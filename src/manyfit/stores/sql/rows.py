"""Rows of the tables as values, and values as what the tables hold."""

import enum
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from manyfit.model.errors import StoreCorrupt
from manyfit.model.keys import UnitId
from manyfit.model.lease import End, EndKind, Span, TaskMark
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.ends import inherited
from manyfit.stores.sql.database import Row

_NO_TIME = 0.0


class State(enum.IntEnum):
    """What can be done with a unit, as the number that stands in its row."""

    FREE = 0
    LEASED = 1
    CLOSED = 2
    """It ended DONE or SPLIT, or all that is left of it was withdrawn."""


@dataclass(frozen=True, slots=True)
class UnitRow:
    """
    One unit. `segment` counts segments from 1, `root` is the number of the planned unit in its segment.

    `place` sorts as the plan does, children behind their parents. `own` are the tasks of a child, None for
    all of them. `past` is what the next epoch goes on from.
    """

    number: int
    segment: int
    place: str
    id: UnitId
    root: int
    pipeline: str
    own: tuple[int, ...] | None
    state: State
    epoch: int
    past: End | None

    @classmethod
    def of(cls, row: Row) -> "UnitRow":
        """Return the unit of the columns of `statements.UNIT`."""
        number, segment, place, id_, root, pipeline, own, state, epoch, past = row
        return cls(
            number=number,
            segment=segment,
            place=place,
            id=id_,
            root=root,
            pipeline=pipeline,
            own=None if own is None else tuple(json.loads(own)),
            state=State(state),
            epoch=epoch,
            past=None if past is None else wire.end_from(past.encode())[0],
        )


def root_place(number: int) -> str:
    """Return what sorts the planned unit *number*."""
    return f"{number:09d}"


def child_rows(parent: UnitRow, end: End) -> list[tuple[str, UnitId, str, str]]:
    """Return place, id, tasks and past of each child of a unit that was split."""
    return [
        (
            f"{parent.place}.{n:06d}",
            UnitId(f"{parent.id}.{n}"),
            json.dumps(part),
            past_text(inherited(part, end)),
        )
        for n, part in enumerate(end.parts)
    ]


def state_after(end: End) -> State:
    """Return the state of a unit whose last epoch ended with *end*."""
    closed = end.kind is EndKind.SPLIT or TaskMark.LEFT.value not in end.marks
    return State.CLOSED if closed else State.FREE


def past_text(end: End) -> str:
    """Return *end* as the `past` of a unit."""
    return wire.end_bytes(end, "", _NO_TIME, ()).decode()


def end_content(
    end: End, spans: tuple[Span, ...], nonce: str, at: float, unit: int, epoch: int
) -> tuple[bytes, int]:
    """Return an end with its *spans* as its row holds it, and its checksum."""
    content = wire.end_bytes(end, nonce, at, spans)
    return content, checksum(content, "end", unit, epoch)


def end_of(content: bytes, crc: int, unit: int, epoch: int) -> End:
    """Return the end that a row holds. Raises `StoreCorrupt`."""
    if checksum(content, "end", unit, epoch) != crc:
        raise StoreCorrupt(
            f"the end of epoch {epoch} of unit number {unit} does not match its checksum; "
            "restore the database from a backup"
        )
    return wire.end_from(content)[0]


def checksum(content: bytes, *place: object) -> int:
    """Return the CRC of *content* at its *place*: the same bytes delivered for another row do not pass."""
    return zlib.crc32(content, zlib.crc32(":".join(map(str, place)).encode()))


def spans_of(worker: str, n_bytes: int) -> tuple[Span, ...]:
    """Return the span of what was accepted: the result lines of the epoch, one after another."""
    return (Span(log=worker, start=0, end=n_bytes),) if n_bytes else ()


def joined_lines(rows: Sequence[Row], unit: int, epoch: int) -> bytes:
    """Return the lines of the (seq, content, crc) *rows* of one epoch. Raises `StoreCorrupt`."""
    parts = []
    for seq, content, crc in rows:
        if checksum(content, unit, epoch, seq) != crc:
            raise StoreCorrupt(
                f"results of epoch {epoch} of unit number {unit} do not match their checksum (part {seq}); "
                "restore the database from a backup, or retry the tasks of that unit"
            )
        parts.append(bytes(content))
    return b"".join(parts)
