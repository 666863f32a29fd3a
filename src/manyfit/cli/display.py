"""The display of a running sweep: live on a terminal, one line now and then anywhere else."""

import sys
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, TextIO

from manyfit.cli.boards import show_score
from manyfit.cli.output import Output
from manyfit.report.texts import plural, show_duration

if TYPE_CHECKING:
    from manyfit.api.driver import Look
    from manyfit.report.progress import Leader

LINE_SECONDS = 10.0
BAR_WIDEST, BAR_NARROWEST = 30, 8
WIDE = 110
"""From this width on, everything about progress stands in one line."""
PACE_ROOM = 45
LINES_OF_BEST = 2
LINES_OF_CHECKS = 2


class Display(Protocol):
    """Shows looks at a running sweep; a context that leaves the screen tidy."""

    def __enter__(self) -> "Display": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: "Look") -> None:
        """Show the sweep as it is now."""


def display_for(out: Output) -> Display:
    """Return the display that suits where *out* goes."""
    if out.quiet:
        return NoDisplay()
    if out.interactive:
        return LiveDisplay()
    return LineDisplay(sys.stderr if out.as_json else sys.stdout)


class NoDisplay:
    """Shows nothing."""

    def __enter__(self) -> "NoDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, look: "Look") -> None:
        del look


class LineDisplay:
    """Writes a line every ten seconds while something changes, and each note once."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last: float | None = None
        self._shown = ""
        self._n_notes = 0

    def __enter__(self) -> "LineDisplay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, look: "Look") -> None:
        for note in look.notes[self._n_notes :]:
            self._write(f"note: {note}")
        self._n_notes = len(look.notes)
        now = self._clock()
        counts = str(look.snapshot.counts)
        if counts == self._shown or (self._last is not None and now - self._last < LINE_SECONDS):
            return
        self._last, self._shown = now, counts
        self._write(f"{progress_text(look)}{best_of_all(look.best)}")
        for text in look.checks[:LINES_OF_CHECKS]:
            self._write(f"check: {text}")

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class LiveDisplay:
    """Redraws a few lines in place."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(highlight=False)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._n_notes = 0

    def __enter__(self) -> "LiveDisplay":
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, look: "Look") -> None:
        from rich.text import Text

        for note in look.notes[self._n_notes :]:
            self._console.print(f"note: {note}", markup=False)
        self._n_notes = len(look.notes)
        width = self._console.width
        self._live.update(Text("\n".join(live_lines(look, width)), no_wrap=True, overflow="crop"), refresh=True)


def live_lines(look: "Look", width: int) -> list[str]:
    """
    Return the lines of the live display, none wider than *width*.

    How they are laid out depends on the width and the number of tasks alone, so that nothing jumps.
    """
    name = f" {look.snapshot.sweep}  "
    room = len(name) + 2 * len(f"{_settled(look)[1]:,}") + len("/   100 %   10 m 00 s left   ")
    if width >= WIDE:
        bar = _bar(look, max(BAR_NARROWEST, min(BAR_WIDEST, width - room - PACE_ROOM)))
        lines = [name + "   ".join([bar, *_front(look), *_pace(look)])]
    else:
        bar = _bar(look, max(BAR_NARROWEST, min(BAR_WIDEST, width - room)))
        lines = [name + "   ".join([bar, *_front(look)]), " " * len(name) + "   ".join(_pace(look))]
    checks = [f" check  {text}" for text in look.checks[:LINES_OF_CHECKS]]
    return [line[:width] for line in [*lines, *checks, *best_lines(look.best, width)]]


def _settled(look: "Look") -> tuple[int, int]:
    counts = look.snapshot.counts
    return counts.done + counts.failed, counts.planned - counts.cancelled


def _share(look: "Look") -> float:
    settled, total = _settled(look)
    return settled / total if total else 0.0


def _bar(look: "Look", width: int) -> str:
    full = int(width * _share(look))
    return "█" * full + "░" * (width - full)


def _front(look: "Look") -> list[str]:
    settled, total = _settled(look)
    return [f"{settled:,}/{total:,}", f"{int(100 * _share(look))} %", *_left(look)]


def _left(look: "Look") -> list[str]:
    counts = look.snapshot.counts
    if look.left_seconds is None or not counts.pending + counts.running:
        return []
    return [f"{show_duration(look.left_seconds)} left"]


def _pace(look: "Look") -> list[str]:
    counts = look.snapshot.counts
    n_alive = sum(worker.alive for worker in look.snapshot.workers)
    parts = [f"{look.rate:.1f} tasks/s", f"{counts.failed:,} failed"]
    if n_alive or counts.pending + counts.running:
        parts.append(plural(n_alive, "worker") if n_alive else "no worker yet")
    if look.snapshot.paused:
        parts.append("paused")
    if look.snapshot.planning:
        parts.append("still planning")
    return parts


def progress_text(look: "Look") -> str:
    """Return progress as one plain line."""
    settled, total = _settled(look)
    return f"{settled:,} of {total:,} tasks ({int(100 * _share(look))} %), " + ", ".join(
        [*_pace(look), *_left(look)]
    )


def best_of_all(best: "Sequence[Leader]") -> str:
    """Return the leader of the first split as the end of a line."""
    return f"; best so far {best[0].pipeline} {show_score(best[0].score)}" if best else ""


def best_lines(best: "Sequence[Leader]", width: int) -> list[str]:
    """Return the leaders of all pipelines in at most two lines, the first with its parameters."""
    if not best:
        return []
    n_splits = len({leader.split for leader in best})
    head = " best so far  "
    texts = []
    for number, leader in enumerate(best):
        where = f" on {leader.split}" if n_splits > 1 else ""
        params = f" ({leader.label})" if number == 0 and leader.label else ""
        texts.append(_within(f"{leader.pipeline} {show_score(leader.score)}{where}{params}", width - len(head)))
    return _flowed(texts, head, width)


def _flowed(texts: Sequence[str], head: str, width: int) -> list[str]:
    lines = [head + texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + 3 + len(text) <= width:
            lines[-1] += f"   {text}"
        elif len(lines) < LINES_OF_BEST:
            lines.append(" " * len(head) + text)
        else:
            break
    return lines


def _within(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + "…"
