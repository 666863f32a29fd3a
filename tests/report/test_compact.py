"""Compaction: the same results from one file, whoever dies or comes first."""

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from tests.report.sweeps import candidate, cell, cells, failed, new_store, run, scored, segment, submit

from manyfit.model.control import Compacted, Pause
from manyfit.model.errors import PositionTaken, StoreCorrupt
from manyfit.report.compact import compact
from manyfit.report.frames import load_results, ranking_of, results_frame
from manyfit.report.leaderboard import leaderboard
from manyfit.stores.directory import DirectoryStore


def outcome(of, on):
    value = int(of.key[:6], 16) % 997 / 997 + int(on.key[:4], 16) / 1e7
    if value > 0.8:
        return {**failed("user", message=f"bad {value}"), "warnings": [["W", "t", 1]]}
    if on.fold is None:
        return scored(test={"accuracy": value})
    return {**scored(cv={"accuracy": value, "f1_macro": None}), "details": {"cv": {"cm": [[1]]}}}


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    candidates = [candidate("svc", C=n) for n in range(6)] + [candidate("rf", n=n) for n in range(5)]
    return new_store(tmp_path, segment(candidates, [*cells(3), cell(fold=None)]))


def everything(store: DirectoryStore) -> pl.DataFrame:
    return results_frame(store, current=False).sort("key", "generation", "attempt")


def test_frame_is_the_same_before_and_after(store: DirectoryStore, tmp_path: Path) -> None:
    """Compacting changes no cell of any frame, also in several steps."""
    run(store, outcome, units=4)
    for worker, units in (("w-2", 3), ("w-3", 4), ("w-4", None)):
        before, ranked = everything(store), leaderboard(store)
        assert compact(store, tmp=tmp_path) is not None
        assert everything(store).equals(before)
        assert everything(store).columns == before.columns
        assert leaderboard(store).equals(ranked)
        run(store, outcome, worker=worker, units=units)
    assert len(store.bases()) == 3


def test_nothing_left_to_compact(store: DirectoryStore, tmp_path: Path) -> None:
    """A second compaction finds nothing and publishes nothing."""
    run(store, outcome)
    assert compact(store, tmp=tmp_path) is not None
    assert compact(store, tmp=tmp_path) is None
    assert len(store.bases()) == 1


def test_many_results_make_several_files(
    store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No file holds more than about BASE_ROWS, nothing is left over, and no cell changes."""
    monkeypatch.setattr("manyfit.report.compact.BASE_ROWS", 10)
    monkeypatch.setattr("manyfit.report.lines.CHUNK_BYTES", 1)
    run(store, outcome)
    before = everything(store)

    compact(store, tmp=tmp_path)

    assert len(store.bases()) > 1
    assert everything(store).equals(before)
    assert compact(store, tmp=tmp_path) is None


def test_thresholds(store: DirectoryStore, tmp_path: Path) -> None:
    """Below the thresholds nothing is published, and nothing stays behind."""
    run(store, outcome, units=1)
    left = sorted(tmp_path.iterdir())
    assert compact(store, tmp=tmp_path, threshold_rows=5) is None
    assert compact(store, tmp=tmp_path, threshold_bytes=1 << 20) is None
    assert compact(store, tmp=tmp_path, threshold_rows=4) is not None
    assert sorted(tmp_path.iterdir()) == left


def test_logs_are_not_read_again(store: DirectoryStore, tmp_path: Path) -> None:
    """What a base has is read from the base: the logs may be gone."""
    run(store, outcome)
    before = everything(store)
    compact(store, tmp=tmp_path)
    for log in (Path(store.url) / "log").iterdir():
        log.unlink()
    assert everything(store).equals(before)


def test_base_says_what_the_newest_segment_ranks_by(store: DirectoryStore, tmp_path: Path) -> None:
    """The ranking comes from the base, until a later segment says something else."""
    run(store, outcome)
    compact(store, tmp=tmp_path)
    assert ranking_of(store).rank_by == "accuracy"
    submit(store, segment([candidate("svc", C=99)], [cell()], rank_by="f1_macro"))
    assert ranking_of(store).rank_by == "f1_macro"


def test_complete_says_that_nothing_is_missing(store: DirectoryStore, tmp_path: Path) -> None:
    """Results are complete exactly when every task of the sweep has one."""
    run(store, outcome, units=5)
    assert not load_results(store).complete
    run(store, outcome, worker="w-2")
    assert load_results(store).complete
    compact(store, tmp=tmp_path)
    assert load_results(store).complete


class Racing:
    """A store whose control chain another writer extends just before each of the first publications."""

    def __init__(self, store: DirectoryStore, rivals: list) -> None:
        self._store = store
        self._rivals = rivals

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def publish_base(self, parquet: Path, *, position: int) -> object:
        if self._rivals:
            self._rivals.pop(0)()
        return self._store.publish_base(parquet, position=position)


def test_another_action_comes_first(store: DirectoryStore, tmp_path: Path) -> None:
    """When something else was appended meanwhile, the same file is published one position later."""
    run(store, outcome)
    pause = [lambda: store.append(Pause(), position=2), lambda: store.append(Pause(), position=3)]
    entry = compact(Racing(store, pause), tmp=tmp_path)  # type: ignore[arg-type]
    assert entry is not None
    assert entry.position == 4
    assert everything(store).height == 44


def test_another_compaction_comes_first(store: DirectoryStore, tmp_path: Path) -> None:
    """When another compaction came first, its epochs are not published twice."""
    run(store, outcome)
    before = everything(store)
    assert compact(Racing(store, [lambda: compact(store, tmp=tmp_path)]), tmp=tmp_path) is None  # type: ignore[arg-type]
    assert len(store.bases()) == 1
    assert everything(store).equals(before)


def test_others_are_always_first(store: DirectoryStore, tmp_path: Path) -> None:
    """Whoever never gets a turn is told so instead of trying for ever."""
    run(store, outcome, units=2)

    class Taken(Racing):
        def publish_base(self, parquet: Path, *, position: int) -> object:
            raise PositionTaken(position)

    with pytest.raises(PositionTaken):
        compact(Taken(store, []), tmp=tmp_path)  # type: ignore[arg-type]


DYING = """
import os, signal, sys
from pathlib import Path
from manyfit.report.compact import compact
from manyfit.stores.directory import DirectoryStore

class Dying(DirectoryStore):
    def publish_base(self, parquet, *, position):
        assert parquet.stat().st_size > 0
        os.kill(os.getpid(), signal.SIGKILL)

compact(Dying(sys.argv[1]), tmp=Path(sys.argv[2]))
"""


def test_killed_before_publishing(store: DirectoryStore, tmp_path: Path) -> None:
    """A compaction killed between writing its file and publishing it leaves the store as it was."""
    run(store, outcome)
    before = everything(store)
    child = subprocess.run([sys.executable, "-c", DYING, store.url, str(tmp_path)], check=False)
    assert child.returncode == -signal.SIGKILL
    assert not [entry for entry in store.entries() if isinstance(entry.action, Compacted)]
    assert everything(store).equals(before)
    assert compact(store, tmp=tmp_path) is not None
    assert everything(store).equals(before)


def test_base_that_is_none_is_named(store: DirectoryStore, tmp_path: Path) -> None:
    """A Parquet file that no compaction made is reported with its name."""
    run(store, outcome)
    stranger = tmp_path / "stranger.parquet"
    pl.DataFrame({"key": ["a"]}).write_parquet(stranger)
    store.publish_base(stranger, position=2)
    with pytest.raises(StoreCorrupt, match="is not a compaction"):
        results_frame(store)
