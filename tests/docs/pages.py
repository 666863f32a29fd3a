"""Runs the examples of a documentation page, in order, as a reader would type them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WIDTH = 90
"""Columns of the terminal in the examples."""

_FENCE = re.compile(r"^```(?P<language>[\w-]*)\s*$")
_VARYING = re.compile(
    r"\b\d[\d,]*(?:\.\d+)? ?(?:ms|s|m|min|h|tasks/s)(?: \d\d [ms])?(?=[\s,;:)]|$)"  # durations and rates
    r"|\b[a-z][a-z0-9-]*-\d+-[0-9a-f]{6}\b"  # names of workers
    r"|(?<=\(process )\d+"
)
_DIRECTIVE = re.compile(r"^<!--\s*(?P<name>[a-z ]+?)(?::\s*(?P<value>.*?))?\s*-->$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """
    One fenced block. `directives` are the comments right above it:

    `file: NAME` the block is the content of that file; `exit: N` the exit status of its last command;
    `not run` it is shown only.
    """

    language: str
    text: str
    line: int
    directives: dict[str, str] = field(default_factory=dict)


def pages() -> list[Path]:
    """Return every page that people read, the README first."""
    names = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "examples/README.md")
    return [ROOT / name for name in names if (ROOT / name).is_file()] + sorted(DOCS.rglob("*.md"))


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    lines = text.split("\n")
    directives: dict[str, str] = {}
    at = 0
    while at < len(lines):
        if found := _DIRECTIVE.match(lines[at]):
            directives[found["name"]] = found["value"] or ""
        elif opened := _FENCE.match(lines[at]):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].rstrip() == "```")
            body = "\n".join(lines[at + 1 : end])
            yield Block(language=opened["language"], text=body, line=at + 1, directives=directives)
            directives, at = {}, end
        elif lines[at].strip():
            directives = {}
        at += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of a page with the output that the page shows (empty: none is shown)."""

    source: str
    shown: Sequence[str]
    line: int
    status: int = 0
    is_python: bool = False


def commands(found: Sequence[Block]) -> Iterator["Command | Block"]:
    """Yield what a reader does, in order: commands to run, and blocks that are files to write."""
    for position, block in enumerate(found):
        following = found[position + 1] if position + 1 < len(found) else None
        if "not run" in block.directives:
            continue
        if "file" in block.directives:
            yield block
        if block.language == "console":
            yield from _of_console(block)
        elif block.language == "python" and "file" not in block.directives:
            shown = following.text.split("\n") if following is not None and following.language == "text" else []
            yield Command(source=block.text, shown=shown, line=block.line, is_python=True)


def _of_console(block: Block) -> Iterator[Command]:
    parts = re.split(r"^\$ ", block.text, flags=re.M)
    assert not parts[0].strip(), f"line {block.line}: a console block begins with $"
    line = block.line + 1
    for number, part in enumerate(parts[1:], 1):
        first, *rest = part.rstrip("\n").split("\n")
        while first.endswith("\\"):
            first = first[:-1] + rest.pop(0).strip()
        status = int(block.directives.get("exit", "0")) if number == len(parts) - 1 else 0
        yield Command(source=first, shown=[text for text in rest if text.strip()], line=line, status=status)
        line += part.count("\n")


def first_fault(page: Path, folder: Path) -> str:
    """Do in *folder* what *page* shows; return what first comes out otherwise, "" when all is as shown."""
    environment = _environment(folder)
    try:
        for step in commands(list(blocks(page.read_text(encoding="utf-8")))):
            if isinstance(step, Block):
                (folder / step.directives["file"]).write_text(step.text + "\n", encoding="utf-8")
            elif fault := _fault(step, page, folder, environment):
                return fault
    finally:
        _end_workers(folder, environment)
    return ""


def _environment(folder: Path) -> dict[str, str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    own = {"PATH": path, "COLUMNS": str(WIDTH), "MANYFIT_CACHE": str(folder / ".cache"), "PYTHONUTF8": "1"}
    return {**os.environ, **own}


def _fault(command: Command, page: Path, folder: Path, environment: dict[str, str]) -> str:
    arguments = [sys.executable, "-c", command.source] if command.is_python else ["bash", "-c", command.source]
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=110,
        check=False,
    )
    where = f"{page.name}:{command.line}: {command.source}\n--- came out\n{done.stdout}"
    if done.returncode != command.status:
        return f"exit status {done.returncode}\n{where}"
    missing = first_missing(command.shown, done.stdout.split("\n"))
    return "" if missing is None else f"the page shows {missing!r}\n{where}"


def _end_workers(folder: Path, environment: dict[str, str]) -> None:
    """End what `--background` left at work."""
    for store in folder.glob("*.sweep"):
        subprocess.run(
            ["manyfit", "stop", str(store), "--wait"],
            cwd=folder,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )


def first_missing(shown: Sequence[str], came: Sequence[str]) -> str | None:
    """
    Return the first line of *shown* that *came* lacks, None when they agree.

    "…" stands for anything inside a line, and alone on a line for any lines. Spaces may be more or fewer,
    and durations, rates and names of workers are always other ones.
    """
    wanted = [line for line in map(_squeezed, shown) if line]
    found = [line for line in map(_squeezed, came) if line]
    if not wanted:
        return None
    at, skipping = 0, False
    for line in wanted:
        if line == "…":
            skipping = True
            continue
        pattern = re.compile(".*".join(map(re.escape, line.split("…"))))
        while skipping and at < len(found) and not pattern.fullmatch(found[at]):
            at += 1
        if at >= len(found) or not pattern.fullmatch(found[at]):
            return line
        at, skipping = at + 1, False
    return None if skipping or at == len(found) else f"(and not) {found[at]}"


def _squeezed(line: str) -> str:
    return " ".join(_VARYING.sub("(varies)", line).split())
