"""Every example of the documentation works as shown."""

from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Block, blocks, commands, first_fault, first_missing, pages

QUICK = {"docs/explanation/task-keys.md", "docs/how-to/fusion.md"}
"""Pages that only plan, which takes a second or two; the others belong to the full suite."""


def _has_examples(page: Path) -> bool:
    return any(True for _ in commands(list(blocks(page.read_text(encoding="utf-8")))))


def _case(page: Path) -> object:
    name = page.relative_to(ROOT).as_posix()
    marks = [pytest.mark.timeout(300), *([] if name in QUICK else [pytest.mark.slow])]
    return pytest.param(page, id=name, marks=marks)


@pytest.mark.parametrize("page", [_case(page) for page in pages() if _has_examples(page)])
def test_examples_of_a_page_work_as_shown(page: Path, tmp_path: Path) -> None:
    """Every command and Python block of the page runs, in order, and gives the output that the page shows."""
    assert not first_fault(page, tmp_path)


def test_a_wrong_output_is_noticed() -> None:
    """A line that differs, is missing or is too many does not pass for the shown output."""
    came = ["done 3", "", "worker  a-17", "end"]
    assert first_missing(["done 3", "worker a-…", "end"], came) is None
    assert first_missing(["…", "end"], came) is None
    assert first_missing(["done 3", "…"], came) is None
    assert first_missing(["done 4", "…"], came) == "done 4"
    assert first_missing(["done 3", "end"], came) == "end"
    assert first_missing(["done 3", "worker a-17"], came) == "(and not) end"
    assert first_missing(["…", "begin"], came) == "begin"


def test_a_failing_command_is_noticed(tmp_path: Path) -> None:
    """A page whose command ends with another status than it says fails."""
    page = tmp_path / "page.md"
    page.write_text("```console\n$ exit 3\n```\n")
    assert first_fault(page, tmp_path).startswith("exit status 3\npage.md:2: exit 3\n")
    page.write_text("<!-- exit: 3 -->\n```console\n$ exit 3\n```\n")
    assert not first_fault(page, tmp_path)
    page.write_text("```console\n$ echo one\ntwo\n```\n")
    assert first_fault(page, tmp_path).startswith("the page shows 'two'\n")


def test_files_and_outputs_are_told_apart() -> None:
    """A block under a file comment is written, a console block is run, and everything else is only text."""
    file = "<!-- file: a.toml -->\n```toml\nx = 1\n```\n"
    text = f"{file}text\n```toml\ny = 1\n```\n```console\n$ one\nout\n$ two\n```\n"
    found = list(commands(list(blocks(text))))
    assert isinstance(found[0], Block)
    assert found[0].directives == {"file": "a.toml"}
    assert [(step.source, step.shown) for step in found[1:] if not isinstance(step, Block)] == [
        ("one", ["out"]),
        ("two", []),
    ]
