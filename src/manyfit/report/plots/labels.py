"""Texts on axes that never overlap: wrapped, turned or made smaller until the renderer says that they fit."""

import itertools
import math
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

LINE, MOST_LINES = 18, 3
LONGEST = LINE * MOST_LINES
SMALLEST = 5.0
_GAP = 1.0
"""Pixels between two labels, at least."""


def one_line(text: object, longest: int = LONGEST) -> str:
    """Return *text* without line ends and control characters, cut in the middle with "…" where it is too long."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in str(text)).split()) or "-"
    if len(clean) <= longest:
        return clean
    # names that are long often differ at their ends
    end = longest // 3
    return f"{clean[: longest - end - 1]}…{clean[-end:]}"


def wrapped(text: object, width: int = LINE, lines: int = MOST_LINES) -> str:
    """Return *text* in at most *lines* lines of about *width* characters."""
    clean = one_line(text, width * lines)
    parts = textwrap.wrap(clean, width, break_on_hyphens=False)
    if len(parts) > lines:
        parts = textwrap.wrap(clean, math.ceil(len(clean) / lines) + 4)[:lines]
    return "\n".join(parts)


def number(value: float) -> str:
    """Return a number for an axis: short, without an exponent where that is readable."""
    if value != 0 and (abs(value) >= 1e6 or abs(value) < 1e-4):
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{value:.4g}"


def plain_numbers(axis: Any) -> None:
    """Write the ticks of *axis* (a matplotlib Axis) as plain short numbers, also on a log scale."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_formatter(NullFormatter())


def decades(axis: Any, low: float, high: float) -> None:
    """Put at most seven ticks on a log axis from *low* to *high*."""
    from matplotlib.ticker import FixedLocator, NullLocator

    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    if last - first <= 2:
        found = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    else:
        step = max(1, math.ceil((last - first) / 6))
        found = [10.0**power for power in range(first, last + 1, step)]
    axis.set_major_locator(FixedLocator([at for at in found if low * 0.999 <= at <= high * 1.001] or [low, high]))
    axis.set_minor_locator(NullLocator())
    plain_numbers(axis)


def put_names(
    axes: Any, names: Sequence[object], *, axis: str, offset: float = 0.0, longest: int = LONGEST
) -> None:
    """Label the places *offset*, 1 + *offset*, ... of one *axis* ("x" or "y") with *names*; see `settle`."""
    which = axes.xaxis if axis == "x" else axes.yaxis
    places = [place + offset for place in range(len(names))]
    which.set_ticks(places, [wrapped(one_line(name, longest), longest // 2 + 1, 2) for name in names])
    which.set_tick_params(length=0)


def settle(figure: Any) -> None:
    """
    Wrap, turn and shrink the tick labels of every axis of *figure* until no two of one axis overlap.

    A figure that is too small for its labels grows. Its layout is fixed from then on. Characters that the font
    lacks are boxes, without a warning.
    """
    with quiet():
        _settle(figure)


def _settle(figure: Any) -> None:
    for _ in range(_LOOKS):
        _lay_out(figure)
        changed = [_settle_x(figure, axes) | _settle_y(figure, axes) for axes in figure.axes if axes.get_visible()]
        if not any(changed):
            break
    else:
        _lay_out(figure)
    _grow(figure)
    figure.set_layout_engine("none")


def _grow(figure: Any) -> None:
    """Make *figure* larger by what sticks out of it, and lay it out again, until nothing does."""
    for _ in range(_LOOKS):
        box = figure.get_tightbbox(figure.canvas.get_renderer())
        width, height = figure.get_size_inches()
        more = [max(0.0, -box.x0) + max(0.0, box.x1 - width), max(0.0, -box.y0) + max(0.0, box.y1 - height)]
        if max(more) <= _SLACK_INCHES:
            break
        figure.set_size_inches(width + more[0] + _MARGIN_INCHES, height + more[1] + _MARGIN_INCHES)
        _lay_out(figure)


_SLACK_INCHES, _MARGIN_INCHES = 0.01, 0.1
_LOOKS = 4
"""Labels that changed their size change the layout, which may let others overlap."""


def overlaps(figure: Any, axis: Any) -> bool:
    """Whether any two tick labels of *axis* overlap on the canvas as it is laid out now."""
    renderer = figure.canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in shown_labels(axis)]
    along = (lambda box: (box.x0, box.x1)) if axis.axis_name == "x" else (lambda box: (box.y0, box.y1))
    spans = sorted(map(along, boxes))
    return any(left[1] + _GAP > right[0] for left, right in itertools.pairwise(spans))


def shown_labels(axis: Any) -> list[Any]:
    """Return the tick labels of *axis* that are drawn."""
    low, high = sorted(axis.get_view_interval())
    pairs = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)
    return [label for at, label in pairs if low <= at <= high and label.get_visible() and label.get_text()]


_TURNS = ((0, 9.0, 14), (0, 8.0, 12), (90, 8.5, LINE + 4), (90, 7.5, LINE + 4), (90, 6.5, 99), (90, SMALLEST, 99))
"""Angle, size and characters of a line of the labels at an x axis: the first that fits is taken."""
_SIZES = ((9.0, LINE + 8), (8.0, LINE + 8), (7.0, 99), (6.0, 99), (SMALLEST, 99))
"""Size and characters of a line of the labels at a y axis."""


def _settle_x(figure: Any, axes: Any) -> bool:
    """Make the labels at the x axis fit; return whether they had to change."""
    if not overlaps(figure, axes.xaxis):
        return False
    texts = _texts(axes.xaxis)
    for turn, size, width in _TURNS:
        _set(axes.xaxis, [wrapped(text, width) for text in texts], size, turn)
        if not overlaps(figure, axes.xaxis):
            return True
    _thin(figure, axes.xaxis)
    return True


def _settle_y(figure: Any, axes: Any) -> bool:
    if not overlaps(figure, axes.yaxis):
        return False
    texts = _texts(axes.yaxis)
    for size, width in _SIZES:
        _set(axes.yaxis, [wrapped(text, width, 2) for text in texts], size, 0)
        if not overlaps(figure, axes.yaxis):
            return True
    _thin(figure, axes.yaxis)
    return True


def _texts(axis: Any) -> list[str]:
    return [label.get_text().replace("\n", " ") for label in axis.get_majorticklabels()]


def _set(axis: Any, texts: Sequence[str], size: float, turn: float) -> None:
    if _is_fixed(axis):
        axis.set_ticks(axis.get_majorticklocs(), texts)
    axis.set_tick_params(labelsize=size, labelrotation=turn)


def _is_fixed(axis: Any) -> bool:
    from matplotlib.ticker import FixedFormatter

    return isinstance(axis.get_major_formatter(), FixedFormatter)


def _thin(figure: Any, axis: Any) -> None:
    """Leave out labels until the rest fits: the last resort."""
    locations, texts = list(axis.get_majorticklocs()), _texts(axis)
    if not _is_fixed(axis):
        axis.set_major_locator(_few(len(locations) // 2))
        return
    step = 2
    while len(locations) / step > 1 and overlaps(figure, axis):
        axis.set_ticks(locations[::step], texts[::step])
        step += 1


def _few(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(max(2, most))


def _lay_out(figure: Any) -> None:
    figure.get_layout_engine().execute(figure)


@contextmanager
def quiet() -> Iterator[None]:
    """Let names have characters that the font lacks, and figures be too small at first, without warnings."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph.*")
        warnings.filterwarnings("ignore", message=".*constrained_layout.*")
        yield
