"""What all plots share: the look, empty figures, and figures as SVG for a page or as a file."""

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from manyfit.model.errors import MissingExtra, UserError
from manyfit.report.plots.fonts import families
from manyfit.report.plots.labels import quiet
from manyfit.report.whole import write_whole

ENDINGS = (".png", ".svg", ".pdf")
"""Of files with one plot."""

INK, MUTED, RULE = "#1b1c1f", "#5b6069", "#d7d9de"
"""Colours of texts, of texts beside them, and of lines behind the data; a page gives them its own."""
PAPER = "#ffffff"
ACCENT = "#0072b2"

COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#8c6d31")
"""Colours that people with any colour vision tell apart; each comes with a marker of its own."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_SIZES = {"*": 1.6, "P": 1.2, "X": 1.2, "D": 0.9}
SEQUENTIAL = "cividis"
"""From low to high, the same order in grey and for any colour vision."""

MOST_MARKS = 1500
"""With more marks than this a layer is drawn as pixels, also in SVG."""

_TELLING: Mapping[str, Sequence[str]] = {
    "png": ("Software",),
    "svg": ("Date", "Creator"),
    "pdf": ("CreationDate", "Creator", "Producer"),
}
"""What files would tell of when and with what they were drawn."""

_STYLE: Mapping[str, Any] = {
    "font.size": 9.0,
    "text.parse_math": False,
    "text.usetex": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.unicode_minus": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "svg.id": None,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
}


def check() -> None:
    """Raise `MissingExtra` where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as exc:
        raise MissingExtra("plots need matplotlib; install it: pip install 'manyfit[plots]'") from exc


@contextmanager
def styled(salt: str = "manyfit") -> Iterator[None]:
    """Draw with manyfit's look inside; *salt* makes the names inside an SVG its own."""
    check()
    import matplotlib

    known: Any = {name: value for name, value in _STYLE.items() if name in matplotlib.rcParams}
    plain: Any = {
        name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")
    }
    own = {"svg.hashsalt": salt, "font.family": list(families())}
    with matplotlib.rc_context(plain | known | own):
        yield


def canvas(width: float, height: float, *, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, Any]:
    """Return a figure of *width* x *height* inches and its axes, an array of rows x columns."""
    figure = blank(width, height, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def blank(width: float, height: float, *, layout: Literal["constrained"] | None = None) -> Any:
    """Return a figure of *width* x *height* inches with nothing on it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def svg_of(figure: Any, name: str) -> str:
    """
    Return *figure* as an SVG element for an HTML page.

    Its ids begin with *name*, so that several stand on one page. Texts are shapes: no name that a user gave is
    in it. Colours of texts and lines follow the page, by its variables --ink, --muted and --rule.
    """
    text = _svg(figure, name)
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text).replace("xlink:href=", "href=")
    text = re.sub(r'(\sid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, variable in ((INK, "--ink"), (MUTED, "--muted"), (RULE, "--rule")):
        text = re.sub(re.escape(color), f"var({variable})", text, flags=re.I)
    return re.sub(r"\n\s*", "\n", text).strip()


def file_of(figure: Any, ending: str) -> bytes:
    """Return *figure* as the bytes of a PNG, SVG or PDF file, on white."""
    return _saved(figure, ending, "manyfit", facecolor=PAPER)


def check_path(path: Path) -> None:
    """Raise `UserError` for an ending that no plot has."""
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f'a plot cannot be written as "{path.name}"; endings: {", ".join(ENDINGS)}')


def save(draw: Callable[[], Any], path: Path) -> Path:
    """
    Write the figure that *draw* returns to *path*, complete or not at all, and return the path.

    Raises `MissingExtra` without matplotlib, `UserError` for an ending that is not in `ENDINGS` and for a place
    that cannot be written.
    """
    check_path(path)
    with styled():
        write_whole(path, file_of(draw(), path.suffix.lower()[1:]))
    return path


def _svg(figure: Any, name: str) -> str:
    """Return *figure* as SVG, in a third less time than `savefig`, which draws everything twice."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    out, before = io.StringIO(), figure.canvas
    try:
        with styled(name), quiet():
            svg: Any = FigureCanvasSVG(figure)
            svg.print_svg(out, metadata={"Date": None, "Creator": None})
    finally:
        figure.set_canvas(before)
    return out.getvalue()


def _saved(figure: Any, ending: str, salt: str, **options: Any) -> bytes:
    out = io.BytesIO()
    metadata = dict.fromkeys(_TELLING[ending])
    with styled(salt), quiet():
        figure.savefig(out, format=ending, dpi=150, metadata=metadata, **options)
    return out.getvalue()


def color_of(place: int) -> str:
    """Return the colour of the series at *place*; after the last colour they begin again with other markers."""
    return COLORS[place % len(COLORS)]


def marker_of(place: int) -> str:
    """Return the marker of the series at *place*."""
    return MARKERS[(place + place // len(COLORS)) % len(MARKERS)]


def size_of(place: int, size: float) -> float:
    """Return the size of the marker of the series at *place* that looks as large as a circle of *size*."""
    return size * _SIZES.get(marker_of(place), 1.0)


def is_dense(n_marks: int) -> bool:
    """Whether so many marks are drawn as pixels."""
    return n_marks > MOST_MARKS
