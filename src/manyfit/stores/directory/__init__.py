"""The directory store: a durable queue in a folder, without server, lock or clock."""

from manyfit.stores.directory.store import DirectoryStore

__all__ = ["DirectoryStore"]
