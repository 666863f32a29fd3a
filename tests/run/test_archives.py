"""Archive files: every flipped bit is found, and nothing hostile gets in."""

import contextlib
import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyfit.model.errors import StoreCorrupt
from manyfit.run import archives
from manyfit.run.archives import MANIFEST, Archive, looks_like_archive, unpack, write_archive

CONTENT = {
    "store/manyfit.json": b'{"format": 1}\n',
    "store/log/a-1.log": b'{"index":0}\n' * 300,
    "store/base/x.parquet": bytes(range(256)) * 3,
    "export/runs.csv": "key,é\r\n".encode(),
    "sweep.json": b"{}",
}
COUNTS = {"planned": 2, "done": 2}


def made(folder: Path, content: dict[str, bytes] = CONTENT) -> Path:
    """Write an archive of *content*."""
    files = []
    for n, (name, body) in enumerate(content.items()):
        (folder / f"{n}").write_bytes(body)
        files.append((name, folder / f"{n}"))
    path = folder / "a.zip"
    path.unlink(missing_ok=True)
    write_archive(path, files, sweep="s", counts=COUNTS, facts={"n_runs": 2})
    return path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return made(tmp_path_factory.mktemp("whole")).read_bytes()


def read_all(path: Path) -> dict[str, bytes]:
    with Archive(path) as archive:
        list(archive.verify())
        return {entry.name: archive.read(entry.name) for entry in archive.manifest.entries}


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    """Every entry with its bytes, the counts and the facts; the same files give the same archive."""
    path = made(tmp_path)
    assert read_all(path) == CONTENT
    with Archive(path) as archive:
        assert (archive.manifest.sweep, dict(archive.manifest.counts)) == ("s", COUNTS)
        assert archive.manifest.facts == {"n_runs": 2}
        (tmp_path / "out").mkdir()
        assert unpack(archive, "store", tmp_path / "out") == 3
    assert (tmp_path / "out/log/a-1.log").read_bytes() == CONTENT["store/log/a-1.log"]
    assert path.read_bytes() == made(tmp_path).read_bytes()
    assert zipfile.ZipFile(path).testzip() is None, "any program reads it"


def test_a_very_regular_file_is_no_bomb(tmp_path: Path) -> None:
    """What would be out of proportion when packed is stored as it is."""
    content = {"store/log/zeros.log": bytes(archives.FREE_BYTES + (32 << 20))}
    path = made(tmp_path, content)
    assert path.stat().st_size > archives.FREE_BYTES
    with Archive(path) as archive:
        assert [entry.n_bytes for entry in archive.verify()] == [len(content["store/log/zeros.log"])]


