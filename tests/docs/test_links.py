"""Links of the documentation lead somewhere."""

import re
from pathlib import Path

import pytest
from tests.docs.pages import DOCS, ROOT, pages

_LINK = re.compile(r"(?<!\\)\[[^\]\n]*(?:`[^`]*`[^\]\n]*)?\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"^```.*?^```", re.M | re.S)


def _anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_pages_and_headings(page: Path) -> None:
    """Every relative link names a file that exists, and every fragment a heading in it."""
    broken = []
    for target in _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, fragment = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (fragment and fragment not in _anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_the_index() -> None:
    """A reader who begins at the index finds every page of the documentation."""
    seen: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md":
            continue
        seen.add(page)
        targets = _LINK.findall(_CODE.sub("", page.read_text(encoding="utf-8")))
        names = [target.partition("#")[0] for target in targets if "://" not in target]
        waiting += [(page.parent / name).resolve() for name in names if name]
    assert set(DOCS.rglob("*.md")) - seen == set()
