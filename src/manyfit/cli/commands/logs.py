"""The command that shows logs."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.connect import LocalFiles

MOST_LOGS = 10
LOOK_SECONDS = 0.5
TAIL_BYTES = 1 << 20
"""Read from the end of a log: more lines than anyone asks for."""


def logs(
    sweep: options.SweepArgument,
    worker: Annotated[
        str | None,
        typer.Argument(
            metavar="WORKER",
            show_default=False,
            help='A worker\'s id or its beginning; "status" for the status log. Without it: all.',
        ),
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing new lines until Ctrl-C.")] = False,
    n: Annotated[int, typer.Option("-n", "--lines", metavar="N", min=0, help="Lines of each log.")] = 20,
    as_json: options.JsonOption = False,
) -> None:
    """Show the end of the status log and of the workers' logs."""
    from manyfit import connect
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    paths = _chosen(connect.local_files(connect.open_store(sweep)), worker)
    tails = {path: _tail(path, n) for path in paths}
    out.json({"logs": [{"name": path.stem, "path": str(path), "lines": lines} for path, lines in tails.items()]})
    for number, (path, lines) in enumerate(tails.items()):
        if len(tails) > 1:
            out.line(f"{'' if number == 0 else chr(10)}== {path.stem} ==")
        out.lines(lines)
    if follow and not as_json:
        _follow(out.line, paths)


def _chosen(files: "LocalFiles", worker: str | None) -> list[Path]:
    """Return the logs that are meant and say something: the status log first, then the workers', newest last."""
    from manyfit.model.errors import NotFound

    logs = [path for path in files.logs.glob("*.log") if path.stat().st_size]
    found = sorted(logs, key=lambda path: (path.stat().st_mtime, path.name))
    everything = [path for path in (files.run_log, files.status_log) if path.is_file()] + found
    if worker is None:
        return everything[:2] + everything[2:][-MOST_LOGS:]
    chosen = [path for path in everything if path.stem.startswith(worker)]
    if not chosen:
        names = ", ".join(path.stem for path in everything[-MOST_LOGS:]) or "none yet"
        raise NotFound(f'no log starts with "{worker}"; there are: {names}')
    return chosen


def _tail(path: Path, n: int) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return lines[-n:] if n else []


def _follow(show: "object", paths: list[Path]) -> None:
    """Show complete new lines of the logs, each with its log's name where there are several."""
    assert callable(show)
    at = {path: path.stat().st_size for path in paths}
    try:
        while True:
            for path in paths:
                text, at[path] = _new_lines(path, at[path])
                for line in text:
                    show(f"{path.stem}: {line}" if len(paths) > 1 else line)
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        return


def _new_lines(path: Path, start: int) -> tuple[list[str], int]:
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return whole.decode(errors="replace").splitlines(), start + len(whole)
