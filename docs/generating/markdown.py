"""Markdown from values, and the documentation of names that Python keeps only in the source."""

import ast
import inspect
import re
from collections.abc import Iterable, Sequence
from types import ModuleType

NOTE = "<!-- Written by docs/generate.py from the program; change the program or the generator, not this page. -->"


def page(title: str, *parts: str) -> str:
    """Return a page: its title, the note that it is generated, and its parts."""
    return "\n\n".join([f"# {title}", NOTE, *(part.strip() for part in parts if part.strip())]) + "\n"


def under(heading: str, *parts: str) -> str:
    """Return a section: its heading and its parts, with an empty line between them."""
    return "\n\n".join([f"## {heading}", *(part.strip() for part in parts)])


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(text: str) -> str:
    """Return *text* as inline code."""
    return f"`{text}`"


def listed(names: Iterable[object]) -> str:
    """Return names as inline code with commas."""
    return ", ".join(code(str(name)) for name in names)


def prose(docstring: str | None) -> str:
    """Return a docstring as Markdown: argument names in stars and doubled backticks become code."""
    text = inspect.cleandoc(docstring or "").replace("``", "`")
    return re.sub(r"(?<![\w*`])\*(\w+)\*(?![\w*`])", r"`\1`", text)


def attribute_docs(module: ModuleType, class_name: str) -> dict[str, str]:
    """Return the docstrings below the attributes of a class, by attribute; Python itself forgets them."""
    tree = ast.parse(inspect.getsource(module))
    body = next(node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    found: dict[str, str] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            is_text = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            found[node.targets[0].id] = inspect.cleandoc(str(following.value.value)) if is_text else ""
    return found
