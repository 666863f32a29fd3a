"""Names in Chinese, Japanese or Korean: with a font that has them, and what is said where there is none."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cells, new_store, run, scored, segment

from manyfit.api.reporting import contents_of
from manyfit.report.plots import canvas, fonts

matplotlib = pytest.importorskip("matplotlib")

NAME = "\u54c1\u7a2e"


@pytest.fixture
def only_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A machine on which no font is installed but those that come with matplotlib."""
    from matplotlib.font_manager import fontManager

    own = [font for font in fontManager.ttflist if font.name not in fonts.EAST_ASIAN]
    monkeypatch.setattr(fontManager, "ttflist", own)
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    fonts.families.cache_clear()
    yield fontManager
    fonts.families.cache_clear()


def small_font(path: Path, family: str) -> Path:
    """Write a font with boxes for the characters of NAME."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    for at, point in enumerate(((100, 0), (100, 700), (800, 700), (800, 0))):
        pen.lineTo(point) if at else pen.moveTo(point)
    pen.closePath()
    box = pen.glyph()
    names = [".notdef", *(f"u{ord(character):X}" for character in NAME)]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord(character): f"u{ord(character):X}" for character in NAME})
    builder.setupGlyf(dict.fromkeys(names, box))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (900, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": family, "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def missing_glyphs(name: str) -> int:
    """Draw a name and count the characters that no font had."""
    with canvas.styled(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        figure = canvas.blank(2, 1)
        figure.text(0.1, 0.5, name)
        figure.canvas.draw()
    return sum("missing from font" in str(one.message) for one in caught)


def test_an_installed_font_shows_what_the_own_one_lacks(only_own: Any, tmp_path: Path) -> None:
    """It comes after matplotlib's own, which keeps the look of all other names; then nothing has to be said."""
    assert missing_glyphs(NAME) == len(NAME)
    only_own.addfont(small_font(tmp_path / "font.ttf", "Noto Sans CJK JP"))
    fonts.families.cache_clear()
    assert list(fonts.families()) == [fonts.OWN, "Noto Sans CJK JP"]
    assert missing_glyphs(NAME) == 0
    assert fonts.remark([NAME]) == ""


@pytest.mark.usefixtures("only_own")
@pytest.mark.parametrize("name", [NAME, "\u304b\u306a", "\ud55c\uad6d\uc5b4", "k\uff11", "\U00020bb7"])
def test_without_a_font_it_is_said_what_to_install(name: str) -> None:
    """For characters of each script; other names need no word."""
    assert "fonts-noto-cjk" in fonts.remark(["plain", name])
    assert fonts.remark(["plain", "\u00e9\u03b1\u0436 \u2014 \u2713", ""]) == ""


@pytest.mark.usefixtures("only_own")
def test_a_font_that_was_installed_since_is_found(
    only_own: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """matplotlib keeps a list of fonts on disk; what came after it, or cannot be read, is looked at."""
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    new = small_font(tmp_path / "new.ttf", fonts.EAST_ASIAN[0])
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", lambda: [str(broken), str(new)])
    assert fonts.families() == (fonts.OWN, fonts.EAST_ASIAN[0])
    assert missing_glyphs(NAME) == 0


def test_a_report_says_it_once(tmp_path: Path) -> None:
    """Among the notes of the summary, however many names have such characters."""
    for number, name in enumerate((NAME, "svc")):
        store = new_store(
            tmp_path / str(number), segment([candidate(name, C=1.0), candidate(name, C=2.0)], cells(2))
        )
        run(store, lambda of, on: scored(cv={"accuracy": 0.5}))
        notes = contents_of(store, refit=False).notes
        assert [note for note in notes if "fonts-noto-cjk" in note] == ([fonts.MISSING] if name == NAME else [])
