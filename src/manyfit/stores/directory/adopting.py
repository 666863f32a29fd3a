"""Taking over epochs that ended in another store."""

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace

from manyfit.contracts.accepted import EndedEpoch
from manyfit.model.control import AddSegment
from manyfit.model.errors import NotFound, StoreError
from manyfit.model.keys import SegmentId, UnitId, WorkerId, content_key
from manyfit.model.lease import EndKind, Span
from manyfit.stores.directory import frames
from manyfit.stores.directory.known import Known
from manyfit.stores.directory.layout import Layout
from manyfit.stores.directory.log import LogWriter
from manyfit.stores.directory.log_reader import accepted_lines
from manyfit.stores.files.disk import Disk
from manyfit.stores.files.publish import publish
from manyfit.stores.ledger import wire
from manyfit.stores.ledger.adopting import out_of_order, require_same, without_parent
from manyfit.stores.ledger.view import SegmentView

_FRAME_BYTES = 1 << 20
_MOST_LOGS = 128


class Adopter:
    """
    Publishes a claim and an end for each adopted epoch, as its worker would have done.

    First comes the claim, whose nonce names the content of the epoch: whoever repeats an adoption that broke
    off knows it again. Then the lines, into a log of this handle's own, which has the worker's name and a
    number that no worker uses; then the end. Of two who do so at once, one publishes the end; what the
    other wrote is in no span.
    """

    def __init__(
        self,
        disk: Disk,
        layout: Layout,
        known: Known,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        symbolic: bool,
    ) -> None:
        self._disk = disk
        self._layout = layout
        self._known = known
        self._clock = clock
        self._monotonic = monotonic
        self._symbolic = symbolic
        self._logs: dict[WorkerId, LogWriter] = {}
        self._parts: dict[UnitId, tuple[int, ...]] = {}

    def adopt(self, ended: EndedEpoch) -> bool:
        """See `Store.adopt`."""
        self._known.refresh_chain()
        view = self._view(ended)
        if view.read_end(ended.unit, ended.epoch) is not None:
            require_same(ended, self._found(view, ended))
            new = False
        else:
            if ended.epoch > 1 and view.read_end(ended.unit, ended.epoch - 1) is None:
                raise out_of_order(ended)
            self._claim(view, ended)
            new = self._end(view, ended, self._write(ended))
        if ended.end.kind is EndKind.SPLIT:
            self._parts |= {UnitId(f"{ended.unit}.{n}"): part for n, part in enumerate(ended.end.parts)}
        return new

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()

    def _view(self, ended: EndedEpoch) -> SegmentView:
        ledger = self._known.ledger
        if ended.segment not in ledger.chain.segments:
            raise NotFound(f"no segment {ended.segment} here; submit it first")
        view = ledger.view(ended.segment)
        if ended.unit in view.plan or ended.unit in self._parts:
            return view
        self._known.refresh(now=True)
        if ended.unit not in set(view.walk()):
            raise without_parent(ended)
        return view

    def _found(self, view: SegmentView, ended: EndedEpoch) -> EndedEpoch:
        """Return the epoch as it ended here."""
        end = view.read_end(ended.unit, ended.epoch)
        assert end is not None
        lines = accepted_lines(self._disk, self._layout, ended.unit, ended.epoch, end)
        return replace(ended, worker=view.claim(ended.unit, ended.epoch).worker, lines=lines, end=end)

    def _claim(self, view: SegmentView, ended: EndedEpoch) -> None:
        """Publish the claim of *ended*, unless somebody did so who did not come further."""
        path = self._layout.claim(ended.segment, ended.unit, ended.epoch)
        nonce = _nonce(ended)
        if not self._disk.exists(path):
            claim = wire.Claim(
                unit=ended.unit,
                epoch=ended.epoch,
                worker=ended.worker,
                position=self._position_of(ended.segment),
                nonce=nonce,
                at=self._clock(),
                log=self._log_of(ended.worker).place(),
                adopted=True,
            )
            publish(self._disk, path, wire.claim_bytes(claim), symbolic=self._symbolic)
        if view.claim(ended.unit, ended.epoch).nonce != nonce:
            require_same(ended, None)

    def _position_of(self, segment: SegmentId) -> int:
        """Return where the segment was added: what else its worker had read by then, nobody knows here."""
        for entry in self._known.ledger.chain.entries:
            if isinstance(entry.action, AddSegment) and entry.action.segment == segment:
                return entry.position
        raise LookupError(segment)

    def _write(self, ended: EndedEpoch) -> tuple[Span, ...]:
        """Make the lines durable; return where they are."""
        log = self._log_of(ended.worker)
        place = log.place()
        head = frames.results_head(ended.unit, ended.epoch)
        try:
            for lines in _pieces(ended.lines):
                log.append(head + lines)
            log.sync()
        except StoreError:
            # a log writes again what it could not make durable; so does whoever repeats this
            self._logs.pop(ended.worker).close()
            raise
        return log.spans(place)

    def _end(self, view: SegmentView, ended: EndedEpoch, spans: tuple[Span, ...]) -> bool:
        path = self._layout.end(ended.segment, ended.unit, ended.epoch)
        data = wire.end_bytes(replace(ended.end, spans=spans), secrets.token_hex(8), self._clock())
        if publish(self._disk, path, data, symbolic=self._symbolic):
            return True
        require_same(ended, self._found(view, ended))
        return False

    def _log_of(self, worker: WorkerId) -> LogWriter:
        if worker not in self._logs:
            if len(self._logs) >= _MOST_LOGS:
                self._logs.pop(next(iter(self._logs))).close()
            # far apart, so that no reader takes the file of another handle for the next one of this
            first = 1000 * (1 + secrets.randbelow(10**9))
            self._logs[worker] = LogWriter(self._disk, self._layout.log, worker, self._monotonic, first=first)
        return self._logs[worker]


def _nonce(ended: EndedEpoch) -> str:
    end = wire.end_bytes(replace(ended.end, spans=()), "", 0.0).decode()
    return content_key([ended.unit, ended.epoch, ended.worker, ended.lines.decode(), end])


def _pieces(lines: bytes) -> Iterator[bytes]:
    """Yield *lines* in pieces that fit a frame, cut behind a line."""
    at = 0
    while at < len(lines):
        cut = lines.find(b"\n", min(len(lines) - 1, at + _FRAME_BYTES)) + 1
        yield lines[at:cut]
        at = cut
