"""The audit of a folder, and its command."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from manyfit.testing.independent.counting import Counting
from manyfit.testing.independent.reading import Reading
from manyfit.testing.independent.shapes import Report


def audit(folder: Path) -> Report:
    """Read the sweep *folder* and check every law that its files can show."""
    reading = Reading(folder)
    return Counting(reading).report(reading.records())


def lost_results(earlier: Report, later: Report) -> list[str]:
    """Return a text for every accepted result of *earlier* that *later* lost or changed (law 2)."""
    texts = []
    for key, result in earlier.accepted.items():
        now = later.accepted.get(key)
        if now is None or now[0] < result[0] or (now[0] == result[0] and now != result):
            texts.append(f"law 2: the accepted result of task {key} was {result} and is {now}")
    return texts


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report on a folder; return 1 if a law is broken."""
    parser = argparse.ArgumentParser(prog="manyfit.testing.independent", description="Check a sweep folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--json", action="store_true", help="print everything as one JSON object")
    chosen = parser.parse_args(arguments)
    report = audit(chosen.folder)
    sys.stdout.write(json.dumps(asdict(report)) + "\n" if chosen.json else _shown(report))
    return 1 if report.violations else 0


def _shown(report: Report) -> str:
    counts = (
        f"planned {report.planned:,} = done {report.done:,} + failed {report.failed:,} + running"
        f" {report.running:,} + pending {report.pending:,} + cancelled {report.cancelled:,}"
    )
    told = [f"  {text}" for text in report.violations] or ["  every law that the files can show holds"]
    return "\n".join([counts, f"{len(report.accepted):,} accepted results", *told, ""])
