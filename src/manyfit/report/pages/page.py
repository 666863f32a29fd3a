"""The page: its sections in order, with a list of contents."""

from collections.abc import Sequence
from dataclasses import dataclass

from manyfit.report.pages.markup import Html, element, joined
from manyfit.report.pages.style import CSS


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page; `new_page` begins a sheet of paper with it."""

    id: str
    title: str
    body: Html
    new_page: bool = False


def page(title: str, lead: str, sections: Sequence[Section], foot: str) -> str:
    """Return the whole HTML document."""
    links = [element("a", one.title, attributes={"href": f"#{one.id}"}) for one in sections]
    head = element(
        "head",
        element("meta", attributes={"charset": "utf-8"}),
        element("meta", attributes={"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", attributes={"http-equiv": "Content-Security-Policy", "content": _POLICY}),
        element("title", title),
        element("style", Html(CSS)),
    )
    main = element(
        "main",
        element("h1", title),
        element("p", lead, attributes={"class": "lead"}),
        element("nav", *links, attributes={"aria-label": "Contents"}),
        *map(_section, sections),
        element("footer", foot),
    )
    whole = element("html", head, element("body", main), attributes={"lang": "en"})
    return joined([Html("<!doctype html>\n"), whole, Html("\n")]).text


_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing is run, whatever is in the page."""


def _section(section: Section) -> Html:
    attributes = {"id": section.id, **({"class": "page"} if section.new_page else {})}
    return element("section", element("h2", section.title), section.body, attributes=attributes)
