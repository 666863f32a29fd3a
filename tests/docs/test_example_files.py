"""The files of examples/ are those that their pages show."""

import pytest
from tests.docs.pages import DOCS, ROOT, blocks

PAGES = {page.stem: page for page in (DOCS / "examples").glob("*.md") if (ROOT / "examples" / page.stem).is_dir()}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_pages_show_the_files_as_they_are(name: str) -> None:
    """Each file of an example stands in its page, letter for letter."""
    shown = {
        block.directives["file"]: block.text
        for block in blocks(PAGES[name].read_text(encoding="utf-8"))
        if "file" in block.directives
    }
    files = {
        path.name: path.read_text(encoding="utf-8").rstrip("\n")
        for path in (ROOT / "examples" / name).iterdir()
        if path.suffix in {".py", ".toml"}
    }
    assert {file: shown.get(file, "").rstrip("\n") for file in files} == files
