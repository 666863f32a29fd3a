"""Scratch folders: temporary files of a task are nobody else's, and go with it."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from tests.run.killed_workers import HARD, killed_worker
from tests.run.plans import by_number, make_store, plan, submit, work

from manyfit.run.forked import ForkedRunner
from manyfit.run.lives import own_life
from manyfit.run.scratch import (
    TaskScratch,
    make_worker_folder,
    remove_left_folders,
    remove_tree,
    scratch_place,
)
from manyfit.run.worker import Reason


@pytest.fixture
def place(tmp_path, monkeypatch):
    """Return the folder that scratch folders of this test are made in."""
    folder = tmp_path / "scratch"
    monkeypatch.setenv("MANYFIT_SCRATCH", str(folder))
    return folder


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Return a scratch folder that this process uses until the test ends."""
    for name in ("TMPDIR", "MANYFIT_SCRATCH_TASK"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr(tempfile, "tempdir", None)
    folder = tmp_path / "1"
    folder.mkdir()
    return TaskScratch(folder), folder


def run(tmp_path, tasks):
    """Run *tasks* with one worker; return the final results by number."""
    store = make_store(tmp_path)
    segment = plan(tasks, folder=tmp_path, executor=HARD)
    submit(store, segment)
    work(store)
    found = by_number(store, segment)
    store.close()
    return found


def places(tmp_path):
    """Return the scratch folders that tasks have seen."""
    path = tmp_path / "places"
    return json.loads(path.read_text()) if path.exists() and path.read_text() else []


def dead_life():
    """Return the life of a process of this machine that is gone."""
    boot, pid, started = own_life().split("-")
    return f"{boot}-{pid}-{int(started) - 1}"


def test_files_of_a_task_are_gone_before_the_next(tmp_path, place):
    """Each task finds its scratch folder empty, write-protected leftovers of the one before included."""
    found = run(tmp_path, [{"do": "litter"}] * 3)
    assert [found[n]["scores"]["cv"] for n in range(3)] == [{"before": 0, "files": 2, "others": 0}] * 3
    assert len(set(places(tmp_path))) == 1


def test_scratch_folders_lie_where_the_user_wants_them_and_go_with_the_worker(tmp_path, place):
    """MANYFIT_SCRATCH names the place, which is made; nothing is left in it."""
    run(tmp_path, [{"do": "litter"}])
    assert places(tmp_path)[0].startswith(f"{place}/manyfit-{own_life()}-")
    assert list(place.iterdir()) == []


def test_files_of_a_killed_runner_are_removed(tmp_path, place):
    """A runner that SIGKILL ended leaves nothing to the next one, which has a folder of its own."""
    found = run(tmp_path, [{"do": "litter_and_die"}, {"do": "litter"}])
    assert found[0]["failure"]["cls"] == "crash"
    assert found[1]["scores"]["cv"] == {"before": 0, "files": 2, "others": 0}
    assert len(set(places(tmp_path))) > 1
    assert list(place.iterdir()) == []


def test_files_of_a_killed_worker_are_removed_by_the_next(tmp_path, place, monkeypatch):
    """What a worker that SIGKILL ended could not remove, the next worker on the machine removes."""
    monkeypatch.setenv("MANYFIT_TEST", tmp_path.name)
    store, segment = killed_worker(tmp_path, {"do": "litter_and_wait"}, lambda: places(tmp_path))
    folder = Path(places(tmp_path)[0])
    assert folder.exists(), "what this test is about is not there"
    work(store)
    assert not folder.parent.exists()
    assert by_number(store, segment)[0]["outcome"] == "succeeded"
    store.close()


def test_only_folders_of_the_dead_are_removed(tmp_path):
    """Folders of this life, of other hosts and boots, files, links and other people's names stay."""
    left = make_worker_folder(tmp_path, f"{dead_life()}-ab12")
    (left / "1").mkdir()
    kept = [
        make_worker_folder(tmp_path, f"{own_life()}-ab12"),
        make_worker_folder(tmp_path, f"00000000-{os.getpid()}-1-ab12"),
        make_worker_folder(tmp_path, "of-my-own"),
        tmp_path / f"other-{dead_life()}",
        tmp_path / f"manyfit-{dead_life()}-file",
        tmp_path / f"manyfit-{dead_life()}-link",
    ]
    kept[-3].mkdir()
    kept[-2].touch()
    kept[-1].symlink_to(kept[2])
    assert remove_left_folders(tmp_path) == 1
    assert not left.exists()
    assert all(path.exists() for path in kept)


def test_the_scratch_folder_cannot_be_read_by_others(tmp_path):
    """Temporary files of one user are not for the others on the machine."""
    assert make_worker_folder(tmp_path / "new", own_life()).stat().st_mode & 0o777 == 0o700


def test_a_place_that_cannot_be_used_ends_the_worker_with_a_message(tmp_path, monkeypatch):
    """The worker says which path and why; nobody is charged."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("MANYFIT_SCRATCH", str(tmp_path / "file" / "scratch"))
    store = make_store(tmp_path)
    submit(store, plan([{}], folder=tmp_path, executor=HARD))
    report = work(store, runner=ForkedRunner())
    assert report.reason is Reason.REFUSED
    assert str(tmp_path / "file") in report.message
    assert store.snapshot().counts.pending == 1
    store.close()


def test_without_a_place_of_its_own_scratch_is_where_temporary_files_are(monkeypatch):
    """The folder for temporary files is used as the system tells it."""
    monkeypatch.delenv("MANYFIT_SCRATCH", raising=False)
    assert scratch_place() == Path(tempfile.gettempdir())


def test_a_change_in_the_same_instant_is_noticed(scratch):
    """A file that is made right after the folder was cleared is seen, whatever the clock's steps are."""
    task_scratch, folder = scratch
    for number in range(300):
        (folder / str(number)).touch()
        task_scratch.clear()
        assert not list(folder.iterdir())


def test_an_untouched_folder_is_not_read(scratch, monkeypatch):
    """As long as no task uses the folder, one look at its times is all that is done."""
    task_scratch, folder = scratch
    real, n_read = os.scandir, 0

    def counted(path):
        nonlocal n_read
        n_read += 1
        return real(path)

    monkeypatch.setattr(os, "scandir", counted)
    for _ in range(3):
        task_scratch.clear()
    assert n_read == 0

    (folder / "file").touch()
    task_scratch.clear()
    assert n_read > 0


def test_a_folder_that_a_task_removed_is_made_again(scratch):
    """The next task has its scratch folder even if this one removed it."""
    task_scratch, folder = scratch
    for _ in range(2):
        folder.rmdir()
        task_scratch.clear()
        with tempfile.NamedTemporaryFile(delete=False) as file:
            assert Path(file.name).parent == folder
        task_scratch.clear()
        assert not list(folder.iterdir())


def test_folders_that_libraries_keep_for_their_process_stay(scratch):
    """multiprocessing, joblib and loky go on to use the folders that they made in an earlier task."""
    task_scratch, folder = scratch
    names = {"pymp-abc", "joblib_memmapping_folder_1_x", "loky-1"}
    for name in (*names, "other"):
        (folder / name).mkdir()
        (folder / name / "file").touch()
    task_scratch.clear()
    assert {path.name for path in folder.iterdir()} == names
    assert all((folder / name / "file").exists() for name in names)


def test_a_task_that_points_temporary_files_elsewhere_does_so_for_itself(scratch):
    """After a task that left files, temporary files go to the scratch folder again."""
    task_scratch, folder = scratch
    (folder / "file").touch()
    tempfile.tempdir = os.environ["TMPDIR"] = "/elsewhere"
    task_scratch.clear()
    assert tempfile.gettempdir() == os.environ["TMPDIR"] == str(folder)


def test_links_are_removed_and_not_followed(tmp_path):
    """What a link in a scratch folder points to is not the task's."""
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "link").symlink_to(tmp_path / "precious")
    remove_tree(tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()
    assert (tmp_path / "precious" / "file").exists()
