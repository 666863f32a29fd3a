"""HTML out of parts: every text is escaped, unless it is HTML that was made here."""

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

_VOID = frozenset({"br", "img", "meta", "hr", "wbr"})


@dataclass(frozen=True, slots=True)
class Html:
    """A piece of HTML that needs no more escaping."""

    text: str


Part = Html | str


def element(tag: str, *parts: Part, attributes: Mapping[str, str] | None = None) -> Html:
    """Return an element; parts that are texts are escaped, and so are values of attributes."""
    inside = "".join(f' {name}="{html.escape(value)}"' for name, value in (attributes or {}).items())
    if tag in _VOID:
        return Html(f"<{tag}{inside}>")
    return Html(f"<{tag}{inside}>{joined(parts).text}</{tag}>")


def joined(parts: Iterable[Part]) -> Html:
    """Return parts one after the other."""
    return Html("".join(part.text if isinstance(part, Html) else html.escape(clean(part)) for part in parts))


def clean(text: str) -> str:
    """Return *text* without characters that no HTML page may have."""
    return "".join(c if c in "\n\t" or ((c.isprintable() or c.isspace()) and c >= " ") else "\ufffd" for c in text)


def paragraph(*parts: Part, kind: str = "") -> Html:
    """Return a paragraph of the style *kind*."""
    return element("p", *parts, attributes={"class": kind} if kind else None)


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Part]],
    *,
    right: Iterable[int] = (),
    kind: str = "",
    strong: Iterable[int] = (),
) -> Html:
    """Return a table that scrolls sideways where it is too wide; columns in *right* are numbers."""
    numbers, marked = frozenset(right), frozenset(strong)
    head = element("tr", *(_cell("th", name, i in numbers) for i, name in enumerate(headers)))
    body = [
        element(
            "tr",
            *(_cell("td", cell, i in numbers) for i, cell in enumerate(row)),
            attributes={"class": "best"} if at in marked else None,
        )
        for at, row in enumerate(rows)
    ]
    whole = element(
        "table", element("thead", head), element("tbody", *body), attributes={"class": kind} if kind else None
    )
    return element("div", whole, attributes={"class": "wide"})


def _cell(tag: str, part: Part, number: bool) -> Html:
    scope = {"scope": "col"} if tag == "th" else {}
    return element(tag, part, attributes={**scope, **({"class": "n"} if number else {})})


def facts(pairs: Iterable[tuple[str, Part]]) -> Html:
    """Return names with what belongs to them."""
    return element("dl", *(part for name, value in pairs for part in (element("dt", name), element("dd", value))))


def folded(title: str, *parts: Part) -> Html:
    """Return parts behind a title that opens them."""
    return element("details", element("summary", title), *parts)


def drawing(svg: str, *, name: str, alt: str, caption: Part = "") -> Html:
    """Return a plot with what it shows in words."""
    picture = element("div", Html(svg), attributes={"role": "img", "aria-label": clean(alt), "class": "plot"})
    return element("figure", picture, element("figcaption", caption), attributes={"id": f"plot-{name}"})
