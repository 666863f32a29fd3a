"""What people write where a sweep is meant, and what it means."""

from pathlib import Path

import pytest

from manyfit import connect
from manyfit.connect import Address, Kind
from manyfit.model.errors import UserError
from manyfit.model.sweep import DataSpec, SweepSpec
from manyfit.stores.sqlite import create_sqlite

SECRET = "s3cret/#1"
FILE = 'name = "vowels"\ndata = "sklearn:iris"\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANYFIT_STORE", raising=False)


def spec(store: str = "") -> SweepSpec:
    return SweepSpec(name="vowels", data=DataSpec(source="sklearn:iris"), pipelines=(), splits=(), store=store)


@pytest.mark.parametrize(
    ("text", "kind", "place", "sweep"),
    [
        ("sqlite:///lab.db", Kind.SQLITE, "lab.db", ""),
        ("sqlite:///sub/lab.db#vowels", Kind.SQLITE, "sub/lab.db", "vowels"),
        ("sqlite:////data/lab.db", Kind.SQLITE, "/data/lab.db", ""),
        ("sqlite:///my%20lab.db#a%23b", Kind.SQLITE, "my lab.db", "a#b"),
        ("SQLITE:///lab.db", Kind.SQLITE, "lab.db", ""),
        ("lab.db", Kind.SQLITE, "lab.db", ""),
        ("lab.db#vowels", Kind.SQLITE, "lab.db", "vowels"),
        ("sub/vowels.sweep", Kind.DIRECTORY, "sub/vowels.sweep", ""),
        ("/data/vowels.sweep", Kind.DIRECTORY, "/data/vowels.sweep", ""),
    ],
)
def test_paths_and_urls_of_files(tmp_path: Path, text: str, kind: Kind, place: str, sweep: str) -> None:
    """Relative paths start from where one is; four slashes begin an absolute one."""
    found = connect.parse(text, tmp_path)
    assert (found.kind, found.place, found.sweep) == (kind, str(tmp_path / place), sweep)
    assert connect.parse(found.url, Path("/elsewhere")) == found


def test_a_database_is_known_by_its_lock_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database of a store needs no scheme and no ending, and is not opened to be known."""
    monkeypatch.chdir(tmp_path)
    create_sqlite(tmp_path / "lab", sweep="vowels").close()
    monkeypatch.setattr(Path, "open", None)
    monkeypatch.setattr("builtins.open", None)
    assert connect.expected("lab").kind is Kind.SQLITE
    assert connect.expected("other").kind is Kind.DIRECTORY


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_postgresql_urls(tmp_path: Path, scheme: str) -> None:
    """Options stay, the sweep is the fragment, the alias of the scheme is as good."""
    found = connect.parse(f"{scheme}://ann@db.lab:5433/sweeps?sslmode=require#vowels", tmp_path)
    assert found.place == found.dsn == "postgresql://ann@db.lab:5433/sweeps?sslmode=require"
    assert (found.sweep, found.url) == ("vowels", f"{found.place}#vowels")


@pytest.mark.parametrize(
    "text",
    ["postgresql://ann:s3cret%2F%231@lab/db#vowels", "postgresql://ann@lab/db?password=s3cret%2F%231#vowels"],
)
def test_passwords_are_used_and_never_shown(tmp_path: Path, text: str) -> None:
    """A password opens the database and is in nothing that anybody sees."""
    found = connect.parse(text, tmp_path)
    assert found.password == SECRET
    assert found.dsn == "postgresql://ann:s3cret%2F%231@lab/db"
    assert found.environment == {"PGPASSWORD": SECRET}
    for shown in (found.url, found.shown, str(found), repr(found), found.of("x").url):
        assert "s3cret" not in shown
    assert connect.parse(found.dsn, tmp_path).password == SECRET


def test_unknown_schemes_are_refused_with_what_there_is(tmp_path: Path) -> None:
    """One message names all kinds of stores."""
    with pytest.raises(UserError, match=r"mysql.*a folder, sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"):
        connect.parse("mysql://lab/db", tmp_path)
    with pytest.raises(UserError, match='did you mean "sqlite"'):
        connect.parse("sqlit:///lab.db", tmp_path)


@pytest.mark.parametrize("text", ["sqlite://lab.db", "sqlite:lab.db", "sqlite:///", "postgresql://lab"])
def test_urls_without_a_place_are_refused(tmp_path: Path, text: str) -> None:
    """The message has the form of such a URL."""
    with pytest.raises(UserError, match=r"write (sqlite|postgresql)://"):
        connect.parse(text, tmp_path)


def test_the_store_of_a_declaration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An option comes before the file, the file before the environment, and all before the folder beside."""
    folder = tmp_path / "beside"
    assert connect.address_of(spec(), folder).place == str(folder / "vowels.sweep")
    monkeypatch.setenv("MANYFIT_STORE", "sqlite:///env.db")
    assert connect.address_of(spec(), folder).url == f"sqlite:///{tmp_path}/env.db#vowels"
    in_file = spec("sqlite:///file.db")
    assert connect.address_of(in_file, folder).url == f"sqlite:///{folder}/file.db#vowels"
    option = connect.address_of(in_file, folder, store="sqlite:///option.db")
    assert option.url == f"sqlite:///{tmp_path}/option.db#vowels"


