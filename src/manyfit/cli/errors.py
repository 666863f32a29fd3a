"""Errors as people read them: one clear message that says what to do next."""

import json
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

OK, BROKEN, WRONG, WITH_FAILURES, STUCK, INTERRUPTED = 0, 1, 2, 3, 4, 130
"""The exit codes of manyfit, as `manyfit --help` lists them."""

LONGEST_KEY = 36


def report(exc: BaseException, *, as_json: bool) -> int:
    """Write *exc* to stderr, as JSON to stdout too if asked for, and return the exit code."""
    from manyfit.model.errors import Interrupted, ManyfitError, SweepMistakes

    if as_json:
        sys.stdout.write(json.dumps({"error": _facts(exc)}, ensure_ascii=False, indent=2) + "\n")
    if isinstance(exc, SweepMistakes):
        _write(_mistakes(exc))
        return WRONG
    if isinstance(exc, (Interrupted, KeyboardInterrupt)):
        _write(_wrapped(f"manyfit: {str(exc) or 'interrupted'}"))
        return INTERRUPTED
    if isinstance(exc, ManyfitError):
        _write(_wrapped(f"manyfit: {exc}"))
        return WRONG
    return _unexpected(exc)


def refuse(text: str) -> int:
    """Write *text* to stderr, as errors are, and return the exit code of a result that cannot be trusted."""
    _write(_wrapped(f"manyfit: {text}"))
    return BROKEN


def _facts(exc: BaseException) -> dict[str, object]:
    from manyfit.model.errors import SweepMistakes

    facts: dict[str, object] = {"kind": type(exc).__name__, "message": str(exc)}
    if isinstance(exc, SweepMistakes):
        facts["mistakes"] = [
            {"file": mistake.file, "key": mistake.key, "message": mistake.message} for mistake in exc.mistakes
        ]
    return facts


def _write(lines: Sequence[str]) -> None:
    sys.stdout.flush()
    sys.stderr.write("\n".join(lines) + "\n")


def _wrapped(text: str) -> list[str]:
    from manyfit.cli.output import terminal_width, wrap

    width = terminal_width(sys.stderr)
    return [line for part in text.splitlines() for line in wrap(part, width, indent="  ")]


def _mistakes(exc: "BaseException") -> list[str]:
    """Return all mistakes, those of each file under its name, keys and messages in columns."""
    from manyfit.model.errors import SweepMistakes
    from manyfit.report.texts import plural

    assert isinstance(exc, SweepMistakes)
    lines = []
    for file in dict.fromkeys(mistake.file for mistake in exc.mistakes):
        found = [mistake for mistake in exc.mistakes if mistake.file == file]
        name = _relative(file) if file else "the sweep"
        lines.append(f"{name} has {plural(len(found), 'mistake')}:")
        column = max(len(mistake.key) for mistake in found if len(mistake.key) <= LONGEST_KEY or len(found) == 1)
        for mistake in found:
            lines += _mistake(mistake.key, mistake.message, column)
    return [*lines, exc.then]


def _mistake(key: str, message: str, column: int) -> list[str]:
    from manyfit.cli.output import terminal_width, wrap

    margin = " " * (column + 4)
    width = max(len(margin) + 30, terminal_width(sys.stderr))
    if len(key) > column:
        return [f"  {key}", *wrap(margin + message, width, indent=margin)]
    return wrap(f"  {key.ljust(column)}  {message}", width, indent=margin)


def _relative(file: str) -> str:
    try:
        return str(Path(file).resolve().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return file


def _unexpected(exc: BaseException) -> int:
    if os.environ.get("MANYFIT_DEBUG"):
        traceback.print_exception(exc)
        return BROKEN
    from manyfit.model.errors import told

    said = told(type(exc).__name__, next(iter(str(exc).splitlines()), ""))
    _write(
        [
            *_wrapped(f"manyfit: unexpected {said}"),
            *_wrapped(
                "this is a mistake in manyfit; what was finished is kept."
                " The whole traceback: run it again with MANYFIT_DEBUG=1"
            ),
        ]
    )
    return BROKEN
