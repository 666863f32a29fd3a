"""The command that moves sweeps between stores."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.run.copying import Copied, CopyProgress

BAR_WIDTH = 20
LINE_SECONDS = 10.0
REDRAW_SECONDS = 0.1


def copy(
    source: Annotated[
        str, typer.Argument(metavar="SRC", show_default=False, help="The sweep: its folder, file, name or URL.")
    ],
    target: Annotated[
        str,
        typer.Argument(
            metavar="DST",
            show_default=False,
            help="The other store: a folder (vowels.sweep, or one for many sweeps), sqlite:///FILE.db or"
            " postgresql://USER@HOST/DATABASE.",
        ),
    ],
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Copy a sweep with all its results to another store.

    Killed anywhere and started again, it goes on. At the end everything is compared: counts, results and
    kept files by their SHA-256. Nothing in SRC changes; workers that hold something of it are to be
    paused first. Start no workers on DST before it is done.
    """
    from manyfit.api.stores import copy_sweep
    from manyfit.cli.output import Output

    out = Output(as_json=as_json, quiet=quiet)
    with _display(out) as show:
        done = copy_sweep(source, target, on_progress=show)
    shown = options.safe_url(target, done.sweep)
    out.json({**asdict(done), "target": shown})
    out.wrapped(_told(done))
    if done.n_left_out:
        out.wrapped(f"{done.n_left_out} leases of dead workers are left out: their tasks are pending in the copy")
    out.wrapped(f"next: manyfit status {quoted(shown)}")


def _told(done: "Copied") -> str:
    from manyfit.report.texts import plural

    what = f"{plural(done.n_entries, 'entry').replace('entrys', 'entries')} of the control chain"
    return (
        f"copied {done.sweep}: {what}, {plural(done.n_results, 'result')} in {plural(done.n_epochs, 'epoch')},"
        f" {plural(done.n_artifacts, 'kept file')}; everything was compared and is equal"
    )


@contextmanager
def _display(out: "Output") -> Iterator[Callable[["CopyProgress"], None]]:
    """Give what shows progress: a bar where a person watches, else a line now and then."""
    if out.quiet:
        yield lambda progress: None
    elif out.interactive:
        from rich.live import Live
        from rich.text import Text

        with Live(auto_refresh=False, transient=True) as live:
            yield _Paced(lambda text: live.update(Text(text, no_wrap=True), refresh=True), REDRAW_SECONDS)
    else:
        yield _Paced(lambda text: _line(out, text), LINE_SECONDS)


def _line(out: "Output", text: str) -> None:
    stream = sys.stderr if out.as_json else sys.stdout
    stream.write(text + "\n")
    stream.flush()


class _Paced:
    """Shows progress, not more often than every *seconds*, with the rate and the time left of its stage."""

    def __init__(self, show: Callable[[str], object], seconds: float) -> None:
        self._show = show
        self._seconds = seconds
        self._stage = ""
        self._stage_at = (0.0, 0, 0)
        self._shown_at = time.monotonic()

    def __call__(self, progress: "CopyProgress") -> None:
        now = time.monotonic()
        if progress.stage != self._stage:
            self._stage, self._stage_at = progress.stage, (now, progress.n_done, progress.n_bytes)
        if now - self._shown_at >= self._seconds:
            self._shown_at = now
            self._show(self._text(progress, now))

    def _text(self, progress: "CopyProgress", now: float) -> str:
        from manyfit.report.texts import show_bytes, show_duration

        began, n_before, bytes_before = self._stage_at
        elapsed = max(1e-6, now - began)
        rate = (progress.n_done - n_before) / elapsed
        share = progress.n_done / progress.n_total if progress.n_total else 1.0
        left = f", {show_duration((progress.n_total - progress.n_done) / rate)} left" if rate > 0 else ""
        moved = (progress.n_bytes - bytes_before) / elapsed
        pace = f", {show_bytes(moved)}/s" if moved else ""
        bar = "█" * int(BAR_WIDTH * share) + "░" * (BAR_WIDTH - int(BAR_WIDTH * share))
        return f"{progress.stage:9} {bar} {progress.n_done:,}/{progress.n_total:,} ({share:.0%}){pace}{left}"
