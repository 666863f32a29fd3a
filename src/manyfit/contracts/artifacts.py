"""The ArtifactStore protocol: kept models and predictions of one sweep."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

VERIFICATIONS = "artifacts/verifications/"
"""Begins the names of verifications, which no result refers to: they stay as long as their sweep."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """One kept file: its name as results give it, its size, and when it was stored (seconds, store's clock)."""

    name: str
    n_bytes: int
    stored_at: float


class ArtifactStore(Protocol):
    """
    Files that results refer to, by names that begin with "artifacts/".

    `folder` is the folder that holds them as files, into which runners may write by themselves; None
    where there is no such folder: runners write to a folder of their worker, which puts the files here
    before it records the result that names them.
    """

    folder: Path | None

    def put(self, name: str, content: bytes) -> None:
        """Make *content* durable under *name*. The same again is harmless, another content raises `Refused`."""

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        """Return *length* bytes (None: all) from *offset*. Raises `NotFound`."""

    def files(self) -> Iterator[ArtifactFile]:
        """Yield every kept file."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; those that are gone already do not matter."""
