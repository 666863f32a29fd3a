"""What is to be examined, as a value that passes between processes, and the checks that it means."""

import enum
import importlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, assert_never

from manyfit.health import clock, filesystem, machine, store, versions
from manyfit.health.finding import Area, Check
from manyfit.health.guarantees import Ground

DISK = "manyfit.health.disk:Disk"


class Subject(enum.Enum):
    """What one process examines."""

    MACHINE = "machine"
    VERSIONS = "versions"
    CLOCK = "clock"
    FILES = "files"
    STORE = "store"

    @property
    def area(self) -> Area:
        """Return the area of what is said of the subject as a whole."""
        return Area.FILES if self is Subject.FILES else Area(self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """
    One subject to examine, by a process of its own.

    `folder` and `ground` are for FILES: the folder in question, and the name of the folder that is made in it
    and removed. `disk` is the import path of its system calls. `store` and `opener` are for STORE: what the
    user named, and the import path of the function that opens it. `limit_factor` stretches every limit.
    """

    subject: Subject
    folder: str = ""
    ground: str = ""
    disk: str = DISK
    store: str = ""
    opener: str = ""
    limit_factor: float = 1.0

    @property
    def ground_folder(self) -> Path:
        return Path(self.folder) / self.ground

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "subject": self.subject.value})

    @classmethod
    def from_json(cls, text: str) -> "Inquiry":
        value: dict[str, Any] = json.loads(text)
        return cls(**{**value, "subject": Subject(value["subject"])})


def checks_of(inquiry: Inquiry, tell: Callable[[int, int], None]) -> Sequence[Check]:
    """Return the checks of *inquiry*. Nothing is looked at yet; progress goes to *tell*."""
    match inquiry.subject:
        case Subject.MACHINE:
            return machine.checks()
        case Subject.VERSIONS:
            return versions.checks()
        case Subject.CLOCK:
            return clock.checks()
        case Subject.FILES:
            disk = imported(inquiry.disk)()
            return filesystem.checks(disk, Path(inquiry.folder), Ground(disk=disk, folder=inquiry.ground_folder))
        case Subject.STORE:
            opened = lambda: imported(inquiry.opener)(inquiry.store)  # noqa: E731 - imported in time, not before
            return store.checks(store.Patient(open=opened, tell=tell))
        case _:
            assert_never(inquiry.subject)


def imported(path: str) -> Any:
    """Return what the import path ("package.module:name") means."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)
