"""Plots: labels that never overlap, bounded sizes, nothing left behind."""

import gc
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from manyfit.report.insights.comparing import Gap, Point, Timing
from manyfit.report.insights.curves import Curve, Curves, Residuals
from manyfit.report.insights.details import Matrix, Series
from manyfit.report.insights.factors import Factor, Family, Grid
from manyfit.report.plots import canvas, labels
from manyfit.report.plots.confusion import draw_confusion, short_count
from manyfit.report.plots.curves import draw_curves
from manyfit.report.plots.effects import draw_effects
from manyfit.report.plots.fronts import draw_front
from manyfit.report.plots.gaps import draw_gap
from manyfit.report.plots.heatmaps import draw_heatmap, readable_on
from manyfit.report.plots.leaders import Leader, draw_leaders
from manyfit.report.plots.learning import draw_series
from manyfit.report.plots.parallel import draw_parallel
from manyfit.report.plots.residuals import draw_residuals
from manyfit.report.plots.times import draw_times

APPLIANCES = (
    "Air conditioner",
    "Compact fluorescent lamp",
    "Coffee maker, espresso type",
    "Fan",
    "Fridge defroster unit",
    "Hair iron and curling device",
    "Hairdryer",
    "Heater (oil-filled radiator)",
    "Incandescent light bulb",
    "Laptop computer charger",
    "Microwave oven, 1200 W",
    "Vacuum cleaner with bag",
    "Washing machine spin cycle",
)
HOSTILE = ("<script>alert(1)</script>", "$x_1$ & \"y\" 'z'", "a\nb\tc\x00", "", "x" * 300, "]]>--><svg>")


@pytest.fixture(autouse=True)
def _styled() -> Iterator[None]:
    with canvas.styled():
        yield


def _matrix(names: tuple[str, ...]) -> Matrix:
    n = len(names)
    counts = np.random.default_rng(0).integers(0, 2000, (n, n))
    return Matrix(names=names, counts=counts, set="cv", n_results=1)


def _factor(name: str, values: tuple[Any, ...], repeats: int = 3) -> Factor:
    every = values * repeats
    return Factor(name=name, values=every, scores=tuple(0.5 + 0.01 * (i % 7) for i in range(len(every))))


def _family(*factors: Factor) -> Family:
    return Family(pipeline="svc", factors=factors, scores=factors[0].scores)


def _grid(rows: tuple[str, ...], columns: tuple[str, ...]) -> Grid:
    shape = (len(rows), len(columns))
    means = tuple(tuple(map(float, row)) for row in np.linspace(0, 1, shape[0] * shape[1]).reshape(shape))
    factor = _factor("C", (1, 2))
    return Grid(
        pipeline="svc",
        across=factor,
        down=factor,
        columns=columns,
        rows=rows,
        means=means,
        counts=((1,) * shape[1],) * shape[0],
    )


def _curves(names: tuple[str, ...]) -> Curves:
    grid = np.linspace(0, 1, 201)
    curves = tuple(Curve(name=name, x=grid, y=grid**0.5, area=0.67) for name in (*names, "macro mean"))
    return Curves(roc=curves, precision=curves, share=0.1)


def _timing(name: str) -> Timing:
    return Timing(
        pipeline=name,
        n_tasks=3,
        n_fused=1,
        fit_seconds=3.0,
        fused_seconds=1.0,
        median_seconds=1.0,
        longest_seconds=2.0,
        other_seconds=0.1,
        peak_bytes=1,
    )