@settings(max_examples=300)
@given(at=st.integers(0, 1 << 30), bit=st.integers(0, 7))
def test_every_flipped_bit_is_found(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    """Wherever it is: in a file, in the manifest, between entries, in the checksum itself."""
    broken = bytearray(whole)
    broken[at % len(whole)] ^= 1 << bit
    path = tmp_path_factory.getbasetemp() / "flipped.zip"
    path.write_bytes(broken)
    with pytest.raises(StoreCorrupt, match="not a whole archive"):
        read_all(path)


@settings(max_examples=60)
@given(length=st.integers(0, 1 << 30), more=st.binary(max_size=40))
def test_every_cut_and_every_tail_is_found(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, length: int, more: bytes
) -> None:
    """An archive that was cut off, or that something was written behind."""
    path = tmp_path_factory.getbasetemp() / "cut.zip"
    path.write_bytes(whole[: length % len(whole)] + more)
    with pytest.raises(StoreCorrupt):
        read_all(path)
    if more:
        path.write_bytes(whole + more)
        with pytest.raises(StoreCorrupt):
            read_all(path)


# -- archives that somebody made on purpose: all checksums are right ---------------------------------


Entry = tuple[str, bytes, dict[str, Any]]


def forged(path: Path, parts: Sequence[Entry], *, listed: Sequence[str] | None = None, **changes: Any) -> Path:
    """Write an archive with right checksums of these entries, whatever they are."""
    names = [name for name, *_ in parts] if listed is None else listed
    content = {name: body for name, body, _ in parts}
    manifest = {
        "format": archives.FORMAT,
        "version": 1,
        "sweep": "s",
        "counts": COUNTS,
        "facts": {},
        "entries": [
            {"name": name, "n_bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
            for name, body in ((name, content.get(name, b"")) for name in names)
        ],
        **changes,
    }
    buffer = io.BytesIO()
    with (
        pytest.warns(UserWarning, match="Duplicate") if _twice(names) else contextlib.nullcontext(),
        zipfile.ZipFile(buffer, "w") as file,
    ):
        for name, body, attributes in [*parts, (MANIFEST, json.dumps(manifest).encode(), {})]:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o600) << 16
            info.create_system = 3
            for key, value in attributes.items():
                setattr(info, key, value)
            file.writestr(info, body)
        file.comment = archives.TRAILER + b"0" * archives.N_HEX
    return sealed(path, buffer.getvalue())


def sealed(path: Path, content: bytes) -> Path:
    body = content[: -archives.N_HEX]
    path.write_bytes(body + hashlib.sha256(body).hexdigest().encode())
    return path


def _twice(names: Sequence[str]) -> bool:
    return len(set(names)) < len(names)


def refused(path: Path, why: str) -> None:
    with pytest.raises(StoreCorrupt, match=why):
        read_all(path)


def test_a_forged_archive_of_plain_files_is_read(tmp_path: Path) -> None:
    """The forger makes what is accepted, so that the refusals below have the reason that they name."""
    assert read_all(forged(tmp_path / "a.zip", [("store/a", b"x", {})])) == {"store/a": b"x"}


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "store/../../a",
        "/etc/passwd",
        "store//a",
        "store/./a",
        "store/",
        "store",
        "other/a",
        "C:/a",
        "store/a\\..\\b",
        "store/a\nb",
        "store/a.",
        "store/a ",
        "store/" + "a" * 300,
        "store/" + "a/" * 600 + "a",
        "~/a",
    ],
)
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """Nothing outside of the folders that an archive has, nothing that another system reads otherwise."""
    refused(forged(tmp_path / "a.zip", [(name, b"x", {})]), "no name that an archive has|is no plain file")


@pytest.mark.parametrize(
    "attributes",
    [
        {"external_attr": (stat.S_IFLNK | 0o777) << 16},
        {"external_attr": (stat.S_IFDIR | 0o755) << 16},
        {"external_attr": (stat.S_IFIFO | 0o600) << 16},
        {"external_attr": (stat.S_IFREG | 0o4755) << 16},
        {"create_system": 0},
    ],
)
def test_links_folders_and_devices_are_refused(tmp_path: Path, attributes: dict[str, Any]) -> None:
    """Plain files only, with plain rights."""
    refused(forged(tmp_path / "a.zip", [("store/a", b"x", attributes)]), "is no plain file")


@pytest.mark.parametrize(
    "names",
    [
        ("store/a", "store/a"),
        ("store/a", "store/A"),
        ("store/é", "store/e\u0301"),
        ("store/straße", "store/STRASSE"),
        ("store/a", "store/a/b"),
    ],
)
def test_names_that_are_one_file_somewhere_are_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    """Twice the same, differing in case or in how an accent is written, or a file that is a folder as well."""
    entries: list[Entry] = [(name, b"x", {}) for name in names]
    refused(forged(tmp_path / "a.zip", entries), "would be one file|a file and a folder")


