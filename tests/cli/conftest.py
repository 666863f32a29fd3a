"""Folders to give commands in: empty, and with a sweep that ran to its end."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import SWEEP, Cli, environment_of, in_process


@pytest.fixture
def cli(tmp_path: Path, python_path: str) -> Cli:
    """Commands in an empty folder."""
    return Cli(tmp_path, environment_of(Path(os.environ["MANYFIT_CACHE"]), python_path))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Commands in an empty folder, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return in_process(capsys)


@pytest.fixture(scope="session")
def finished_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep that ran to its end, and what `run` said about it."""
    folder = tmp_path_factory.mktemp("finished")
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(root / "src"), str(root)])
    cli = Cli(folder, environment_of(tmp_path_factory.getbasetemp() / "cache", path))
    cli.write(SWEEP)
    (folder / "said.txt").write_text(cli("run", "sweep.toml").out)
    return folder


@pytest.fixture
def finished(finished_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Commands, in this process, in a folder with a finished sweep; they must not change it."""
    monkeypatch.chdir(finished_folder)
    monkeypatch.setenv("COLUMNS", "80")
    return in_process(capsys)
