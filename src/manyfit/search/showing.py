"""What a search shows while it runs: a progress bar, and a line for each fit if `verbose` asks for it."""

import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from manyfit.search.evaluation import Evaluation, Scored

_WIDTH = 80


class Showing:
    """
    Shows the tasks of one evaluation as they end.

    `progress` None means a bar on a terminal only; a bar and lines exclude each other.
    """

    def __init__(self, evaluation: Evaluation, *, verbose: int, progress: bool | None) -> None:
        self._evaluation = evaluation
        self._verbose = int(verbose)
        wanted = sys.stderr.isatty() if progress is None else progress
        self._bar: Any = _bar(evaluation.n_tasks) if wanted and self._verbose < 2 and evaluation.n_tasks else None

    def __enter__(self) -> "Showing":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def shows(self) -> bool:
        """Whether anything is shown of single tasks."""
        return self._bar is not None or self._verbose > 1

    def note(self, index: int, scored: Scored) -> None:
        """Show that a task has ended."""
        if self._bar is not None:
            shown = self._bar.tasks[0]
            rate = f"{shown.speed:.3g}/s" if shown.speed else ""
            self._bar.update(shown.id, advance=1, rate=rate)
        if self._verbose > 1:
            print(*self._lines(index, scored), sep="\n")  # noqa: T201 - what verbose asks for

    def _lines(self, index: int, scored: Scored) -> Iterator[str]:
        """Yield the lines of a task as scikit-learn words them."""
        candidate, fold = self._evaluation.place(index)
        where = f" {fold + 1}/{self._evaluation.n_folds}" if self._verbose > 2 else ""
        if self._verbose > 9:
            where += f"; {candidate + 1}/{len(self._evaluation.candidates)}"
        params = self._evaluation.candidates[candidate]
        said = ", ".join(f"{name}={params[name]}" for name in sorted(params))
        if self._verbose > 9:
            begin = f"[CV{where}] START "
            yield begin + said + "." * (_WIDTH - len(begin) - len(said))
        seconds = scored.fit_seconds + scored.score_seconds
        begin = f"[CV{where}] END "
        end = f"{said}{';' if said else ''}{self._scores(scored)} total time={_short(seconds)}"
        yield begin + "." * (_WIDTH - len(begin) - len(end)) + end

    def _scores(self, scored: Scored) -> str:
        if self._verbose < 3:
            return ""
        if isinstance(scored.test, dict):
            return "".join(f" {name}: ({_pair(scored, name)})" for name in sorted(scored.test))
        shown = _pair(scored, None)
        return f", score=({shown})" if scored.train is not None else f", score={scored.test:.3f}"


def _pair(scored: Scored, name: str | None) -> str:
    test = scored.test[name] if isinstance(scored.test, dict) and name is not None else scored.test
    train = scored.train[name] if isinstance(scored.train, dict) and name is not None else scored.train
    return f"test={test:.3f}" if train is None else f"train={train:.3f}, test={test:.3f}"


def _short(seconds: float) -> str:
    return f"{seconds / 60:5.1f}min" if seconds > 60 else f" {seconds:5.1f}s"


def _bar(n_tasks: int) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("fits"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.add_task("fits", total=n_tasks, rate="")
    return bar
