"""What an examination says: findings, and the checks that come to them."""

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Status(enum.Enum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """Something will be slower, smaller or riskier than it could be."""
    PROBLEM = "problem"
    """Something will not work, or results could be lost."""


class Area(enum.Enum):
    """What a finding is about, in the order of the table."""

    MACHINE = "machine"
    VERSIONS = "versions"
    FILES = "file system"
    CLOCK = "clock"
    STORE = "store"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """
    What one check saw, and what to do about it (empty: nothing).

    `facts` are the same as values for programs: sizes in bytes, times in seconds.
    """

    status: Status
    text: str
    do: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a named check of an area saw."""

    area: Area
    name: str
    seen: Seen

    @property
    def status(self) -> Status:
        return self.seen.status


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """
    One thing to look at. `look` may raise `OSError` for what the system refused.

    `limit_seconds` is how long it may take, or, where it tells its progress, how long it may be silent.
    It is left out when the check *after* of the same inquiry came to a problem: then it could only say
    the same once more.
    """

    area: Area
    name: str
    look: Callable[[], Seen]
    limit_seconds: float = 5.0
    after: str = ""

    def finding(self, seen: Seen) -> Finding:
        """Return what was *seen* as the finding of this check."""
        return Finding(area=self.area, name=self.name, seen=seen)


def fine(text: str, **facts: Any) -> Seen:
    """Return that all is well."""
    return Seen(status=Status.OK, text=text, facts=facts)


def doubtful(text: str, do: str, **facts: Any) -> Seen:
    """Return a warning."""
    return Seen(status=Status.WARNING, text=text, do=do, facts=facts)


def bad(text: str, do: str, **facts: Any) -> Seen:
    """Return a problem."""
    return Seen(status=Status.PROBLEM, text=text, do=do, facts=facts)
