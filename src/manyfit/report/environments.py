"""With which versions of libraries the results of a sweep were made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from manyfit.contracts.store import Store
from manyfit.report.frames import load_results
from manyfit.report.lines import COLUMNS

_READ = frozenset({"key", "generation", "final", "worker"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Results that were made with the same versions. `libraries` is empty where their workers did not tell."""

    libraries: Mapping[str, str]
    n_results: int
    hosts: tuple[str, ...]


def environments(store: Store) -> Sequence[Made]:
    """Return what the results that count were made with, the versions of most results first."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    counts = frame.group_by("worker").agg(pl.len().alias("n")).collect(engine="streaming")
    infos = {view.info.id: view.info for view in store.snapshot().workers}
    found: dict[tuple[tuple[str, str], ...], list[tuple[int, str]]] = {}
    for worker, n in counts.sort("worker").iter_rows():
        info = infos.get(worker)
        key = tuple(sorted(info.libraries.items())) if info else ()
        found.setdefault(key, []).append((n, info.host if info else ""))
    made = [
        Made(
            libraries=dict(key),
            n_results=sum(n for n, _ in parts),
            hosts=tuple(sorted({host for _, host in parts if host})),
        )
        for key, parts in found.items()
    ]
    return sorted(made, key=lambda one: -one.n_results)


def differing(made: Sequence[Made]) -> Mapping[str, tuple[str, ...]]:
    """Return the libraries of which results were made with several versions, and these."""
    told = [one.libraries for one in made if one.libraries]
    names = sorted({name for one in told for name in one})
    versions = {name: tuple(dict.fromkeys(one.get(name, "absent") for one in told)) for name in names}
    return {name: found for name, found in versions.items() if len(found) > 1}


def libraries_of(store: Store, worker: str) -> Mapping[str, str]:
    """Return the versions that a worker has told; nothing where it told none."""
    infos = (view.info for view in store.snapshot().workers)
    return next((info.libraries for info in infos if info.id == worker), {})
