"""What a worker offers, against what a pipeline needs."""

import fnmatch
from collections.abc import Iterator

from manyfit.testing.independent.shapes import Json


def unmet(needs: Json, worker: Json | None) -> list[str]:
    """Return what *worker*, as it registered (None: it did not), lacks of *needs*."""
    if not any(needs.values()):
        return []
    return ["a registration"] if worker is None else list(_lacking(needs, worker))


def _lacking(needs: Json, worker: Json) -> Iterator[str]:
    if worker["threads"] < needs.get("cores", 0):
        yield "cores"
    if worker["memory_bytes"] < needs.get("memory_bytes", 0):
        yield "memory"
    least = needs.get("gpu_memory_bytes", 0)
    n_gpus = needs.get("gpus", 0) or (1 if least else 0)
    if len([size for size in worker.get("gpu_bytes", ()) if size >= least]) < n_gpus:
        yield "GPUs"
    hosts = needs.get("hosts", ())
    if hosts and not any(fnmatch.fnmatchcase(worker["host"], pattern) for pattern in hosts):
        yield "another host"
    if set(needs.get("labels", ())) - set(worker.get("labels", ())):
        yield "labels"
