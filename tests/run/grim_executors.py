"""Executors whose tasks end badly, alone or together; what a task does stands in its parameters."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manyfit.contracts.executor import Finished, Started, Work
from manyfit.model.segment import SegmentHeader

MIB = 1 << 20


def fused(header: SegmentHeader) -> "Fused":
    """Return an executor that runs all tasks of an order as one group."""
    return Fused(Path(header.folder))


class Fused:
    """
    Fits all tasks of an order together: no task has a result before all are fitted.

    Each order leaves a line in the file "orders", each death in "deaths": the number of tasks together.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        yield Started(indices=[task.index for task in work.tasks])
        with (self._folder / "orders").open("a") as file:
            print(len(work.tasks), file=file)
        for task in work.tasks:
            self._fit(task.candidate.steps[-1].params, len(work.tasks))
        for task in work.tasks:
            yield Finished(index=task.index, body={"scores": {"cv": {"accuracy": 1.0}}})

    def _fit(self, params: Mapping[str, Any], n_together: int) -> None:
        if once := params.get("once"):
            trace = self._folder / f"once-{once}"
            if trace.exists():
                return
            trace.touch()
        if params.get("kills"):
            with (self._folder / "deaths").open("a") as file:
                print(n_together, file=file)
            os.kill(os.getpid(), signal.SIGKILL)


def greedy(header: SegmentHeader) -> "Greedy":
    """Return an executor whose tasks take as much memory as they say."""
    return Greedy()


class Greedy:
    """Takes `mib` of memory for each task, one task after the other, or says what happened (`says`)."""

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            params = task.candidate.steps[-1].params
            yield Started(indices=[task.index])
            if (cls := params.get("says")) is not None:
                told = {"cls": cls, "error": "OSError", "message": "the disk is gone"}
                yield Finished(index=task.index, body={"failure": told})
                continue
            taken = b"x" * (params.get("mib", 0) * MIB)
            yield Finished(index=task.index, body={"scores": {"cv": {"accuracy": float(len(taken) > 0)}}})


def keeping(header: SegmentHeader) -> "Keeping":
    """Return an executor that keeps a file for each task in the folder of the sweep."""
    return Keeping(Path(header.folder))


class Keeping:
    """Writes "artifacts/aa/<key>" aside, renames it, and names it in the result; reads it for inputs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=[task.index])
            if task.index in work.inputs:
                name = work.inputs[task.index]["model"]["file"]
                read = (self._folder / name).read_text()
                yield Finished(index=task.index, body={"scores": {"cv": {"same": float(read == task.key)}}})
                continue
            name = f"artifacts/aa/{task.key}"
            target = self._folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.with_name(f".{task.key}").write_text(task.key)
            target.with_name(f".{task.key}").rename(target)
            yield Finished(index=task.index, body={"artifacts": {"model": {"file": name}}})


def grouping(header: SegmentHeader) -> "Grouping":
    """Return an executor whose tasks do what they say, all together while that is allowed."""
    return Grouping(Path(header.folder))


class Grouping:
    """
    Fuses while the order allows it; each order leaves "together" or "alone" in the file "orders".

    What a task `does`: "hangs" (an alarm ends it), "clings" (deaf to alarms and SIGTERM), "wants" more
    memory than there is. The group does what its first bad task does.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        with (self._folder / "orders").open("a") as file:
            print("together" if work.fuse else "alone", file=file)
        if work.fuse:
            yield Started(indices=[task.index for task in work.tasks])
            for task in work.tasks:
                self._do(task.candidate.steps[-1].params.get("does"))
        for task in work.tasks:
            if not work.fuse:
                yield Started(indices=[task.index])
                self._do(task.candidate.steps[-1].params.get("does"))
            yield Finished(index=task.index, body={"scores": {"cv": {"accuracy": 1.0}}})

    def _do(self, what: str | None) -> None:
        if what == "clings":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
        while what in ("hangs", "clings"):
            time.sleep(0.05)
        if what == "wants":
            raise MemoryError("too much")
