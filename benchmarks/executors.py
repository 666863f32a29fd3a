"""Executors that do next to nothing, so that what is measured is manyfit and not a fit."""

import time
from collections.abc import Iterator

from manyfit.contracts.executor import Finished, Started, Work
from manyfit.model.segment import SegmentHeader


class Trivial:
    """Answers at once."""

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=(task.index,))
            yield Finished(index=task.index, body={"scores": {"cv": {"accuracy": 0.5}}})


class Spinning:
    """Uses the processor for as long as the candidate's parameter `seconds` says."""

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=(task.index,))
            spin(task.candidate.shown["seconds"])
            yield Finished(index=task.index, body={"scores": {"cv": {"accuracy": 0.5}}})


def spin(seconds: float) -> float:
    """Use *seconds* of processor time, whatever else the machine does."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return 0.5


def trivial(header: SegmentHeader) -> Trivial:
    """Return the executor named in the headers of trivial sweeps."""
    return Trivial()


def spinning(header: SegmentHeader) -> Spinning:
    """Return the executor named in the headers of sweeps with tasks of a given length."""
    return Spinning()
