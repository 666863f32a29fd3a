"""Under which conditions the units of a sweep are claimed: priority, limits of concurrency, needs."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from manyfit.model.worker import WorkerInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """
    What a worker has to offer to be given a task.

    `cores` are the threads that the worker may use, `memory_bytes` that of its host, `gpus` how many
    GPUs it sees with at least `gpu_memory_bytes` each. `hosts` are shell-style patterns, one of which
    its host's name has to match (none: any host). `labels` must all be among the worker's.
    """

    cores: int = 0
    memory_bytes: int = 0
    gpus: int = 0
    gpu_memory_bytes: int = 0
    hosts: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def unmet(self, worker: WorkerInfo | None) -> tuple[str, ...]:
        """
        Say in words what *worker* lacks; nothing when it may run the task.

        One that never registered (None) offers nothing.
        """
        if self == Needs():
            return ()
        if worker is None:
            return ("the worker did not say what it offers",)
        return tuple(self._unmet(worker))

    def _unmet(self, worker: WorkerInfo) -> Iterator[str]:
        if worker.threads < self.cores:
            yield f"needs {self.cores} cores, the worker may use {worker.threads}"
        if worker.memory_bytes < self.memory_bytes:
            yield f"needs {_gib(self.memory_bytes)} of memory, the host has {_gib(worker.memory_bytes)}"
        fitting = [n_bytes for n_bytes in worker.gpu_bytes if n_bytes >= self.gpu_memory_bytes]
        if len(fitting) < max(self.gpus, int(self.gpu_memory_bytes > 0)):
            of = f" of {_gib(self.gpu_memory_bytes)}" if self.gpu_memory_bytes else ""
            found = ", ".join(map(_gib, worker.gpu_bytes)) or "none"
            yield f"needs {max(1, self.gpus)} GPU{of}, the host has {found}"
        if self.hosts and not any(fnmatch.fnmatchcase(worker.host, pattern) for pattern in self.hosts):
            yield f"needs a host like {' or '.join(self.hosts)}, this one is {worker.host}"
        if missing := sorted(set(self.labels) - set(worker.labels)):
            yield f"needs the label {' and '.join(missing)}, the worker has {', '.join(worker.labels) or 'none'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Concurrency:
    """
    How many leases may be open at once: of the sweep, of each named pipeline, of the tenant. None: any number.

    The tenant's limit counts the open leases of all sweeps of the same tenant in one store.
    """

    sweep: int | None = None
    tenant: int | None = None
    pipelines: Mapping[str, int] = field(default_factory=dict)

    @property
    def limited(self) -> bool:
        """Whether anything is limited at all."""
        return self.sweep is not None or self.tenant is not None or bool(self.pipelines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """
    The conditions of claiming.

    `priority` None leaves each segment the one it was submitted with. `needs` are by pipeline; those
    under "" hold for every pipeline that has none of its own.
    """

    priority: int | None = None
    tenant: str = ""
    concurrency: Concurrency = Concurrency()
    needs: Mapping[str, Needs] = field(default_factory=dict)

    def needs_of(self, pipeline: str) -> Needs:
        """Return what a worker needs for the tasks of *pipeline*."""
        return self.needs.get(pipeline, self.needs.get("", NO_NEEDS))


NO_NEEDS = Needs()


def terms_to_json(terms: Terms) -> dict[str, Any]:
    """Return terms as JSON values."""
    return asdict(terms)


def terms_from_json(value: Mapping[str, Any]) -> Terms:
    """Return the terms that `terms_to_json` wrote."""
    needs = {
        name: Needs(**{**some, "hosts": tuple(some["hosts"]), "labels": tuple(some["labels"])})
        for name, some in value["needs"].items()
    }
    return Terms(
        priority=value["priority"],
        tenant=value["tenant"],
        concurrency=Concurrency(**value["concurrency"]),
        needs=needs,
    )


def _gib(n_bytes: int) -> str:
    return f"{n_bytes / 2**30:.3g} GiB"
