"""One mistake in what a person declared: where it is, what was found, what would be right."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """
    A single mistake in a sweep declaration.

    `file` is the name as the user gave it ("" for a sweep built in Python), `key` the dotted path of
    the entry ("pipelines.svc.grid[1].gama"), `message` the value received and what is allowed.
    """

    file: str
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.key}" if self.file else self.key
        return f"{where}: {self.message}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return '; did you mean "x"?' for the closest of *known*, or an empty text."""
    lowered = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), list(lowered), n=1, cutoff=0.6)
    return f'; did you mean "{lowered[close[0]]}"?' if close else ""
