"""The last part of the page: failures, timings and where everything comes from."""

import json
from collections.abc import Iterator, Sequence

from manyfit.report.audits import verdict_text
from manyfit.report.insights.comparing import Timing
from manyfit.report.insights.contents import Contents
from manyfit.report.insights.origin import Origin
from manyfit.report.pages.markup import Html, Part, element, facts, folded, joined, paragraph, table
from manyfit.report.texts import show_bytes, show_count, show_duration, show_instant, show_key, show_number

LONGEST = 400
MOST_WARNINGS = 20


def failures(found: Contents) -> Html:
    """Return failed tasks by cause, and what fits warned about."""
    parts: list[Part] = []
    if not found.failures:
        parts.append(paragraph("No task failed."))
    else:
        rows = [
            [
                show_count(group.count),
                group.cls.value,
                ", ".join(group.pipelines),
                _cut(group.what),
                _cut(group.do),
                element("code", show_key(group.key)),
            ]
            for group in found.failures
        ]
        parts.append(table(("tasks", "class", "pipelines", "an example", "what to do", "task"), rows, right=[0]))
    if found.warnings:
        rows = [
            [show_count(one.n_tasks), one.pipeline, one.category, _cut(one.text)]
            for one in found.warnings[:MOST_WARNINGS]
        ]
        shown = table(("tasks", "pipeline", "category", "warning (# is any number)"), rows, right=[0])
        parts.append(folded(f"Warnings of fits: {len(found.warnings):,} kinds", shown))
    return joined(parts)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def timings(found: Sequence[Timing], plot: Html | None) -> Html:
    """Return what each pipeline took."""
    rows = [
        [
            one.pipeline,
            show_count(one.n_tasks),
            show_count(one.n_fused),
            show_duration(one.fit_seconds),
            show_duration(one.median_seconds),
            show_duration(one.longest_seconds),
            show_duration(one.other_seconds),
            show_bytes(one.peak_bytes),
        ]
        for one in found
    ]
    headers = ("pipeline", "done", "fused", "fits", "median fit", "longest", "load, predict, score", "peak memory")
    note = paragraph(
        "Seconds are those of the tasks, whatever the number of workers. Fused tasks were computed together with"
        " others; the time that they took together is divided among them.",
        kind="quiet",
    )
    return joined([*([plot] if plot else []), table(headers, rows, right=range(1, 8)), note])


def origin(found: Contents) -> Html:
    """Return versions, data, plan, audit and the sweep file."""
    known = found.origin
    parts: list[Part] = [facts(_origin_facts(known)), _plan(known), *_audit(known)]
    spec = json.dumps(found.spec, indent=2, ensure_ascii=False, sort_keys=True)
    if known.text:
        parts.append(folded("The sweep file", element("pre", known.text)))
    parts.append(folded("The sweep in its normal form", element("pre", spec)))
    return joined(parts)


def _origin_facts(known: Origin) -> Iterator[tuple[str, Part]]:
    yield "store", element("code", known.url)
    yield "folder of the sweep file", element("code", known.folder)
    if known.began_at is not None and known.ended_at is not None:
        yield "results from", f"{show_instant(known.began_at)} to {show_instant(known.ended_at)}"
    if known.hosts:
        yield "hosts", ", ".join(known.hosts)
    if known.releases:
        yield "workers' version", ", ".join(f"manyfit {one}" for one in known.releases)
    yield from known.environment.items()
    for variant, fingerprint in known.fingerprints.items():
        yield f"data fingerprint{f' ({variant})' if variant else ''}", element("code", fingerprint)


def _plan(known: Origin) -> Html:
    rows: list[list[Part]] = [
        [
            element("code", show_key(one.segment)),
            show_instant(one.at),
            show_count(one.n_tasks),
            show_count(one.n_new),
        ]
        for one in known.submissions
    ]
    title = element("h3", "Plan")
    return joined([title, table(("segment", "submitted", "tasks", "new ones"), rows, right=(2, 3))])


def _audit(known: Origin) -> Iterator[Html]:
    yield element("h3", "Audit of fused results")
    if known.certificate is None:
        yield paragraph("There was none.")
        return
    rows = [
        [
            rule.rule,
            rule.guarantee,
            show_count(rule.n_fused),
            show_count(rule.n_tasks),
            show_count(rule.n_cells),
            show_number(rule.largest),
            verdict_text(rule),
        ]
        for rule in known.certificate.rules
    ]
    headers = ("rule", "guarantee", "fused", "compared", "scores", "largest difference", "verdict")
    yield table(headers, rows, right=(2, 3, 4, 5)) if rows else paragraph("Nothing was fused.")
    libraries = ", ".join(f"{name} {version}" for name, version in known.certificate.versions.items())
    yield paragraph(f"Fitted again alone with {libraries}; seed {known.certificate.seed}.", kind="quiet")
    if known.off:
        doubtful = ", ".join(f"{rule} ({n:,} results)" for rule, n in known.off.items())
        yield paragraph(f"Doubtful: rules that an audit switched off: {doubtful}", kind="warn")
