"""The page about errors: the tree, the classes of failures and the exit codes."""

import inspect

from generating.markdown import attribute_docs, code, page, prose, table, under
from manyfit.cli import errors as codes
from manyfit.model import errors, result
from manyfit.report.advice import ADVICE


def names() -> list[str]:
    """Return the names of all errors, in the order of the source."""
    found = [
        (inspect.getsourcelines(cls)[1], name)
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and issubclass(cls, errors.ManyfitError)
    ]
    return [name for _, name in sorted(found)]


def text() -> str:
    """Return the page."""
    tree, _, warning = (errors.__doc__ or "").partition("ManyfitError")[2].partition("\n\n")
    return page(
        "Errors and failures",
        _INTRODUCTION,
        f"```text\nManyfitError{tree.rstrip()}\n```",
        table(("error", "meaning"), [(code(name), prose(getattr(errors, name).__doc__)) for name in names()]),
        prose(warning),
        _exit_codes(),
        _failures(),
    )


def _exit_codes() -> str:
    rows = [
        (code(str(codes.OK)), "done"),
        (
            code(str(codes.BROKEN)),
            "an error that manyfit did not expect, a mistake in manyfit; or [an audit](../how-to/audit.md) found a"
            " score that fusion should not have changed, or [a check](../how-to/check-results.md) an error",
        ),
        (code(str(codes.WRONG)), "wrong use, or a mistake in the sweep; nothing was queued"),
        (code(str(codes.WITH_FAILURES)), "the sweep is complete, and some tasks failed"),
        (code(str(codes.INTERRUPTED)), "interrupted; nothing is lost"),
    ]
    return under("Exit codes of commands", table(("code", "meaning"), rows), _DEBUG)


def _failures() -> str:
    meanings = attribute_docs(result, "FailureClass")
    rows = [
        (code(cls.value), meanings[cls.name], "yes" if cls.retried else "no", ADVICE[cls])
        for cls in result.FailureClass
    ]
    return f"## Failures of tasks\n\n{_FAILURES}\n\n" + table(
        ("class", "meaning", "tried again", "what to do"), rows
    )


_INTRODUCTION = """
Every exception that manyfit raises on purpose is one of these. They live in `manyfit.model.errors`; the base
is also `manyfit.ManyfitError`. A message names the thing, the value that was found and the next step.
"""

_DEBUG = """
Errors go to stderr. With `--json` the same facts go to stdout as `{"error": {"kind": …, "message": …}}`. With
`MANYFIT_DEBUG=1` in the environment an unexpected error shows its whole traceback.
"""

_FAILURES = """
A task that fails does not end the sweep. Its failure has a class, which decides whether it is tried again by
itself (up to `limits.attempts`), and a fingerprint, which is equal for failures with the same cause. `manyfit
failures` groups by both. See [failures and retries](../how-to/failures.md).
"""
