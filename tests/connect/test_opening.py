"""Opening, listing and removing stores of every kind."""

import os
import shutil
from pathlib import Path

import pytest
from tests.report.sweeps import candidate, cell, segment, submit

from manyfit import connect
from manyfit.model.errors import NotFound, UserError


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANYFIT_STORE", raising=False)


def made(text: str, name: str) -> str:
    """Make a sweep with one task in a store, and return its URL."""
    address = connect.within(connect.parse(text, Path.cwd()), name)
    store = connect.create(address)
    submit(store, segment([candidate("svc", C=1)], [cell()]))  # type: ignore[arg-type]
    store.close()
    return address.url


def test_the_only_sweep_of_a_database_needs_no_name() -> None:
    """With two of them the message lists both and says how to name one."""
    made("sqlite:///lab.db", "one")
    assert connect.open_store("sqlite:///lab.db").sweep == "one"
    made("sqlite:///lab.db", "two")
    with pytest.raises(UserError, match=r"holds 2 sweeps \(one, two\); say which one, such as .*lab.db#one"):
        connect.open_store("sqlite:///lab.db")
    assert connect.open_store("sqlite:///lab.db#two").sweep == "two"
    assert [found.sweep for found in connect.sweeps_of("lab.db")] == ["one", "two"]


def test_a_folder_with_sweeps_lists_them() -> None:
    """It is no sweep itself."""
    made("many", "one")
    made("many", "two")
    assert [found.path.name for found in connect.sweeps_of("many")] == ["one.sweep", "two.sweep"]
    with pytest.raises(UserError, match="a folder with 2 of them; name one"):
        connect.resolve("many")


@pytest.mark.parametrize("text", ["sqlite:///lab.db", "many"])
def test_what_is_not_there_is_told(text: str) -> None:
    """A sweep, a database and a folder that do not exist have one clear message each."""
    with pytest.raises(NotFound):
        connect.open_store(text)
    made(text, "vowels")
    with pytest.raises(NotFound, match="vowel"):
        connect.open_store("vowel", store=text)
    assert not Path("vowel.sweep").exists()


def test_looking_makes_nothing(tmp_path: Path) -> None:
    """A mistyped URL leaves no empty database behind."""
    with pytest.raises(NotFound):
        connect.open_store("sqlite:///typo.db")
    assert connect.found_in(connect.expected("sqlite:///typo.db")) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["sqlite:///lab.db", "many"])
def test_files_of_a_store_are_beside_it(tmp_path: Path, text: str) -> None:
    """Logs and tables of a folder are in it, those of a database beside it, apart for each sweep."""
    folders = {connect.local_files(connect.open_store(made(text, name))).folder for name in ("one", "two")}
    assert len(folders) == 2
    assert all(folder.is_relative_to(tmp_path) for folder in folders)


@pytest.mark.parametrize("text", ["sqlite:///lab.db", "many"])
def test_removing_a_sweep_leaves_the_others(text: str) -> None:
    """Nothing of it is left, and nothing of another is missing."""
    one, two = (connect.resolve(made(text, name)) for name in ("one", "two"))
    files = connect.local_files(connect.open_address(one)).folder
    connect.remove(one)
    assert [found.url for found in connect.sweeps_of(text)] == [two.url]
    assert not files.exists()
    assert connect.leftovers(connect.expected(text)) == []


def test_a_removal_that_is_killed_leaves_no_half_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is renamed first: it is no sweep any more, and what is left is found."""
    address = connect.resolve(made("many", "one"))

    def killed(path: Path, **options: object) -> None:
        os.unlink(path / "manyfit.json")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        connect.remove(address)
    assert not address.path.exists()
    assert connect.found_in(connect.expected("many")) == []
    [left] = connect.leftovers(connect.expected("many"))
    assert left.name.endswith("one.sweep")
