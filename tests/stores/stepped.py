"""A disk whose system calls can be stopped or failed one by one."""

import os
from functools import partialmethod

from manyfit.stores.files.disk import Disk

CALLS = ("open", "write", "pwrite", "fsync", "fdatasync", "close", "link", "unlink", "mkdir", "names", "read")


class SteppedDisk(Disk):
    """Counts calls and gives each to *step*, as its number, its name and what it would do."""

    def __init__(self, step=lambda number, name, call: call()):
        self.n_calls = 0
        self.step = step

    def _stepped(self, *args, name):
        self.n_calls += 1
        return self.step(self.n_calls, name, lambda: getattr(Disk, name)(self, *args))


for _name in CALLS:
    setattr(SteppedDisk, _name, partialmethod(SteppedDisk._stepped, name=_name))


def dying_at(number, *, after=False):
    """Return a step that kills the process at call *number*, before or after doing it."""

    def step(n, name, call):
        if n == number and not after:
            os._exit(9)
        value = call()
        if n == number:
            os._exit(9)
        return value

    return step


def failing(names, number, error, *, times=1, after=False):
    """Return a step that fails *times* of the calls in *names*, from the one with this number on, with *error*."""
    seen = 0

    def step(n, name, call):
        nonlocal seen
        seen += name in names
        if name in names and number <= seen < number + times:
            if after:
                call()
            raise OSError(error, os.strerror(error))
        return call()

    return step
