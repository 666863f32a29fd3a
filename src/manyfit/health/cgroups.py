"""What a control group grants this process: processors, memory, and whether it may make groups of its own."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from manyfit.health.mounts import Mount, parse

_UNLIMITED = 1 << 60
"""Version 1 writes "no limit" as a number near 2^63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """
    The control group of this process: the tightest limits of it and of all above it.

    `version` is 0 where there are none. `delegated` says whether this process may make groups below its own
    in which the kernel keeps a limit of memory.
    """

    version: int = 0
    cpus: float | None = None
    memory_bytes: int | None = None
    delegated: bool = False


def own_group(root: Path = Path("/")) -> Group:
    """Return the group of this process. *root* is where /proc and /sys are."""
    mounts = parse(_text(root / "proc/self/mountinfo") or "")
    places = dict(_places(_text(root / "proc/self/cgroup") or ""))
    cpus, memory = [], []
    folder = _folder(mounts, root, "cgroup2", "", places.get("", ""))
    for place in _upwards(folder, root):
        cpus += _ratio(*(_text(place / "cpu.max") or "").partition(" ")[::2])
        memory += _limit(_text(place / "memory.max"))
    # the first version may be there as well, with the controllers that the second lacks
    for place in _upwards(_folder(mounts, root, "cgroup", "cpu", places.get("cpu", "")), root):
        cpus += _ratio(_text(place / "cpu.cfs_quota_us") or "", _text(place / "cpu.cfs_period_us") or "")
    for place in _upwards(_folder(mounts, root, "cgroup", "memory", places.get("memory", "")), root):
        memory += _limit(_text(place / "memory.limit_in_bytes"))
    second = folder is not None and "memory" in _controllers(folder)
    return Group(
        version=2 if second else 1 if places else 0,
        cpus=min(cpus, default=None),
        memory_bytes=min(memory, default=None),
        delegated=folder is not None and second and _is_ours(folder),
    )


def _places(text: str) -> Iterator[tuple[str, str]]:
    """Yield each controller ("" for version 2) with the path of the group."""
    for line in text.splitlines():
        if line.count(":") < 2:
            continue
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _folder(mounts: list[Mount], root: Path, kind: str, controller: str, path: str) -> Path | None:
    for mount in mounts:
        if mount.type == kind and (not controller or controller in mount.options):
            point = root / mount.point.lstrip("/")
            own = point / path.lstrip("/")
            return own if own.is_dir() else point if point.is_dir() else None
    return None


def _ratio(quota: str, period: str) -> list[float]:
    return [int(quota) / int(period)] if quota.isdigit() and period.isdigit() and int(period) else []


def _limit(text: str | None) -> list[int]:
    return [int(text)] if text and text.isdigit() and int(text) < _UNLIMITED else []


def _controllers(folder: Path) -> list[str]:
    return (_text(folder / "cgroup.controllers") or "").split()


def _is_ours(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / "cgroup.procs", os.W_OK)


def _upwards(folder: Path | None, root: Path) -> Iterator[Path]:
    """Yield *folder* and all groups above it."""
    top = root / "sys/fs/cgroup"
    while folder is not None and folder.is_relative_to(top):
        yield folder
        folder = folder.parent


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