def test_a_store_may_be_a_folder_for_many(tmp_path: Path) -> None:
    """A folder gets one folder for each sweep; the folder of a sweep is it."""
    assert connect.address_of(spec("many"), tmp_path).place == str(tmp_path / "many/vowels.sweep")
    assert connect.address_of(spec("a.sweep"), tmp_path).place == str(tmp_path / "a.sweep")


def test_a_store_of_another_sweep_is_refused(tmp_path: Path) -> None:
    """The fragment of a store has to be the sweep's own name."""
    with pytest.raises(UserError, match='is the sweep "nuts", not "vowels"'):
        connect.address_of(spec(), tmp_path, store="sqlite:///lab.db#nuts")


def test_what_a_target_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file means the store that it names, a name the one here, then that of the environment."""
    Path("sweep.toml").write_text(FILE)
    assert connect.expected("sweep.toml").place == str(tmp_path / "vowels.sweep")
    Path("sweep.toml").write_text(FILE + 'store = "sqlite:///lab.db"')
    assert connect.expected("sweep.toml").url == f"sqlite:///{tmp_path}/lab.db#vowels"
    assert connect.expected("vowels").place == str(tmp_path / "vowels.sweep")
    assert connect.expected("vowels", store="lab.db").url == f"sqlite:///{tmp_path}/lab.db#vowels"
    monkeypatch.setenv("MANYFIT_STORE", "lab.db")
    assert connect.expected("vowels").url == f"sqlite:///{tmp_path}/lab.db#vowels"
    Path("vowels.sweep").mkdir()
    assert connect.expected("vowels").kind is Kind.DIRECTORY


def test_shown_is_short_from_here(tmp_path: Path) -> None:
    """What lies below here is shown relative, everything else whole."""
    assert connect.expected("sqlite:///sub/lab.db#vowels").shown == "sqlite:///sub/lab.db#vowels"
    assert Address(kind=Kind.SQLITE, place="/data/lab.db").shown == "sqlite:////data/lab.db"
    assert connect.parse("vowels.sweep", tmp_path).shown == "vowels.sweep"


@pytest.mark.parametrize("password", ["s3c/ret", "s3c#ret", "s3c?ret", "s3c/r?et", "12/34", "s3c/r#et"])
def test_a_password_with_unescaped_characters_is_not_shown(password: str) -> None:
    """It would be taken for a port, a database or a sweep, which messages show."""
    with pytest.raises(UserError) as caught:
        connect.parse(f"postgresql://ann:{password}@lab/db", Path.cwd())
    assert "s3c" not in str(caught.value)
    assert "34" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["postgresql://a:5432,b:5433/db", "postgresql://[::1]:5432/db", "postgresql://lab:1/db?user=ann@realm"]
)
def test_urls_with_colons_that_are_no_passwords(url: str) -> None:
    """Several hosts, a host of numbers, a user with an @."""
    assert connect.parse(url, Path.cwd()).place.startswith(url.partition("?")[0])
