"""The result log of one worker: written by one process, made durable in groups."""

import os
from collections.abc import Callable
from pathlib import Path

from manyfit.model.errors import StoreError
from manyfit.model.keys import WorkerId
from manyfit.model.lease import Span
from manyfit.stores.directory import frames
from manyfit.stores.files.disk import Disk, is_full, store_error
from manyfit.stores.ledger.ends import SYNC_BYTES, SYNC_SECONDS

Place = tuple[int, int]
"""A place in the log of a worker: number of the file, offset in it."""


class LogWriter:
    """
    Appends frames to `<worker>-<n>.log`, where n begins with *first*.

    After any error in writing or syncing a file, nothing more is written to it: what was not yet
    covered by a mark is written again to file n+1, whose header says how far file n holds.
    """

    def __init__(
        self, disk: Disk, folder: Path, worker: WorkerId, monotonic: Callable[[], float], *, first: int = 1
    ) -> None:
        self._disk = disk
        self._folder = folder
        self._worker = worker
        self._monotonic = monotonic
        self._number = first - 1
        self._fd: int | None = None
        self._file_id = ""
        self._size = 0
        self._marked = 0
        self._named = False
        self._abandoned: list[tuple[str, int]] = []
        self._unmarked: list[bytes] = []
        self._n_waiting = 0
        self._oldest = 0.0

    def place(self) -> Place:
        """Return where the next frame will stand, unless its file has to be abandoned first."""
        return (self._number, self._size) if self._fd is not None else (self._number + 1, 0)

    def append(self, body: bytes) -> None:
        """
        Write a results frame; it survives the death of this process, and of the host after `sync`.

        When this raises, *body* is not part of the log, and may be appended again.
        """
        if not self._unmarked:
            self._oldest = self._monotonic()
        self._unmarked.append(body)
        self._n_waiting += len(body)
        try:
            self._persist(self._write_last)
            if self._n_waiting >= SYNC_BYTES or self._monotonic() - self._oldest >= SYNC_SECONDS:
                self.sync()
        except StoreError:
            self._unmarked.pop()
            self._n_waiting -= len(body)
            raise

    def sync(self) -> int:
        """Make everything appended durable and say so in a mark. Returns the bytes that were waiting."""
        if not self._unmarked:
            return 0
        self._persist(self._mark)
        n_bytes, self._n_waiting = self._n_waiting, 0
        self._unmarked.clear()
        return n_bytes

    def spans(self, since: Place) -> tuple[Span, ...]:
        """Return what is durable of everything appended from *since* on."""
        number, offset = since
        files = [*self._abandoned]
        if self._fd is not None:
            files.append((self._file_id, self._marked))
        wanted = [(file_id, end, int(file_id.rpartition("-")[2])) for file_id, end in files]
        found = [
            Span(log=file_id, start=offset if n == number else 0, end=end)
            for file_id, end, n in wanted
            if n >= number
        ]
        return tuple(span for span in found if span.end > span.start)

    def close(self) -> None:
        """Close the file. What is not synced stays as it is."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _persist(self, step: Callable[[], None]) -> None:
        """Do *step* on the current file, or on the next one when this one fails."""
        for last_try in (False, True):
            try:
                if self._fd is None:
                    self._begin_file()
                    if step == self._write_last:
                        return  # a new file begins with everything that is not marked yet
                step()
            except OSError as error:
                self._abandon()
                if last_try or is_full(error):
                    raise store_error(error, f"cannot write the result log of worker {self._worker}") from error
            else:
                return

    def _write_last(self) -> None:
        self._put(frames.RESULTS, self._unmarked[-1])

    def _mark(self) -> None:
        assert self._fd is not None
        self._disk.fdatasync(self._fd)
        if not self._named:
            self._disk.sync_folder(self._folder)
            self._named = True
        end = self._size
        self._put(frames.MARK, b"%d\n" % end)
        self._marked = end

    def _begin_file(self) -> None:
        while self._fd is None:
            self._number += 1
            self._file_id = f"{self._worker}-{self._number}"
            try:
                self._fd = self._disk.open(
                    self._folder / f"{self._file_id}.log", os.O_WRONLY | os.O_CREAT | os.O_EXCL
                )
            except FileExistsError:
                continue  # its creation was reported as failed, or an earlier handle of this worker left it
        self._size = self._marked = 0
        self._named = False
        self._put(frames.HEADER, frames.header_body(self._file_id, self._abandoned))
        for body in self._unmarked:
            self._put(frames.RESULTS, body)

    def _put(self, kind: bytes, body: bytes) -> None:
        assert self._fd is not None
        frame = frames.encode(kind, self._file_id, self._size, body)
        self._disk.write_all(self._fd, frame)
        self._size += len(frame)

    def _abandon(self) -> None:
        if self._fd is None:
            return
        self._abandoned.append((self._file_id, self._marked))
        fd, self._fd = self._fd, None
        try:
            self._disk.close(fd)
        except OSError:
            return  # the file is given up already
