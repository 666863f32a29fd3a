"""The GitHub workflow of the page on gates is one, and its commands do what it says."""

import os
import shlex
from pathlib import Path

import pytest
import yaml
from tests.api.running import run_here
from tests.docs.pages import DOCS, Block, blocks, commands

from manyfit import Sweep
from manyfit.cli.main import main

PAGE = DOCS / "how-to" / "gates.md"


def steps_of(text: str) -> list[dict]:
    """Return the steps of the only job of the workflow on the page *text*."""
    source = next(block.text for block in blocks(text) if block.directives.get("file") == "model.yml")
    workflow = yaml.safe_load(source)
    # YAML 1.1, which GitHub does not read it as, takes the key for a truth value
    assert workflow.get("on", workflow.get(True)) == ["pull_request"]
    (job,) = workflow["jobs"].values()
    assert job["runs-on"]
    return list(job["steps"])


def test_the_steps_are_those_of_a_workflow() -> None:
    """Each step uses an action of a version or runs a command, and manyfit is installed before it is run."""
    steps = steps_of(PAGE.read_text(encoding="utf-8"))
    assert all(("uses" in step) != ("run" in step) for step in steps)
    assert all("@v" in step["uses"] for step in steps if "uses" in step)
    runs = [step["run"] for step in steps if "run" in step]
    assert runs[0] == "pip install manyfit"
    assert [run.split()[:2] for run in runs[1:]] == [["manyfit", "run"], ["manyfit", "gate"]]


@pytest.mark.slow
def test_its_commands_let_the_model_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the files of the page and the bundle of the champion, the commands pass and leave their summary."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    text = PAGE.read_text(encoding="utf-8")
    for block in commands(list(blocks(text))):
        if isinstance(block, Block):
            (tmp_path / block.directives["file"]).write_text(block.text, encoding="utf-8")
    champion = run_here(Sweep.load("champion.toml"), monkeypatch).tasks()["key"][0]
    assert main(["rebuild", "champion.toml", champion, "--to", "champion.model"]) == 0
    for step in steps_of(text):
        program, *arguments = shlex.split(os.path.expandvars(step.get("run", "none")))
        assert program != "manyfit" or main(arguments) == 0
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("## Model gates passed")


def test_the_page_has_all_that_the_commands_need() -> None:
    """Every file that a command of the workflow names is one of the page."""
    text = PAGE.read_text(encoding="utf-8")
    files = {step.directives["file"] for step in commands(list(blocks(text))) if isinstance(step, Block)}
    named = {
        word
        for step in steps_of(text)
        for word in step.get("run", "").split()
        if word.endswith((".toml", ".model"))
    }
    assert named - {"champion.model"} <= files
    assert "champion.model" in named
