"""The command that examines the machine, a file system and a store."""

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.health.finding import Finding

OPENER = "manyfit.connect:open_store"
WITH_PROBLEMS = 1
PERCENT_WIDTH = 4


def doctor(
    fs: Annotated[
        Path,
        typer.Option(
            "--fs",
            metavar="DIR",
            help="The folder whose file system is tested, in a folder made there and removed.",
        ),
    ] = Path(),
    store: Annotated[
        str,
        typer.Option(
            "--store",
            metavar="URL",
            show_default=False,
            help="Also read this store as a whole: a sweep file, the folder of a store, its name or its URL.",
        ),
    ] = "",
    as_json: options.JsonOption = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only what needs attention, and the last line.")
    ] = False,
) -> None:
    """
    Check a machine, its versions and clocks, a disk, a store.

    Says what to do about each finding. Takes a few seconds, waits for nothing longer than its limit, and
    changes nothing. Exit code 1 when there is a problem; warnings do not count.
    """
    from manyfit.cli.output import Output
    from manyfit.health.finding import Status
    from manyfit.health.watch import examine, inquiries

    out = Output(as_json=as_json, quiet=quiet)
    asked = inquiries(folder=str(fs), store=store, opener=OPENER)
    with _Bar() as bar:
        findings = examine(asked, bar.show if out.interactive else None)
    out.json(_document(findings, fs, store))
    _show(out, findings)
    out.wrapped(summary(findings))
    if any(finding.status is Status.PROBLEM for finding in findings):
        options.finish(WITH_PROBLEMS)


def _document(findings: Sequence["Finding"], folder: Path, store: str) -> dict[str, Any]:
    from manyfit.health.finding import Status

    n = {status: sum(finding.status is status for finding in findings) for status in Status}
    return {
        "folder": str(folder.absolute()),
        "store": _without_password(store) or None,
        "problems": n[Status.PROBLEM],
        "warnings": n[Status.WARNING],
        "ok": n[Status.OK],
        "findings": [_facts(finding) for finding in findings],
    }


def _without_password(url: str) -> str:
    return re.sub(r"(://[^:/@]*):[^@/]*@", r"\1@", url)


def _facts(finding: "Finding") -> dict[str, Any]:
    return {
        "area": finding.area.value,
        "name": finding.name,
        "status": finding.status.value,
        "seen": finding.seen.text,
        "do": finding.seen.do,
        "facts": finding.seen.facts,
    }


def _show(out: "Output", findings: Sequence["Finding"]) -> None:
    """Show the findings under their areas: the name, how serious it is, what was seen and what to do."""
    from manyfit.cli.output import with_short_words
    from manyfit.health.finding import Status

    shown = [finding for finding in findings if not (out.quiet and finding.status is Status.OK)]
    names = max((len(finding.name) for finding in shown), default=0)
    margin = " " * (names + 13)
    area = None
    for finding in shown:
        if finding.area is not area:
            area = finding.area
            out.line(area.value)
        head = f"  {finding.name:<{names}}  {finding.status.value:<7}  "
        well = finding.status is Status.OK
        text = with_short_words(finding.seen.text, out.width - len(margin)) if well else finding.seen.text
        out.wrapped(head + text, indent=margin)  # the name of a damaged file is worth a line that is too long
        if finding.seen.do:
            out.wrapped(f"{margin}next: {finding.seen.do}", indent=margin)


def summary(findings: Sequence["Finding"]) -> str:
    """Return how many findings of each kind there are, problems first, with the names of those that matter."""
    from manyfit.health.finding import Status
    from manyfit.report.texts import plural

    parts = []
    for status, word in ((Status.PROBLEM, "problem"), (Status.WARNING, "warning")):
        names = [f"{finding.area.value}: {finding.name}" for finding in findings if finding.status is status]
        if names:
            parts.append(f"{plural(len(names), word)} ({', '.join(names)})")
    n_ok = sum(finding.status is Status.OK for finding in findings)
    return "; ".join([*(parts or ["nothing to do"]), f"{n_ok} ok"])


class _Bar:
    """One line on a terminal that says how far the reading of a store is, and that vanishes."""

    def __init__(self) -> None:
        self._shown = 0

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._write("")

    def show(self, name: str, n: int, of: int) -> None:
        """Show that *n* of *of* things were read."""
        from manyfit.cli.output import cut, terminal_width

        share = min(1.0, n / of) if of else 0.0
        width = max(8, min(30, terminal_width(sys.stdout) - len(name) - 40))
        bar = ("█" * round(share * width)).ljust(width, "░")
        text = f"{name}  {bar}  {share:>{PERCENT_WIDTH}.0%}  {n:,} of {of:,} read"
        self._write(cut(text, terminal_width(sys.stdout) - 1))

    def _write(self, text: str) -> None:
        sys.stdout.write("\r" + text.ljust(self._shown) + ("" if text else "\r"))
        sys.stdout.flush()
        self._shown = len(text)
