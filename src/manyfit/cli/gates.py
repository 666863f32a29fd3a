"""Verdicts of gates in a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from manyfit.cli.output import Output
from manyfit.report.texts import plural

if TYPE_CHECKING:
    from manyfit.report.gates import Facts, Verdict

PASSED, FAILED = "passed", "FAILED"


def show_judgement(out: Output, facts: "Facts", verdicts: "Sequence[Verdict]") -> None:
    """Show one line for each verdict, what failed once more with its reason, and the outcome."""
    out.wrapped(f"model     {facts.model}", indent=" " * 10)
    if facts.champion:
        out.wrapped(f"champion  {facts.champion}", indent=" " * 10)
    out.wrapped(f"data      {facts.data}, {plural(facts.n_rows, 'row')}", indent=" " * 10)
    out.line()
    rows = [_row(verdict) for verdict in verdicts]
    out.table(["", "gate", "wanted", "measured"], rows)
    out.line()
    for verdict in verdicts:
        if verdict.says and (not verdict.passed or verdict.kind.value in ("champion", "latency")):
            out.wrapped(f"{verdict.what}: {verdict.says}")
    n_failed = sum(not verdict.passed for verdict in verdicts)
    if n_failed:
        out.line(f"failed: {n_failed} of {plural(len(verdicts), 'gate')}")
    else:
        out.line(f"passed: {plural(len(verdicts), 'gate')}")


def _row(verdict: "Verdict") -> list[str]:
    return [PASSED if verdict.passed else FAILED, verdict.what, verdict.wanted, verdict.measured]
