"""One mistake in what a person declared: where it is, what was found, what would be right."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

SHORTEST_BEGINNING = 3
"""Letters of a word from which on it is taken for the beginning of a name."""


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
    """
    Return '; did you mean "x"?' for what *word* begins, else for the closest of *known*; "" if there is none.

    Of several that begin with *word* it is the shortest; a word of one or two letters begins too many.
    """
    lowered = {name.lower(): name for name in known}
    begun = [name for name in lowered if name.startswith(word.lower())] if len(word) >= SHORTEST_BEGINNING else []
    close = sorted(begun, key=lambda name: (len(name), name)) or difflib.get_close_matches(
        word.lower(), list(lowered), n=1, cutoff=0.6
    )
    return f'; did you mean "{lowered[close[0]]}"?' if close else ""