def test_bombs_are_refused_before_they_are_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file with far too much in it; and one that says less than it holds."""
    monkeypatch.setattr(archives, "FREE_BYTES", 1000)
    zeros: Entry = ("store/a", bytes(10 << 20), {"compress_type": zipfile.ZIP_DEFLATED})
    refused(forged(tmp_path / "a.zip", [zeros]), "out of all proportion")


def test_an_entry_that_holds_more_than_it_says_is_refused(tmp_path: Path) -> None:
    """Sizes in the manifest, in the directory of the zip file and in the data have to agree."""
    path = forged(tmp_path / "a.zip", [("store/a", b"x" * 100, {})])
    content = path.read_bytes()
    lying = content.replace((100).to_bytes(4, "little"), (99).to_bytes(4, "little"))
    assert lying != content
    refused(sealed(path, lying), "not a whole archive")


def test_entries_that_overlap_are_refused(tmp_path: Path) -> None:
    """A file inside of another one, as in bombs without packing: both can be read, with right checksums."""
    alone = forged(tmp_path / "b.zip", [("store/b", b"x" * 50, {})]).read_bytes()
    inner = alone[: 30 + len("store/b") + 50]
    path = forged(tmp_path / "a.zip", [("store/a", inner, {}), ("store/b", b"x" * 50, {})])
    content = bytearray(path.read_bytes())
    second = content.rfind(b"store/b") - 46
    assert content[second : second + 4] == b"PK\x01\x02"
    content[second + 42 : second + 46] = (30 + len("store/a")).to_bytes(4, "little")
    refused(sealed(path, bytes(content)), "entries overlap")


def test_what_stands_before_an_archive_is_refused(tmp_path: Path) -> None:
    """A file that is a program to one reader and an archive to another is none."""
    path = forged(tmp_path / "a.zip", [("store/a", b"x", {})])
    refused(sealed(path, b"#!/bin/sh\n" + path.read_bytes()), "do not begin at its beginning|no zip file")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": "other"}, "manifest cannot be read"),
        ({"version": 2}, "use a newer one"),
        ({"sweep": "../s"}, "manifest cannot be read"),
        ({"sweep": 3}, "manifest cannot be read"),
        ({"counts": {"done": -1}}, "manifest cannot be read"),
        ({"counts": [1]}, "manifest cannot be read"),
        ({"entries": [{"name": "store/a"}]}, "manifest cannot be read"),
        ({"entries": []}, "not those that its manifest lists"),
    ],
)
def test_manifests_that_lie_are_refused(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    """Another format, names and counts that cannot be, entries that are not there."""
    refused(forged(tmp_path / "a.zip", [("store/a", b"x", {})], **changes), why)


def test_entries_and_manifest_have_to_name_each_other(tmp_path: Path) -> None:
    """What the manifest does not list is refused, as is what it lists and is not there."""
    refused(forged(tmp_path / "a.zip", [("store/a", b"x", {})], listed=[]), "not those that its manifest lists")
    both = ["store/a", "store/b"]
    refused(forged(tmp_path / "b.zip", [("store/a", b"x", {})], listed=both), "not those that its manifest")


def test_a_deep_manifest_is_no_crash(tmp_path: Path) -> None:
    """Nesting without end is a manifest that cannot be read."""
    deep: Callable[[], Any] = lambda: json.loads("[" * 900 + "]" * 900)  # noqa: E731
    refused(forged(tmp_path / "a.zip", [("store/a", b"x", {})], counts=deep()), "manifest cannot be read")


def test_what_is_meant_as_an_archive(tmp_path: Path) -> None:
    """A zip file, one that says so, and one whose beginning is broken; sweep files and folders are not."""
    path = made(tmp_path)
    assert looks_like_archive(path)
    broken = tmp_path / "broken"
    broken.write_bytes(b"x" + path.read_bytes()[1:])
    assert looks_like_archive(broken)
    (tmp_path / "sweep.toml").write_text('name = "s"')
    assert not looks_like_archive(tmp_path / "sweep.toml")
    assert not looks_like_archive(tmp_path)
    assert not looks_like_archive(tmp_path / "absent.zip")
