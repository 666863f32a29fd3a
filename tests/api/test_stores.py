"""Sweeps from Python in stores that are no folder."""

from pathlib import Path
from typing import Any

import pytest
from sklearn.datasets import load_iris

from manyfit import Sweep
from manyfit.api.stores import copy_sweep
from manyfit.contracts.artifacts import ArtifactFile
from manyfit.model.errors import NotFound, UserError
from manyfit.stores.sql.store import SqlStore

DECLARATION: dict[str, Any] = {
    "name": "iris",
    "data": {"source": "sklearn:iris"},
    "metrics": ["accuracy"],
    "pipelines": {"knn": {"steps": ["KNeighborsClassifier"], "grid": {"n_neighbors": [1, 5]}}},
    "splits": {"halves": {"folds": 2, "validate": 0.3}},
}


def test_where_a_sweep_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The declaration, an argument and the environment say it, in the order of their weight."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANYFIT_STORE", raising=False)
    assert Sweep(**DECLARATION).store_folder == tmp_path / "iris.sweep"
    monkeypatch.setenv("MANYFIT_STORE", "sqlite:///env.db")
    assert Sweep(**DECLARATION).address.shown == "sqlite:///env.db#iris"
    assert Sweep(**DECLARATION, store="lab.db").address.shown == "sqlite:///lab.db#iris"
    with pytest.raises(NotFound):
        Sweep(**DECLARATION).results()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_model_comes_out_of_a_database(tmp_path: Path) -> None:
    """Run, stored again by its URL, continued, the best model loaded from the store's own kept files."""
    place = f"sqlite:///{tmp_path}/lab.db"
    results = Sweep(folder=tmp_path, **DECLARATION, store=place, keep={"models": "all"}).run(workers=1)
    X, _ = load_iris(return_X_y=True)
    assert results.best().model().predict(X).shape == (150,)
    again = Sweep.stored(f"{place}#iris")
    assert again.plan().difference() is not None
    assert again.plan().difference().empty  # type: ignore[union-attr]
    assert results.folder.is_relative_to(tmp_path / "lab.db.files")
    assert results.snapshot().counts.done == 6


@pytest.mark.slow
def test_kept_files_of_a_store_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runners write to a folder of their worker, which puts the files into the store; scoring reads them there."""
    from manyfit.cli import worker

    address = Sweep(folder=tmp_path, **DECLARATION, store=f"sqlite:///{tmp_path}/lab.db").address
    sweep = Sweep(folder=tmp_path, **DECLARATION, store=str(address).partition("#")[0], keep={"predictions": True})
    sweep.plan().submit()
    monkeypatch.setattr(SqlStore, "__init__", _without_folder(SqlStore.__init__))
    monkeypatch.setenv("MANYFIT_ARTIFACTS", "")
    monkeypatch.setenv("MANYFIT_ARTIFACTS_WHOLE", "")
    monkeypatch.setattr(worker.connect, "local_files", lambda store: worker.LocalFiles(folder=tmp_path / "state"))
    assert worker.main([str(address)]) == 0
    assert len(list(sweep.store().artifacts.files())) > 0
    assert list((tmp_path / "state/spool").iterdir()) == []
    wider = {**DECLARATION, "metrics": ["accuracy", "f1_macro"]}
    again = Sweep(folder=tmp_path, **wider, store=str(address).partition("#")[0], keep={"predictions": True})
    planned = again.plan()
    assert planned.difference().n_rescored == 6  # type: ignore[union-attr]
    planned.submit()
    assert worker.main([str(address)]) == 0
    assert set(again.results().tasks()["mode"]) == {"score"}


class _NoFolder:
    """The kept files of a store, which nobody sees as files."""

    folder = None

    def __init__(self, artifacts: Any) -> None:
        self._artifacts = artifacts

    def put(self, name: str, content: bytes) -> None:
        self._artifacts.put(name, content)

    def read(self, name: str, offset: int = 0, length: int | None = None) -> bytes:
        return self._artifacts.read(name, offset, length)

    def files(self) -> list[ArtifactFile]:
        return list(self._artifacts.files())


def _without_folder(make: Any) -> Any:
    def init(self: Any, *arguments: Any, **named: Any) -> None:
        make(self, *arguments, **named)
        self.artifacts = _NoFolder(self.artifacts)

    return init


@pytest.mark.parametrize("place", ["sqlite:///lab.db", "postgresql://ann:s3cret@127.0.0.1:1/lab"])
def test_a_url_is_no_sweep_file(place: str) -> None:
    """The answer names what takes a URL, and no password."""
    with pytest.raises(NotFound, match=r"not a sweep file; next: Sweep\.stored") as caught:
        Sweep.load(place)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("store", ["", "sqlite:///lab.db"])
def test_a_sweep_is_not_copied_onto_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: str) -> None:
    """It would say that everything was copied, and nothing was."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MANYFIT_STORE", raising=False)
    Sweep(folder=tmp_path, **DECLARATION, **({"store": store} if store else {})).plan().submit()
    place = store or "iris.sweep"
    with pytest.raises(UserError, match="is where the sweep is already"):
        copy_sweep(place, place)
