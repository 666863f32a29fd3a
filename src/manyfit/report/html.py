"""A table as HTML for notebooks: self-contained, no script, readable on dark and light pages."""

import html

import polars as pl

from manyfit.report.tables import is_number, rows

SHOWN = 20


def table_html(frame: pl.DataFrame, *, caption: str = "", limit: int = SHOWN) -> str:
    """Return the first *limit* rows of *frame* as an HTML table; it says when there are more."""
    headers, cells = rows(frame.head(limit))
    align = ["right" if is_number(dtype) else "left" for dtype in frame.dtypes]
    head = "".join(_cell("th", text, side) for text, side in zip(headers, align, strict=True))
    body = "".join(
        "<tr>" + "".join(_cell("td", text, side) for text, side in zip(row, align, strict=True)) + "</tr>"
        for row in cells
    )
    more = f"<p>{limit:,} of {frame.height:,} rows</p>" if frame.height > limit else ""
    title = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _cell(tag: str, text: str, side: str) -> str:
    return f'<{tag} style="text-align:{side};white-space:nowrap">{html.escape(text)}</{tag}>'
