"""Where results come from: versions, data, plan, audit, and what is in doubt."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.audit import Certificate
from manyfit.model.control import AddSegment, certificates, rules_off
from manyfit.model.segment import SegmentHeader
from manyfit.report.fused import doubtful_counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One segment of the plan: its id, tasks in all, those that were new, and when it was submitted."""

    segment: str
    n_tasks: int
    n_new: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """
    What is known of how the results came to be.

    `text` is the sweep file ("": only its normal form is known). `hosts` and `releases` are those of all
    workers that ever registered. `environment` is what the store says of the places where the fits ran.
    `off` are fusion rules that an audit switched off, with how many of their results are left.
    """

    url: str
    text: str
    folder: str
    fingerprints: Mapping[str, str]
    submissions: Sequence[Submission]
    hosts: Sequence[str]
    releases: Sequence[str]
    began_at: datetime | None
    ended_at: datetime | None
    certificate: Certificate | None = None
    off: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def origin_of(
    store: Store, header: SegmentHeader, results: pl.LazyFrame, *, text: str, environment: Mapping[str, str]
) -> Origin:
    """Return the origin of the results of *store*; *text* is its sweep file."""
    entries = store.entries()
    workers = [view.info for view in store.snapshot().workers]
    times = results.select(pl.col("finished_at").min().alias("first"), pl.col("finished_at").max().alias("last"))
    first, last = times.collect(engine="streaming").row(0)
    audits = certificates(entries)
    counts = doubtful_counts(store)
    return Origin(
        url=without_password(store.url),
        text=text,
        folder=header.folder,
        fingerprints=dict(sorted(header.fingerprints.items())),
        submissions=_submissions(entries),
        hosts=sorted({worker.host for worker in workers}),
        releases=sorted({worker.version for worker in workers}),
        began_at=first,
        ended_at=last,
        certificate=audits[-1] if audits else None,
        off={rule: counts.get(rule, 0) for rule in sorted(rules_off(entries))},
        environment=dict(environment),
    )


def without_password(url: str) -> str:
    """Return *url* without a password in it: reports are shown to others."""
    return re.sub(r"(?<=://)([^/@:]*):[^/@]*@", r"\1@", url)


def _submissions(entries: Sequence[Any]) -> list[Submission]:
    found = {}
    for entry in entries:
        action = entry.action
        if isinstance(action, AddSegment) and action.segment not in found:
            at = datetime.fromtimestamp(entry.at, tz=UTC)
            found[action.segment] = Submission(
                segment=action.segment, n_tasks=action.n_tasks, n_new=action.n_new, at=at
            )
    return list(found.values())
