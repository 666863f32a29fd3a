"""Sweep files in the documentation are sweep files."""

import tomllib
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Block, blocks, pages

from manyfit.declare import from_mapping, load
from manyfit.declare.gates import load_gates

RULES = "gates.toml"
"""What pages call the rules of gates, which are no part of a sweep file."""


def _toml_blocks() -> list[tuple[Path, Block]]:
    return [
        (page, block)
        for page in pages()
        for block in blocks(page.read_text(encoding="utf-8"))
        if block.language == "toml" and block.directives.get("file") != RULES
    ]


@pytest.mark.parametrize(
    ("page", "block"),
    _toml_blocks(),
    ids=lambda value: f"{value.line}" if isinstance(value, Block) else value.name,
)
def test_toml_is_what_the_program_reads(page: Path, block: Block) -> None:
    """Every TOML block parses; one that is a whole sweep file has no mistake, unless the page shows mistakes."""
    content = tomllib.loads(block.text)
    whole = "data" in content and "pipelines" in content
    if whole and "mistakes" not in block.directives:
        assert from_mapping({"name": "example", **content}, file=page.name)[1] == []
    if not whole:
        frame = {"name": "example", "data": "sklearn:iris", "pipelines": {"svc": {"steps": ["SVC"]}}}
        assert from_mapping({**frame, **content}, file=page.name)[1] == []


def test_rules_are_what_the_program_reads(tmp_path: Path) -> None:
    """Every rules file of a page can be loaded."""
    found = [block for page in pages() for block in blocks(page.read_text(encoding="utf-8"))]
    shown = [block.text for block in found if block.directives.get("file") == RULES]
    assert shown
    for text in shown:
        (tmp_path / RULES).write_text(text, encoding="utf-8")
        assert load_gates(tmp_path / RULES)[1] == []


@pytest.mark.parametrize("path", sorted((ROOT / "examples").rglob("*.toml")), ids=lambda path: path.name)
def test_examples_are_without_mistakes(path: Path) -> None:
    """Every sweep file among the examples can be loaded."""
    assert load(path)[1] == []
