"""Commands in messages can be pasted into a shell, whatever their targets are called."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import SWEEP

from manyfit.connect import open_store
from manyfit.model.errors import NotFound, UserError
from manyfit.model.shell import quoted

PLAIN = ["sweep.toml", "my/vowels.sweep", "sqlite:///lab.db#vowels", "postgresql://me@host:5432/lab#a%20b", "a#b#"]
SPECIAL = ["my sweep.toml", "#1.toml", "it's.toml", "a&b", "$HOME", "a;b", "*.toml", "", "postgresql:///db?host=x"]


@pytest.mark.parametrize("word", PLAIN)
def test_what_needs_no_quotes_has_none(word: str) -> None:
    """URLs of sweeps read as they are written: a "#" inside a word begins no comment."""
    assert quoted(word) == word


@pytest.mark.parametrize("word", SPECIAL)
def test_what_needs_quotes_has_them(word: str) -> None:
    """Spaces, and whatever else a shell would take for itself."""
    assert quoted(word) != word


@pytest.mark.parametrize("word", [*PLAIN, *SPECIAL])
def test_a_shell_reads_one_word(word: str) -> None:
    """What bash makes of it is the word, and only the word."""
    command = f"printf '%s|' {quoted(word)} end"
    said = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert said.stdout == f"{word}|end|"


def advised(text: str, target: str) -> list[list[str]]:
    """Return the commands that *text* advises about *target*, as a shell would split them."""
    found = re.findall(r"manyfit [a-z]+ " + re.escape(quoted(target)), text)
    return [shlex.split(command) for command in found]


@pytest.fixture
def spaced(here: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Commands in a folder with a submitted sweep whose file has a space in its name."""
    monkeypatch.setenv("COLUMNS", "200")
    Path("my sweep.toml").write_text(SWEEP)
    here("submit", "my sweep.toml")
    return here


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["plan"], ["status", "run"]),
        (["submit"], ["work", "run"]),
        (["status"], ["run"]),
        (["results"], ["status"]),
        (["pause"], ["resume"]),
        (["resume"], ["run"]),
        (["stop"], ["run"]),
        (["watch"], ["run"]),
    ],
)
def test_the_next_step_can_be_pasted(spaced: Any, arguments: list[str], advice: list[str]) -> None:
    """The target stands in it as one word."""
    said = spaced(*arguments, "my sweep.toml").out
    assert advised(said, "my sweep.toml") == [["manyfit", name, "my sweep.toml"] for name in advice]
    assert "manyfit run my" not in said


def test_what_undoes_a_change_can_be_pasted(spaced: Any) -> None:
    """Also the commands that change terms name the target as one word."""
    for command, value in (("priority", ["high"]), ("limit", ["--running", "2"])):
        said = spaced(command, "my sweep.toml", *value).out
        assert advised(said, "my sweep.toml") == [["manyfit", command, "my sweep.toml"]]


def test_a_filter_of_the_next_step_can_be_pasted(here: Any) -> None:
    """Values with signs that a shell takes for itself are words of their own."""
    steps = 'steps = ["MLPClassifier"]\ngrid = { hidden_layer_sizes = [[10, 5], [20]] }\n'
    Path("my sweep.toml").write_text(f'name = "light"\ndata = "sklearn:iris"\n[pipelines.mlp]\n{steps}')
    said = here("plan", "my sweep.toml", "--only", "hidden_layer_sizes=(10,5)", "pipeline=mlp")
    next_step = next(line for line in said.out.splitlines() if line.startswith("next: "))
    given = ["--only", "hidden_layer_sizes=(10,5)", "pipeline=mlp"]
    assert shlex.split(next_step)[1:] == ["manyfit", "run", "my sweep.toml", *given]


def test_errors_advise_commands_that_can_be_pasted(here: Any, tmp_path: Path) -> None:
    """Of a file that was not submitted, of one without a name, of a store with several sweeps."""
    Path("my sweep.toml").write_text(SWEEP)
    with pytest.raises(NotFound, match=r"next: manyfit run 'my sweep\.toml'$"):
        open_store("my sweep.toml")
    Path("no name.toml").write_text("")
    with pytest.raises(UserError, match=r"next: manyfit plan 'no name\.toml'$"):
        open_store("no name.toml")


def test_urls_of_sweeps_are_shown_without_quotes(here: Any) -> None:
    """They have no character that a shell would change."""
    Path("sweep.toml").write_text(SWEEP)
    here("submit", "sweep.toml", "--store", "sqlite:///lab.db")
    said = " ".join(here("status", "sqlite:///lab.db#flowers").out.split())
    assert "next: manyfit run sqlite:///lab.db#flowers" in said
