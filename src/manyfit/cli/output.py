"""What commands print: tables and text for people, JSON for programs, nothing where nothing is wanted."""

import json
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

GAP = "  "
NARROWEST = 12
"""A text column is never cut to fewer characters."""
PIPE_WIDTH = 200
"""Width of tables that go into a file or a pipe, where nobody wants to lose the end of a name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """
    Where a command's facts go.

    With `as_json` people's text is left out and `json` writes one value to stdout; without, it is the
    other way round. Notes and progress never go to stdout with `as_json`, and nowhere with `quiet`.
    """

    as_json: bool = False
    quiet: bool = False

    @property
    def interactive(self) -> bool:
        """Whether a person watches: then displays live and questions are in place."""
        return not self.as_json and not self.quiet and sys.stdout.isatty()

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return terminal_width(sys.stdout)

    def json(self, value: Mapping[str, Any]) -> None:
        """Write *value* as the one JSON document of this command; NaN becomes null."""
        if self.as_json:
            sys.stdout.write(json.dumps(plain(value), ensure_ascii=False, indent=2) + "\n")
            sys.stdout.flush()

    def line(self, text: str = "") -> None:
        """Write one line for people."""
        if not self.as_json:
            sys.stdout.write(text + "\n")

    def lines(self, texts: Iterable[str]) -> None:
        """Write lines for people."""
        for text in texts:
            self.line(text)

    def wrapped(self, text: str, *, indent: str = "  ") -> None:
        """Write one sentence for people, continued under *indent* where the terminal ends."""
        if not self.as_json:
            self.lines(wrap(text, self.width, indent=indent))

    def table(self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int] = ()) -> None:
        """Write a table for people; the columns in *right* are aligned at the right."""
        if not self.as_json:
            self.lines(table_lines(headers, rows, right=right, width=self.width))

    def note(self, text: str) -> None:
        """Write a sentence about progress: to stderr when stdout belongs to a program."""
        if not self.quiet:
            stream = sys.stderr if self.as_json else sys.stdout
            stream.write("\n".join(wrap(text, terminal_width(stream))) + "\n")
            stream.flush()


def terminal_width(stream: TextIO) -> int:
    """Return the columns of the terminal behind *stream*, or enough for anything where there is none."""
    if os.environ.get("COLUMNS", "").isdigit():
        return max(40, int(os.environ["COLUMNS"]))
    return max(40, shutil.get_terminal_size((80, 24)).columns) if stream.isatty() else PIPE_WIDTH


def wrap(text: str, width: int, *, indent: str = "  ") -> list[str]:
    """Return *text* in lines of at most *width*, all but the first indented; words are never broken."""
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    ) or [""]


def with_short_words(text: str, longest: int) -> str:
    """Return *text* with every word that has more than *longest* characters cut with "…"."""
    return re.sub(r"\S+", lambda word: cut(word[0], longest), text)


def table_lines(
    headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Iterable[int] = (), width: int = PIPE_WIDTH
) -> list[str]:
    """Return a table as lines of at most *width* where that can be: the widest text column is cut with "…"."""
    at_right = frozenset(right)
    table = [list(headers), *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(headers))]
    _narrow(widths, at_right, width)
    columns = [
        [cell.rjust(w) if i in at_right else cell.ljust(w) for cell in _cut_alike([row[i] for row in table], w)]
        for i, w in enumerate(widths)
    ]
    return [GAP.join(row).rstrip() for row in zip(*columns, strict=True)]


def _cut_alike(cells: Sequence[str], width: int) -> list[str]:
    """Return *cells* in at most *width* characters, cut in the middle where that tells more of them apart."""
    at_end = [cut(cell, width) for cell in cells]
    if len(set(at_end)) == len(set(cells)):
        return at_end
    head = (width - 1) // 3
    tail = width - 1 - head
    inside = [cell if len(cell) <= width else f"{cell[:head]}…{cell[-tail:]}" for cell in cells]
    return inside if len(set(inside)) > len(set(at_end)) else at_end


def _one_line(cell: str) -> str:
    return " ".join(cell.splitlines())


def _narrow(widths: list[int], at_right: frozenset[int], width: int) -> None:
    """Take the excess from the widest text column, again and again."""
    texts = [i for i in range(len(widths)) if i not in at_right]
    while texts and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        widest = max(texts, key=lambda i: widths[i])
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def cut(cell: str, width: int) -> str:
    """Return *cell* in at most *width* characters, with "…" in the place of what was cut."""
    return cell if len(cell) <= width else cell[: width - 1] + "…"


def plain(value: Any) -> Any:
    """Return *value* as JSON values: numbers that are none become null, unknown objects their text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(entry) for entry in value]
    return str(value)
