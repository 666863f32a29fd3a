"""The conditions of claiming: what a declaration puts in force, and what a machine cannot meet."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from manyfit.model.segment import SegmentHeader
from manyfit.model.terms import Concurrency, Terms, terms_from_json
from manyfit.model.worker import WorkerInfo


def declared_terms(header: SegmentHeader) -> Terms:
    """Return the terms that the sweep of *header* declares; headers of earlier versions declare few."""
    spec = header.spec
    return terms_from_json(
        {
            "priority": header.priority,
            "tenant": spec.get("tenant", ""),
            "concurrency": spec.get("concurrency", {}),
            "needs": spec.get("needs", {}),
        }
    )


def with_old_names(terms: Terms, renamed: Mapping[str, str]) -> Terms:
    """
    Return *terms* for the old names of pipelines as well; *renamed* maps new names to old ones.

    Known tasks of a renamed pipeline keep its old name in the store.
    """
    limits, needs = dict(terms.concurrency.pipelines), dict(terms.needs)
    for new, old in renamed.items():
        if new in limits:
            limits.setdefault(old, limits[new])
        if new in needs:
            needs.setdefault(old, needs[new])
    return replace(terms, concurrency=replace(terms.concurrency, pipelines=limits), needs=needs)


def merged_terms(in_force: Terms, before: Terms | None, declared: Terms) -> Terms:
    """
    Return the terms that are in force once a declaration is submitted.

    *before* is what the previous submission declared, None for the first one. A priority or a limit of
    concurrency is put in force when the declaration changed it since then; what a person set by command
    stays until the declaration says something new. Tenant and needs are always those of the declaration.
    A first declaration holds as it is: its priority stands in its segments.
    """
    if before is None:
        return replace(declared, priority=None)
    changed = declared.priority != before.priority
    return Terms(
        priority=declared.priority if changed else in_force.priority,
        tenant=declared.tenant,
        concurrency=_merged_limits(in_force.concurrency, before.concurrency, declared.concurrency),
        needs=declared.needs,
    )


def _merged_limits(in_force: Concurrency, before: Concurrency, declared: Concurrency) -> Concurrency:
    pipelines = dict(in_force.pipelines)
    for name in before.pipelines.keys() | declared.pipelines.keys():
        limit = declared.pipelines.get(name)
        if limit == before.pipelines.get(name):
            continue
        if limit is None:
            pipelines.pop(name, None)
        else:
            pipelines[name] = limit
    return Concurrency(
        sweep=declared.sweep if declared.sweep != before.sweep else in_force.sweep,
        tenant=declared.tenant if declared.tenant != before.tenant else in_force.tenant,
        pipelines=dict(sorted(pipelines.items())),
    )


def unmet_here(terms: Terms, worker: WorkerInfo, pipelines: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """
    Return those of *pipelines* whose tasks *worker* is never given, with what it lacks, in words.

    Ask it before workers are started here, with the pipelines that have tasks left: when it returns all
    of them, workers of this kind would wait for ever.
    """
    found = {name: terms.needs_of(name).unmet(worker) for name in pipelines}
    return {name: lacking for name, lacking in found.items() if lacking}
