"""The status log: one line at a time for people who follow with tail; never read back."""

from datetime import datetime
from pathlib import Path

from manyfit.model.snapshot import Snapshot

LINE_SECONDS = 10.0


class StatusLog:
    """Appends lines to ``status.log``; a log that cannot be written never stops a sweep."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last: float | None = None
        self._shown = ""

    def write(self, text: str) -> None:
        """Append one line with the local time."""
        stamp = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        try:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(f"{stamp}  {text}\n")
        except OSError:
            return

    def look(self, snapshot: Snapshot, rate: float, left_seconds: float | None, now: float) -> None:
        """Append a line when the last is old enough and something changed."""
        if self._last is not None and now - self._last < LINE_SECONDS:
            return
        left = "" if left_seconds is None else f", about {left_seconds:,.0f} s left"
        if str(snapshot.counts) != self._shown:
            self.write(f"{snapshot.counts}; {rate:.1f} tasks/s{left}")
            self._last, self._shown = now, str(snapshot.counts)

    def end(self, snapshot: Snapshot) -> None:
        """Append the closing line."""
        counts = snapshot.counts
        if counts.running + counts.pending == 0:
            self.write(f"complete: {counts}")
        else:
            self.write(f"stopped: {counts}")
