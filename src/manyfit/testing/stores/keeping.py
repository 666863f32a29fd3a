"""Laws of kept files."""

import hashlib

import pytest

from manyfit.contracts.store import Store
from manyfit.model.errors import NotFound, Refused
from manyfit.testing.stores.acting import add, claimed
from manyfit.testing.stores.builders import end, line, segment

MODEL = "artifacts/ab/abcdef"


class ArtifactSuite:
    """Laws of kept files."""

    def test_what_was_put_can_be_read(self, store: Store, other: Store) -> None:
        """By every handle, whole or in part; what lies behind the end is empty."""
        content = bytes(range(256)) * 5000
        store.artifacts.put(MODEL, content)

        assert other.artifacts.read(MODEL) == content
        assert other.artifacts.read(MODEL, 1000) == content[1000:]
        assert other.artifacts.read(MODEL, 1000, 70_000) == content[1000:71_000]
        assert other.artifacts.read(MODEL, len(content) - 3, 100) == content[-3:]
        assert other.artifacts.read(MODEL, len(content)) == b""
        assert other.artifacts.read(MODEL, 5, 0) == b""

    def test_putting_again_is_harmless(self, store: Store, other: Store) -> None:
        """The same content under the same name is one file."""
        store.artifacts.put(MODEL, b"model")
        other.artifacts.put(MODEL, b"model")
        store.artifacts.put(MODEL, b"model")

        assert [(file.name, file.n_bytes) for file in other.artifacts.files()] == [(MODEL, 5)]

    def test_another_content_is_refused(self, store: Store, other: Store) -> None:
        """What results refer to never changes under them."""
        store.artifacts.put(MODEL, b"model")

        for content in (b"another", b"", b"mode", b"model and more"):
            with pytest.raises(Refused):
                other.artifacts.put(MODEL, content)

        assert store.artifacts.read(MODEL) == b"model"

    def test_an_empty_file_is_a_file(self, store: Store, other: Store) -> None:
        """Nothing can be kept too."""
        store.artifacts.put(MODEL, b"")

        assert other.artifacts.read(MODEL) == b""
        assert [file.n_bytes for file in other.artifacts.files()] == [0]

    def test_kept_files_are_listed(self, store: Store, other: Store) -> None:
        """Each with its name and size, and since when it is there."""
        sizes = {MODEL: 10, "artifacts/predictions/w-1.pack": 20_000, "artifacts/top": 0}
        for name, n_bytes in sizes.items():
            store.artifacts.put(name, b"x" * n_bytes)

        found = list(other.artifacts.files())

        assert {file.name: file.n_bytes for file in found} == sizes
        assert all(file.stored_at > 0 for file in found)
        assert found == list(store.artifacts.files())

    def test_a_file_that_is_not_there_is_not_found(self, store: Store) -> None:
        """Neither before it was put nor after it was removed."""
        with pytest.raises(NotFound):
            store.artifacts.read(MODEL)
        assert list(store.artifacts.files()) == []

        store.artifacts.put(MODEL, b"model")
        store.artifacts.remove([MODEL])

        with pytest.raises(NotFound):
            store.artifacts.read(MODEL)

    def test_removed_files_are_gone(self, store: Store, other: Store) -> None:
        """Those that are named and no others; removing again does not matter, nor does putting again."""
        names = [f"artifacts/{n}{n}/{n}" for n in "abc"]
        for name in names:
            store.artifacts.put(name, name.encode())

        other.artifacts.remove([names[0], names[2], "artifacts/never/was"])
        other.artifacts.remove(names[2:])

        assert [file.name for file in store.artifacts.files()] == [names[1]]
        store.artifacts.put(names[0], b"another content")
        assert other.artifacts.read(names[0]) == b"another content"

    def test_what_a_result_names_is_there(self, store: Store, other: Store) -> None:
        """A file that was put before its result was recorded can be read once the result is accepted."""
        add(store, segment([1]))
        lease = claimed(store)
        content = b"weights" * 1000
        store.artifacts.put(MODEL, content)
        store.record(lease, line(0))
        store.complete(lease, end(lease, "d"))

        assert [block.unit for block in other.accepted()] == [lease.unit]
        read = other.artifacts.read(MODEL)
        assert hashlib.sha256(read).digest() == hashlib.sha256(content).digest()

    def test_files_of_runners_are_kept_files(self, store: Store, other: Store) -> None:
        """Where there is a folder, what runners write into it is kept like everything else."""
        folder = store.artifacts.folder
        if folder is None:
            return
        (folder / "cd").mkdir(parents=True)
        (folder / "cd" / "written").write_bytes(b"by a runner")
        (folder / "cd" / ".unfinished").write_bytes(b"by a runn")

        assert other.artifacts.read("artifacts/cd/written") == b"by a runner"
        assert [file.name for file in other.artifacts.files()] == ["artifacts/cd/written"]
        store.artifacts.put("artifacts/cd/written", b"by a runner")
        with pytest.raises(Refused):
            store.artifacts.put("artifacts/cd/written", b"by another")
        store.artifacts.remove(["artifacts/cd/written"])
        assert list(other.artifacts.files()) == []
