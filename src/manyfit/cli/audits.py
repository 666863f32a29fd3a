"""Audits on the screen: how far one is, and its certificate."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from manyfit.cli.display import BAR_WIDEST, LINE_SECONDS
from manyfit.cli.output import Output
from manyfit.model.control import certificates, rules_off
from manyfit.model.shell import quoted
from manyfit.report.audits import headline, remarks, show_difference, verdict_text, why_off
from manyfit.report.texts import plural, show_duration

if TYPE_CHECKING:
    from manyfit.api.auditing import AuditLook
    from manyfit.contracts.store import Store
    from manyfit.model.audit import Audited, Certificate


class AuditDisplay(Protocol):
    """Shows how far an audit is; a context that leaves the screen tidy."""

    def __enter__(self) -> "AuditDisplay": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: "AuditLook") -> None:
        """Show the audit as it is now."""


def audit_display_for(out: Output) -> AuditDisplay:
    """Return the display that suits where *out* goes."""
    if out.quiet:
        return AuditLines(None)
    return AuditBar() if out.interactive else AuditLines(sys.stderr if out.as_json else sys.stdout)


class AuditLines:
    """Writes a line every ten seconds; nothing without a stream."""

    def __init__(self, stream: TextIO | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._last = clock()

    def __enter__(self) -> "AuditLines":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, look: "AuditLook") -> None:
        now = self._clock()
        if self._stream is None or now - self._last < LINE_SECONDS:
            return
        self._last = now
        self._stream.write(f"audit: {look.n_done:,} of {plural(look.n_total, 'task')}{_pace(look)}\n")
        self._stream.flush()


class AuditBar:
    """Redraws one line in place."""

    def __init__(self) -> None:
        from rich.live import Live

        self._live = Live(auto_refresh=False, transient=True)
        self._stack = ExitStack()

    def __enter__(self) -> "AuditBar":
        self._stack.enter_context(self._live)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def show(self, look: "AuditLook") -> None:
        from rich.text import Text

        self._live.update(Text(bar_line(look), no_wrap=True, overflow="crop"), refresh=True)


def bar_line(look: "AuditLook") -> str:
    """Return the one line of the live display."""
    full = int(BAR_WIDEST * look.n_done / max(1, look.n_total))
    bar = "█" * full + "░" * (BAR_WIDEST - full)
    return f" audit  {bar}   {look.n_done:,}/{look.n_total:,}{_pace(look)}"


def _pace(look: "AuditLook") -> str:
    if not look.n_done:
        return ", the runners start"
    left = "" if look.left_seconds is None else f", {show_duration(look.left_seconds)} left"
    return f", {look.rate:.1f} tasks/s{left}"


def show_certificate(out: Output, found: "Certificate") -> None:
    """Show what an audit found, rule by rule."""
    out.wrapped(headline(found))
    if not found.rules:
        return
    out.line()
    headers = ("rule", "promise", "results", "compared", "scores", "largest", "median", "verdict")
    out.table(headers, [_row(rule) for rule in found.rules], right=range(2, 7))
    for text in remarks(found):
        out.wrapped(text)
    out.line()
    libraries = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    out.wrapped(f"certified with {libraries}; seed {found.seed}")


def _row(rule: "Audited") -> tuple[str, ...]:
    return (
        rule.rule,
        rule.guarantee,
        f"{rule.n_fused:,}",
        f"{rule.n_tasks:,}",
        f"{rule.n_cells:,}",
        show_difference(rule.largest),
        show_difference(rule.median),
        verdict_text(rule),
    )


def certificate_facts(found: "Certificate") -> dict[str, Any]:
    """Return a certificate as JSON values."""
    rules = [
        {**asdict(rule), "verdict": rule.verdict.value, "example": rule.example or None} for rule in found.rules
    ]
    return {
        "passed": found.passed,
        "n_fused": found.n_fused,
        "n_tasks": found.n_tasks,
        "rules": rules,
        "off": list(found.off),
        "seed": found.seed,
        "versions": dict(found.versions),
    }


def why_doubtful(store: "Store", sweep: str) -> str:
    """Return what to know and to do about results that are doubtful; "" while none is."""
    off = sorted(rules_off(store.entries()))
    counts = _doubtful_counts(store) if off else {}
    return why_off(off, counts, quoted(sweep)) if counts else ""


def _doubtful_counts(store: "Store") -> Mapping[str, int]:
    from manyfit.report.fused import doubtful_counts

    return doubtful_counts(store)


def audit_lines(store: "Store", sweep: str) -> Iterator[str]:
    """Yield what the last audit found, and what to do about rules that are off."""
    entries = store.entries()
    for certificate in certificates(entries)[-1:]:
        yield headline(certificate)
    if off := sorted(rules_off(entries)):
        yield why_off(off, _doubtful_counts(store), quoted(sweep))


def audit_facts(store: "Store") -> dict[str, Any]:
    """Return the last certificate (null before the first), and doubtful results by the rule that is off."""
    entries = store.entries()
    found, off = certificates(entries), rules_off(entries)
    doubtful = _doubtful_counts(store) if off else {}
    return {
        "audit": certificate_facts(found[-1]) if found else None,
        "doubtful": {rule: doubtful.get(rule, 0) for rule in sorted(off)},
    }