def _all_plots(names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    points = [
        Point(pipeline=name, params="", score=0.1 * i, seconds=0.01 * i, best=True) for i, name in enumerate(names)
    ]
    numbers = tuple(float(i) for i in range(len(names)))
    yield "confusion", draw_confusion(_matrix(names))
    yield "curves", draw_curves(_curves(names))
    yield "effects", draw_effects([_factor("pipeline", names), _factor("C", (0.01, 1, 100))], axis="cv accuracy")
    yield "heat map", draw_heatmap(_grid(names, names[:6]), axis="cv accuracy", greater=True)
    yield (
        "parallel",
        draw_parallel(_family(_factor("kind", names), _factor("C", tuple(numbers))), axis="a", greater=True),
    )
    yield "front", draw_front(points, pipelines=names, axis="cv accuracy")
    gap = Gap(ranked="cv", other="test", pipelines=names, scores=numbers, others=numbers)
    yield "gap", draw_gap(gap, pipelines=names, metric="accuracy")
    leaders = [Leader(pipeline=name, params="C=1 gamma=0.1", score=0.5, folds=(0.4, 0.6)) for name in names]
    yield "leaders", draw_leaders(leaders, pipelines=names, axis="cv accuracy")
    yield "times", draw_times([_timing(name) for name in names])
    series = [Series(name="loss", label=name, pipeline=name, lines=((1.0, 0.5), (0.9,))) for name in names[:3]]
    yield "series", draw_series(series)
    yield "residuals", draw_residuals(Residuals(true=np.arange(20.0), predicted=np.arange(20.0) ** 1.01))


def _overlapping(figure: Any) -> list[str]:
    """Return the tick labels whose boxes overlap, by the renderer: any two of one axis, and those of two axes."""
    renderer = figure.canvas.get_renderer()
    found = []
    for axes in figure.axes:
        shown = [
            (label.get_text(), label.get_window_extent(renderer))
            for axis in (axes.xaxis, axes.yaxis)
            if axes.get_visible() and axis.get_visible()
            for label in labels.shown_labels(axis)
        ]
        for i, (one, box) in enumerate(shown):
            found += [f"{one} / {other}" for other, beside in shown[i + 1 :] if box.overlaps(beside)]
    return found


def _outside(figure: Any) -> list[str]:
    """Return the tick labels that stick out of the figure."""
    renderer = figure.canvas.get_renderer()
    edge = figure.bbox.padded(1.5)
    return [
        label.get_text()
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        if axes.get_visible() and axis.get_visible()
        for label in labels.shown_labels(axis)
        for box in [label.get_window_extent(renderer)]
        if not (edge.contains(box.x0, box.y0) and edge.contains(box.x1, box.y1))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("names", [APPLIANCES, APPLIANCES[:1], HOSTILE], ids=["13 long names", "one", "hostile"])
def test_no_label_overlaps_another_or_leaves_the_figure(names: tuple[str, ...]) -> None:
    """By the renderer's boxes no tick label touches another one, in any plot, and all are inside of it."""
    for name, figure in _all_plots(names):
        assert _overlapping(figure) == [], name
        assert _outside(figure) == [], name


def test_a_plot_with_too_many_labels_is_noticed() -> None:
    """The check of overlaps sees labels that were not made to fit, and `settle` repairs them."""
    figure, [[axes]] = canvas.canvas(3, 3)
    labels.put_names(axes, APPLIANCES, axis="x")
    figure.draw_without_rendering()
    assert _overlapping(figure)
    labels.settle(figure)
    assert not _overlapping(figure)
    assert {label.get_rotation() for label in labels.shown_labels(axes.xaxis)} == {90.0}


@pytest.mark.parametrize("names", [("x" * 60, "y" * 60), (*HOSTILE, "漢字")], ids=["long", "hostile"])
def test_a_figure_grows_until_long_names_of_few_classes_are_inside(names: tuple[str, ...]) -> None:
    """No part of a confusion matrix is cut off, and characters that the font lacks are drawn without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw_confusion(_matrix(names))
    with labels.quiet():
        box = figure.get_tightbbox(figure.canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= width
    assert box.y1 <= height


def test_numbers_in_cells_can_be_read() -> None:
    """The number in a cell has a contrast of at least 4.5 to its ground, and stays inside of the cell."""
    assert readable_on((1.0, 1.0, 1.0)) == "#000000"
    assert readable_on((0.0, 0.1, 0.4)) == "#ffffff"
    figure = draw_confusion(_matrix(APPLIANCES))
    axes = figure.axes[0]
    side = axes.get_window_extent().width / len(APPLIANCES)
    texts = [text.get_window_extent(figure.canvas.get_renderer()) for text in axes.texts]
    assert len(texts) == int((_matrix(APPLIANCES).counts > 0).sum())
    assert max(box.width for box in texts) < side
    assert [short_count(n) for n in (7, 9999, 10_000, 2_000_000)] == ["7", "9999", "10k", "2M"]


def test_names_are_never_part_of_an_svg() -> None:
    """Whatever a class is called, an SVG has shapes only: no text, no script, no address."""
    for name, figure in [next(_all_plots(HOSTILE))]:
        text = canvas.svg_of(figure, name)
        assert not re.search(r"script|alert|<text|<!--|http|xmlns|javascript|\son\w+=", text)
        assert set(re.findall(r'href="(.)', text)) <= {"#"}


def test_svg_is_the_same_each_time() -> None:
    """The same values give the same bytes, and ids begin with the name of the plot."""
    one, other = (canvas.svg_of(draw_confusion(_matrix(APPLIANCES[:3])), "c-1") for _ in range(2))
    assert one == other
    assert all(found.startswith("c-1-") for found in re.findall(r'\sid="([^"]*)"', one))
    assert "var(--ink)" in one
    assert canvas.INK not in one


def test_dense_layers_become_pixels() -> None:
    """Ten thousand candidates are no ten thousand shapes: the file stays small."""
    n = 10_000
    points = [Point(pipeline="svc", params="", score=i % 97 / 97, seconds=0.001 + i, best=False) for i in range(n)]
    assert len(canvas.svg_of(draw_front(points, pipelines=["svc"], axis="score"), "f")) < 300_000
    factor = Factor(name="C", values=tuple(range(n)), scores=tuple(point.score for point in points))
    assert len(canvas.svg_of(draw_effects([factor], axis="score"), "e")) < 300_000
    assert len(canvas.svg_of(draw_parallel(_family(factor, factor), axis="score", greater=True), "p")) < 900_000


def test_nothing_is_left_in_the_process() -> None:
    """Drawing uses no pyplot, leaves the settings as they were, and figures go when nobody holds them."""
    import matplotlib
    from matplotlib.figure import Figure

    before = dict(matplotlib.rcParams)
    with canvas.styled():
        figure = draw_confusion(_matrix(APPLIANCES[:3]))
        canvas.svg_of(figure, "x")
    assert dict(matplotlib.rcParams) == before
    del figure
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Figure)]
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []


def test_many_classes_are_still_a_plot() -> None:
    """A hundred classes have a matrix of bounded size, without numbers and names that nobody could read."""
    figure = draw_confusion(_matrix(tuple(f"class {i}" for i in range(100))))
    assert max(figure.get_size_inches()) <= 10.5
    assert not figure.axes[0].texts
    assert len(canvas.svg_of(figure, "m")) < 400_000
