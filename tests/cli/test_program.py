"""The program as a whole: help, version, exit codes, speed, documentation."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from tests.cli.calls import Cli

from manyfit import __version__
from manyfit.cli.documents import JSON_KEYS
from manyfit.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]
HEAVY = ("numpy", "scipy", "sklearn", "polars", "pydantic", "rich", "skops")


def test_help_lists_every_command_whole(here: Any) -> None:
    """Each command has a line of help that is not cut, and the exit codes are there."""
    text = here("--help").out
    assert "..." not in text.replace("[ARGS]...", "")
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "130 interrupted" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(here: Any, name: str) -> None:
    """Each command says what each of its arguments and options means, has --json, and documents its keys."""
    command = COMMANDS[name]
    assert all(parameter.help for parameter in command.params)
    assert "--json" in {option for parameter in command.params for option in parameter.opts}
    assert name in JSON_KEYS
    assert here(name, "--help").out.startswith(f"Usage: manyfit {name} ")


def test_version(here: Any) -> None:
    """The version is that of the package."""
    assert here("--version").out == f"manyfit {__version__}\n"


def test_wrong_use_is_exit_code_2(here: Any) -> None:
    """An unknown command and an unknown option are usage errors on stderr."""
    assert "No such command" in here("plam", check=2).err
    said = here("plan", "--nothing", check=2)
    assert said.out == ""
    assert "--nothing" in said.err


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_light_commands_import_no_library(cli: Cli, arguments: list[str]) -> None:
    """Help needs nothing but the parser: it must be there at once."""
    assert loaded(cli, arguments) == []


def test_status_imports_no_library(cli: Cli) -> None:
    """Status reads the store with the standard library alone; pydantic comes with the parser of arguments."""
    cli.write('name = "light"\n[data]\nsource = "sklearn:iris"\n[pipelines.nb]\nsteps = ["GaussianNB"]')
    cli("submit", "sweep.toml")
    assert loaded(cli, ["status", "light"]) in ([], ["pydantic"])


def loaded(cli: Cli, arguments: list[str]) -> list[str]:
    code = (
        "import sys\nfrom manyfit.cli.main import main\n"
        f"assert main({arguments!r}) == 0\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cli.folder,
        env=cli.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = eval(done.stderr)
    return found


def test_a_closed_pipe_is_no_error(cli: Cli) -> None:
    """`manyfit --help | head -1` ends quietly."""
    process = cli.start("plan", "--help")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.wait(30) in (0, 1)
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


def test_the_reference_page_is_what_the_program_says() -> None:
    """docs/reference/cli.md is what docs/generate.py makes of the program now."""
    code = "import generate, sys; sys.stdout.write(generate.command_line_page())"
    made = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT / "docs",
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    ).stdout
    assert (ROOT / "docs/reference/cli.md").read_text() == made, "run: python docs/generate.py"


def environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT / 'docs'}"}
