"""The display of a running sweep."""

import io
from dataclasses import replace

import pytest

from manyfit.api.driver import Look
from manyfit.cli.display import LineDisplay, best_lines, live_lines
from manyfit.model.snapshot import Counts, Snapshot
from manyfit.report.progress import Leader


def look(done: int = 884, notes: tuple[str, ...] = ()) -> Look:
    snapshot = Snapshot(
        sweep="vowels",
        position=1,
        counts=Counts(planned=1240, done=done, running=2, pending=1238 - done),
        per_pipeline={},
        paused=False,
        planning=False,
        n_units=10,
        n_units_closed=5,
        cost_seconds=100.0,
        cost_done_seconds=70.0,
    )
    best = [
        leader("svc", 0.942, "kernel=rbf C=10 gamma=0.01"),
        leader("rf", 0.911, "n_estimators=100"),
        leader("enet", 0.803, "alpha=0.1"),
    ]
    return Look(snapshot=snapshot, best=best, rate=12.4, left_seconds=28.0, elapsed_seconds=70.0, notes=notes)


def leader(pipeline: str, score: float, label: str) -> Leader:
    return Leader(split="cv", pipeline=pipeline, label=label, score=score, complete=True)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_live_lines_fit_the_terminal(width: int) -> None:
    """No line is wider than the terminal, and the counts are always there."""
    lines = live_lines(look(), width)
    assert max(map(len, lines)) <= width
    assert "884/1,240" in "\n".join(lines)


def test_live_lines_at_80_columns() -> None:
    """Counts, percent, time left, rate, failures and workers are in two lines, the leaders in one more."""
    lines = live_lines(look(), 80)
    assert lines[0].endswith("884/1,240   71 %   28 s left")
    assert "█" in lines[0]
    assert lines[1] == "         12.4 tasks/s   0 failed   no worker yet"
    assert lines[2] == " best so far  svc 0.9420 (kernel=rbf C=10 gamma=0.01)   rf 0.9110   enet 0.8030"


def test_many_leaders_take_two_lines() -> None:
    """With many pipelines only the best have room; the display does not grow."""
    best = [leader(f"pipeline{i}", 0.9 - i / 100, "a=1") for i in range(30)]
    lines = best_lines(best, 80)
    assert len(lines) == 2
    assert max(map(len, lines)) <= 80


def test_leaders_of_several_splits_are_told_apart() -> None:
    """With several splits each leader says where it leads."""
    best = [leader("svc", 0.9, ""), replace(leader("svc", 0.8, ""), split="other")]
    assert best_lines(best, 80) == [" best so far  svc 0.9000 on cv   svc 0.8000 on other"]


def test_lines_come_every_ten_seconds_and_only_when_something_changed() -> None:
    """A log file does not fill with lines that say the same."""
    now = [0.0]
    stream = io.StringIO()
    display = LineDisplay(stream, clock=lambda: now[0])
    display.show(look(1))
    now[0] = 9.0
    display.show(look(2))
    now[0] = 10.0
    display.show(look(3))
    now[0] = 30.0
    display.show(look(3))
    lines = stream.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "3"]
    assert lines[0].endswith("no worker yet, 28 s left; best so far svc 0.9420")


def test_each_note_is_written_once() -> None:
    """What happened to a worker is told when it happened."""
    stream = io.StringIO()
    display = LineDisplay(stream, clock=lambda: 0.0)
    display.show(look(notes=("worker 1 died",)))
    display.show(look(notes=("worker 1 died", "worker 2 died")))
    notes = [line for line in stream.getvalue().splitlines() if line.startswith("note")]
    assert notes == ["note: worker 1 died", "note: worker 2 died"]
