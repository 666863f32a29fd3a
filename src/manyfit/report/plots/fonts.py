"""Fonts of plots: matplotlib's own, and for characters that it lacks those that are installed."""

import contextlib
import functools
from collections.abc import Iterable, Sequence

OWN = "DejaVu Sans"
"""Comes with matplotlib: Latin, Greek, Cyrillic and many signs; no Chinese, Japanese or Korean."""

EAST_ASIAN = (
    *(f"Noto Sans CJK {place}" for place in ("SC", "JP", "KR", "TC", "HK")),
    *(f"Noto Sans {place}" for place in ("SC", "JP", "KR", "TC", "HK")),
    *(f"Source Han Sans {place}" for place in ("SC", "JP", "KR", "TC")),
    *("WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "Droid Sans Fallback", "Arial Unicode MS"),
    *("Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans", "Yu Gothic", "Meiryo"),
    *("IPAexGothic", "IPAGothic", "TakaoPGothic", "Malgun Gothic", "Apple SD Gothic Neo", "NanumGothic"),
)
"""Fonts for Chinese, Japanese and Korean that systems have, those for all three first."""

_RANGES = (
    (0x1100, 0x11FF),
    (0x2E80, 0x33FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xA960, 0xA97F),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
    (0x20000, 0x3FFFF),
)

MISSING = (
    "Names in Chinese, Japanese or Korean are boxes in plots, because no font for them is installed here; install"
    " one (on Debian and Ubuntu: apt install fonts-noto-cjk) and write the report again. Tables show the names."
)


@functools.cache
def families() -> Sequence[str]:
    """Return the families that plots use: where the first lacks a character, the next one that has it is taken."""
    return (OWN, *(_listed() or _listed(look=True)))


def _listed(*, look: bool = False) -> Sequence[str]:
    """Return the families that matplotlib knows; *look* adds fonts that were installed after it made its list."""
    from matplotlib.font_manager import findSystemFonts, fontManager

    if look:
        known = {font.fname for font in fontManager.ttflist}
        for path in sorted(set(findSystemFonts()) - known):
            with contextlib.suppress(OSError, RuntimeError):  # no font that it can read
                fontManager.addfont(path)
    there = {font.name for font in fontManager.ttflist}
    return [name for name in EAST_ASIAN if name in there]


def remark(texts: Iterable[str]) -> str:
    """Return what to do where *texts* have characters that no installed font shows; "" where all is well."""
    if len(families()) > 1 or not any(_is_east_asian(character) for text in texts for character in text):
        return ""
    return MISSING


def _is_east_asian(character: str) -> bool:
    code = ord(character)
    return code >= _RANGES[0][0] and any(low <= code <= high for low, high in _RANGES)
