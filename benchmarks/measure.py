"""Medians over repetitions that take turns, so that a change in the machine's speed meets all sides alike."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path


def medians(sides: Mapping[str, Callable[[], float]], repetitions: int) -> dict[str, float]:
    """Return the median of each side; the sides run in turns."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repetitions):
        for name, side in sides.items():
            taken[name].append(side())
    return {name: statistics.median(values) for name, values in taken.items()}


def wall(action: Callable[[], object]) -> float:
    """Return the seconds that *action* takes."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def command_seconds(*arguments: str, repetitions: int = 7) -> float:
    """Return the median wall seconds of a manyfit command, from process start to end."""
    taken = []
    for _ in range(repetitions):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "manyfit", *arguments], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def peak_mib(pid: int) -> float:
    """Return the peak resident memory of a process so far, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def table(title: str, rows: list[tuple[str, str, str]]) -> None:
    """Print rows of (what, figure, aim or ratio)."""
    print(f"\n{title}")
    width = max(len(what) for what, _, _ in rows)
    for what, figure, note in rows:
        print(f"  {what.ljust(width)}  {figure.rjust(14)}  {note}")


def grid(title: str, header: list[str], rows: list[list[str]]) -> None:
    """Print rows of figures under a header; the first column is text."""
    print(f"\n{title}")
    widths = [max(len(row[at]) for row in [header, *rows]) for at in range(len(header))]
    for row in [header, *rows]:
        cells = [
            row[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
        ]
        print("  " + "  ".join(cells))
