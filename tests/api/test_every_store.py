"""Kept models, verifications and archives in every kind of store: one sweep, run by real workers, in each."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.datasets import load_wine
from tests.api.running import run_here

import manyfit
from manyfit import Sweep
from manyfit.api.archiving import archive_sweep, check_archive, restore_archive
from manyfit.api.kept_models import kept_models
from manyfit.api.pruning import prune
from manyfit.api.rebuilding import rebuild
from manyfit.api.results import Results
from manyfit.api.stores import copy_sweep
from manyfit.connect import open_address, open_store
from manyfit.report.frames import results_frame
from manyfit.report.verifications import verifications

KINDS = ("folder", "sqlite", "postgresql")
OLD = {"artifacts_seconds": 0.0, "logs_seconds": None}


def wine() -> pl.DataFrame:
    X, y = load_wine(return_X_y=True)
    rows = np.random.default_rng(0).permutation(178)
    columns = {f"c{i}": X[rows, i] for i in range(13)}
    groups = [f"g{i % 5}" for i in range(178)]
    return pl.DataFrame(columns | {"who": groups, "kind": [f"k{code}" for code in y[rows]]})


def sweep(folder: Path, store: str = "", **keep: object) -> Sweep:
    wine().write_parquet(folder / "wine.parquet")
    return Sweep(
        folder=folder,
        name="wine",
        data={"source": "wine.parquet", "target": "kind", "group": "who"},
        metrics=["accuracy"],
        splits={"unseen": {"train": "who NOT IN ('g3', 'g4')", "test": "who = 'g3'"}},
        pipelines={
            "knn": {"steps": ["StandardScaler", "KNeighborsClassifier"], "grid": {"n_neighbors": [1, 9]}},
            "gb": {"steps": [{"use": "GradientBoostingClassifier", "n_estimators": 3}]},
        },
        **({"keep": keep} if keep else {}),
        **({"store": store} if store else {}),
    )


def new_place(kind: str, folder: Path, request: pytest.FixtureRequest) -> str:
    """Return where a new store of this kind is: "" for the folder beside the sweep, else a URL."""
    match kind:
        case "folder":
            return ""
        case "sqlite":
            return f"sqlite:///{folder}/lab.db"
        case _:
            return str(request.getfixturevalue("postgres").new_database())


@pytest.fixture(scope="module", params=KINDS)
def done(request, tmp_path_factory):
    """The results of the sweep in a store of each kind."""
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        place = new_place(request.param, folder, request)
        made = sweep(folder, place, models="best:1 per pipeline", predictions="all", series=True)
        return made.run(workers=1, audit=False)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The same sweep in a folder, run in this process, that keeps nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MANYFIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        return run_here(sweep(tmp_path_factory.mktemp("alone")), patch)


@pytest.mark.slow
def test_models_are_kept_proven_and_loaded(done):
    """The best of each pipeline are there, their bytes are those of the same fit made again, and they predict."""
    found = kept_models(done.store)
    assert [(model.pipeline, model.present, model.trusted) for model in found] == [
        ("gb", True, True),
        ("knn", True, True),
    ]
    for model in found:
        assert model.n_bytes == len(done.store.artifacts.read(model.file))
        made = rebuild(done.store, model.task[:12])
        assert (made.equal, made.sha256) == (True, model.id)
        trained = manyfit.load(done.store.url, model.task)
        assert trained.predict(wine())["predicted"].to_list().count("k1") > 40


@pytest.mark.slow
def test_clean_up_takes_only_what_no_result_refers_to(done):
    """Kept bundles, predictions and verifications stay as long as their sweep does; a file of nobody goes."""
    verified = done.verify(unseen_groups=True)
    before = {file.name for file in done.store.artifacts.files()}
    done.store.artifacts.put("artifacts/ab/ab-left-over", b"nobody")

    pruned = prune([done.store.url], overrides=OLD, yes=True)

    assert ["ab-left-over" in due.name for due in pruned.due] == [True]
    assert {file.name for file in done.store.artifacts.files()} == before
    assert all(model.present for model in kept_models(done.store))
    assert verified.id in {one.id for one in done.verifications()}


@pytest.mark.slow
def test_a_kept_model_is_verified_as_the_same_fit_made_again(done, alone):
    """The same rows, figures and probabilities as a sweep that keeps nothing; read again by another handle."""
    one, other = (results.verify(unseen_groups=True, top=None) for results in (alone, done))
    assert one.rows().equals(other.rows())
    assert one.summary.models == other.summary.models
    assert {row["group"] for row in other.groups().to_dicts()} == {"g3", "g4"}
    [again] = [found for found in verifications(open_store(done.store.url)) if found.id == other.id]
    assert again.summary == other.summary
    assert again.rows().equals(other.rows())


@pytest.mark.slow
def test_a_verification_goes_along_with_a_copy(done, tmp_path):
    """A copy in a folder lists what the store lists, row by row."""
    first = done.verify(unseen_groups=True)
    copy_sweep(done.store.url, tmp_path / "copy")
    copied = Results(open_store(tmp_path / "copy" / "wine.sweep"))
    listed, copies = ({one.id: one.summary for one in store.verifications()} for store in (done, copied))
    assert copies == listed
    [again] = [found for found in copied.verifications() if found.id == first.id]
    assert again.rows().equals(first.rows())


@pytest.mark.slow
def test_what_is_archived_comes_back_in_a_store_of_another_kind(done, tmp_path, request):
    """Results, kept files, verifications and the control chain, all equal: from each kind into the next one."""
    kind = KINDS[(KINDS.index(request.node.callspec.params["done"]) + 1) % len(KINDS)]
    done.verify(unseen_groups=True)
    made = archive_sweep(done.store, tmp_path / "a.zip", logs=True)
    assert made.complete
    assert check_archive(tmp_path / "a.zip").manifest == made.manifest

    place = new_place(kind, tmp_path, request) or tmp_path / "back"
    restored = restore_archive(tmp_path / "a.zip", place)

    back = open_address(restored.target)
    frames = [results_frame(store).sort("key").drop("epoch") for store in (done.store, back)]
    assert frames[0].equals(frames[1])
    files = [
        {file.name: store.artifacts.read(file.name) for file in store.artifacts.files()}
        for store in (done.store, back)
    ]
    assert files[0] == files[1]
    assert len(files[0]) > len(kept_models(back)) == 2
    assert done.store.entries() == back.entries()
    assert restored.counts == done.snapshot().counts
    assert rebuild(back, kept_models(back)[0].task).equal
    assert restore_archive(tmp_path / "a.zip", place).copied.n_new_epochs == 0, "again is harmless"
