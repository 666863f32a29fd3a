"""Commands as people give them: in this process where that shows the same, else in one of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from manyfit.cli.main import main

SWEEP = """
name = "flowers"
metrics = ["accuracy", "f1_macro"]
data = "sklearn:iris"
[splits.halves]
folds = 2
validate = 0.3
[pipelines.svc]
steps = ["StandardScaler", "SVC"]
grid = { kernel = ["linear", "rbf"], C = [0.1, 1.0] }
[pipelines.knn]
steps = ["KNeighborsClassifier"]
grid = { n_neighbors = [1, 5] }
[workers]
count = 2
"""
N_TASKS = 6 * 3

FAILING = """
name = "failing"
data = "sklearn:iris"
[splits.halves]
folds = 2
[pipelines.good]
steps = ["GaussianNB"]
[pipelines.bad]
steps = [{ use = "PCA", n_components = 99 }, "GaussianNB"]
[workers]
count = 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """Gives commands in *folder*."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.environment = environment

    def __call__(self, *arguments: str, check: int | None = 0, timeout: float = 60) -> Said:
        """Run a command in a process of its own; *check* is the exit code that must come."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        said = Said(code=done.returncode, out=done.stdout, err=done.stderr)
        assert check is None or said.code == check, said
        return said

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a command and return its process."""
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    def command(self, *arguments: str) -> Sequence[str]:
        return [sys.executable, "-m", "manyfit", *arguments]

    def write(self, text: str, name: str = "sweep.toml") -> None:
        (self.folder / name).write_text(text)


def environment_of(cache: Path, python_path: str) -> dict[str, str]:
    return {**os.environ, "MANYFIT_CACHE": str(cache), "PYTHONPATH": python_path, "COLUMNS": "80"}


def in_process(capsys: pytest.CaptureFixture[str]) -> Any:
    """Return a function that gives a command in this process and returns what it said."""

    def give(*arguments: str, check: int | None = 0) -> Said:
        capsys.readouterr()
        code = main(list(arguments))
        captured = capsys.readouterr()
        said = Said(code=code, out=captured.out, err=captured.err)
        assert check is None or code == check, said
        return said

    return give
