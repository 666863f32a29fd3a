"""All sections of a report: what is drawn, with words about it."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from manyfit.report.insights.contents import Contents, Lead, Verified
from manyfit.report.insights.factors import Family, Grid
from manyfit.report.insights.standing import Standing
from manyfit.report.pages import closing, opening
from manyfit.report.pages.markup import Html, Part, drawing, element, folded, joined, paragraph, table
from manyfit.report.pages.page import Section
from manyfit.report.plots.canvas import svg_of
from manyfit.report.plots.confusion import draw_confusion
from manyfit.report.plots.curves import draw_curves
from manyfit.report.plots.effects import draw_effects
from manyfit.report.plots.fronts import draw_front
from manyfit.report.plots.gaps import draw_gap
from manyfit.report.plots.heatmaps import draw_heatmap
from manyfit.report.plots.leaders import Leader, draw_leaders
from manyfit.report.plots.learning import draw_series
from manyfit.report.plots.parallel import MOST_AXES, MOST_LINES, draw_parallel
from manyfit.report.plots.residuals import draw_residuals
from manyfit.report.plots.times import draw_times
from manyfit.report.texts import show_number

MOST_PANELS = 9
MOST_FAMILIES = 5
"""Pipelines whose parameters are drawn; the numbers of all are in a table."""

OnFigure = Callable[[str, Any], None]
"""Is handed the name and the figure of every plot, for files."""


def sections(found: Contents, *, top: int, on_figure: OnFigure) -> Iterator[Section]:
    """Yield the sections of the report that there is anything for."""
    draw = _Drawing(on_figure)
    standing = found.standing
    yield Section(id="summary", title="Summary", body=opening.summary(found))
    if standing is not None and standing.scored.height:
        yield Section(id="leaderboard", title="Leaderboard", body=_leaderboard(found, standing, top, draw))
        yield from _filled("effects", "Effects of parameters and factors", _effects(found, standing, draw), True)
        yield from _filled("heatmaps", "Two parameters together", _heatmaps(found, standing, draw), False)
        yield from _filled("parallel", "All parameters of a candidate", _parallel(found, standing, draw), False)
        yield Section(id="times", title="Score against fit time", body=_front(found, standing, draw))
        yield from _filled("confusion", "Confusion matrices", _confusion(found, draw), True)
        yield from _filled("curves", "ROC and precision-recall curves", _curves(found, draw), False)
        yield from _filled("predictions", "Predicted against true", _residuals(found, draw), False)
        yield from _filled("generalisation", "Validation against held-out", _gaps(found, standing, draw), False)
        yield from _filled("learning", "Learning curves", _learning(found, draw), False)
    yield Section(id="failures", title="Failures", body=closing.failures(found))
    if found.timings:
        plot = draw("timings", draw_times(found.timings), "Seconds of fitting by pipeline.", "")
        yield Section(id="timings", title="Timings", body=closing.timings(found.timings, plot))
    yield Section(id="provenance", title="Provenance", body=closing.origin(found), new_page=True)


class _Drawing:
    """Turns figures into HTML, and hands each to whoever wants it as a file."""

    def __init__(self, on_figure: OnFigure) -> None:
        self._on_figure = on_figure

    def __call__(self, name: str, figure: Any, alt: str, caption: Part) -> Html:
        self._on_figure(name, figure)
        return drawing(svg_of(figure, name), name=name, alt=alt, caption=caption)


def _filled(name: str, title: str, parts: Iterator[Html], new_page: bool) -> Iterator[Section]:
    body = joined(parts)
    if body.text:
        yield Section(id=name, title=title, body=body, new_page=new_page)


def _leaderboard(found: Contents, standing: Standing, top: int, draw: _Drawing) -> Html:
    rows = standing.scored.head(len(found.folds)).iter_rows(named=True)
    leaders = [
        Leader(pipeline=row["pipeline"], params=_params(row, standing), score=row["score"], folds=tuple(folds))
        for row, folds in zip(rows, found.folds, strict=True)
    ]
    figure = draw_leaders(leaders, pipelines=found.pipelines, axis=standing.score_name)
    caption = "Mark: the mean. Ticks: each fold and seed; the line joins the lowest and the highest."
    plot = draw("leaderboard", figure, f"The best candidates by {standing.score_name}.", caption)
    return opening.leaderboard(found, plot, top)


def _params(row: Any, standing: Standing) -> str:
    factors = [name for name in ("features", "variant") if standing.board[name].n_unique() > 1]
    return " ".join([row["params"] or "", *(f"{name}={row[name]}" for name in factors)]).strip()


def _effects(found: Contents, standing: Standing, draw: _Drawing) -> Iterator[Html]:
    shown = [one for one in found.families if one.factors][:MOST_FAMILIES]
    if not found.factors and not shown:
        return
    yield paragraph(_EFFECTS, kind="quiet")
    if found.factors:
        yield element("h3", "All pipelines")
        figure = draw_effects(found.factors[:MOST_PANELS], axis=standing.score_name)
        yield draw("effects", figure, f"{standing.score_name} by pipeline and other factors.", "")
    for number, family in enumerate(shown, 1):
        yield element("h3", f"Pipeline {family.pipeline}")
        yield draw(f"effects-{number}", *_family_effects(family, standing))
    left = [one.pipeline for one in found.families if one.factors][MOST_FAMILIES:]
    if left:
        yield paragraph(f"Not drawn, only in the table below: {', '.join(left)}.", kind="quiet")
    yield opening.every_effect(found)


_EFFECTS = (
    "Each small mark is a candidate; the large ones are means over the candidates with that value, the lines their"
    " middle half. Effect: the difference between the best and the worst of these means; panels stand in"
    " the order of their effects. Other parameters vary as the sweep varied them: these are no controlled"
    " comparisons unless the grid is full."
)


def _family_effects(family: Family, standing: Standing) -> tuple[Any, str, str]:
    factors = family.factors[:MOST_PANELS]
    effects = "; ".join(f"{one.name} {show_number(one.effect)}" for one in factors)
    more = (
        f" (of {len(family.factors)} factors, the {MOST_PANELS} with most)" if family.factors[MOST_PANELS:] else ""
    )
    alt = f"{standing.score_name} of {family.pipeline} by each parameter."
    return draw_effects(factors, axis=standing.score_name), alt, f"Effects{more}: {effects}."


def _heatmaps(found: Contents, standing: Standing, draw: _Drawing) -> Iterator[Html]:
    for number, grid in enumerate(found.grids, 1):
        yield element("h3", f"{grid.pipeline}: {grid.across.name} and {grid.down.name}")
        figure = draw_heatmap(grid, axis=standing.score_name, greater=standing.greater)
        alt = f"Mean {standing.score_name} by {grid.across.name} and {grid.down.name}."
        yield draw(f"heatmap-{number}", figure, alt, _means(grid))


def _means(grid: Grid) -> str:
    counts = [count for row in grid.counts for count in row if count]
    low, high = min(counts), max(counts)
    of = f"{low}" if low == high else f"{low} to {high}"
    each = "one candidate" if high == 1 else f"the mean of {of} candidates, over all their other parameters"
    return f"Each cell: {each}. Empty cells have no result."


def _parallel(found: Contents, standing: Standing, draw: _Drawing) -> Iterator[Html]:
    shown = [one for one in found.families if len(one.factors) > 1 and len(one.scores) > 3][:2]
    for number, family in enumerate(shown, 1):
        yield element("h3", f"Pipeline {family.pipeline}")
        figure = draw_parallel(family, axis=standing.score_name, greater=standing.greater)
        yield draw(f"parallel-{number}", figure, f"Candidates of {family.pipeline} as lines.", _lines(family))


def _lines(family: Family) -> str:
    n = len(family.scores)
    step = math.ceil(n / MOST_LINES)
    drawn = f"Every {step}th of {n:,} candidates, by rank" if step > 1 else f"{n:,} candidates"
    axes = f" The {MOST_AXES} axes with the largest effects." if len(family.factors) > MOST_AXES else ""
    return f"{drawn}; light lines have better scores, the orange one is the best.{axes}"


def _front(found: Contents, standing: Standing, draw: _Drawing) -> Html:
    figure = draw_front(found.points, pipelines=found.pipelines, axis=standing.score_name)
    alt = f"{standing.score_name} against mean fit time."
    plot = draw("fit-time", figure, alt, "Each mark is a candidate. The dashed line is the Pareto front.")
    best = [one for one in found.points if one.best]
    rows = [[one.pipeline, one.params, show_number(one.score), f"{one.seconds:.4g}"] for one in best[-12:]]
    headers = ("pipeline", "parameters", standing.score_name, "seconds of a fit")
    return joined([plot, folded("Candidates on the front", table(headers, rows, right=(2, 3)))])


def _confusion(found: Contents, draw: _Drawing) -> Iterator[Html]:
    for number, lead in enumerate(found.leads, 1):
        if lead.matrix is None:
            continue
        yield _titled(lead)
        plots = [draw(f"confusion-{number}", draw_confusion(lead.matrix), f"Confusion matrix of {lead.name}.", "")]
        if lead.categories is not None:
            figure = draw_confusion(lead.categories)
            plots.append(draw(f"categories-{number}", figure, f"Categories, {lead.name}.", "By category."))
        yield element("div", *plots, attributes={"class": "side"})
        n = lead.matrix.n_results
        summed = "" if n == 1 else f", summed over {n} results (folds and seeds)"
        yield paragraph(
            f"Rows of the set {lead.matrix.set}{summed}. Numbers are counts; the colour is the part of"
            " the true class, which is a row of the matrix.",
            kind="quiet",
        )
        pairs = [[true, predicted, f"{n:,}"] for true, predicted, n in lead.matrix.confused(10)]
        if pairs and len(lead.matrix.names) > 2:
            yield folded("Confused most often", table(("true", "predicted", "rows"), pairs, right=[2]))


def _titled(lead: Lead) -> Html:
    return element("h3", f"{lead.name} (rank {lead.row['rank']:,})")


def _curves(found: Contents, draw: _Drawing) -> Iterator[Html]:
    if not any(lead.curves for lead in found.leads):
        yield from _unanswered(found.leads if _is_classification(found) else ())
        return
    for number, lead in enumerate(found.leads, 1):
        yield _titled(lead)
        if lead.curves is not None:
            alt = f"ROC and precision-recall curves of {lead.name}."
            yield draw(f"curves-{number}", draw_curves(lead.curves), alt, "")
        yield paragraph(f"{lead.note} {_CURVES if lead.curves else ''}", kind="quiet")


_CURVES = (
    "Each class against the rest, the mean over folds and seeds; numbers are mean areas. The dotted line is"
    " guessing: for precision, the part of positive rows."
)


def _is_classification(found: Contents) -> bool:
    return any(lead.matrix is not None for lead in found.leads)


def _unanswered(leads: Sequence[Lead]) -> Iterator[Html]:
    """Yield why there are no curves."""
    for lead in leads:
        if lead.note:
            yield paragraph(f"{lead.name}: {lead.note}", kind="quiet")


def _residuals(found: Contents, draw: _Drawing) -> Iterator[Html]:
    for number, lead in enumerate(found.leads, 1):
        if lead.residuals is not None:
            yield _titled(lead)
            alt = f"Predicted against true values of {lead.name}."
            yield draw(f"residuals-{number}", draw_residuals(lead.residuals), alt, lead.note)
        elif not _is_classification(found) and lead.note:
            yield paragraph(f"{lead.name}: {lead.note}", kind="quiet")


def _gaps(found: Contents, standing: Standing, draw: _Drawing) -> Iterator[Html]:
    for number, gap in enumerate(found.gaps, 1):
        figure = draw_gap(gap, pipelines=found.pipelines, metric=standing.metric)
        alt = f"{standing.metric} on {gap.other} against {gap.ranked}."
        yield draw(f"generalisation-{number}", figure, alt, _beside(gap.other, standing))
    if found.gaps:
        yield element("h3", "Best candidate of each pipeline")
        yield _gap_table(found, standing)
    for one in found.verifications:
        yield element("h3", f"Verified: {one.headline}")
        yield _verified_table(one)


def _beside(other: str, standing: Standing) -> str:
    if other == "train":
        return "Far from the line, a candidate knows its training rows by heart."
    side = "Below" if standing.greater else "Above"
    return f"{side} the line a candidate is worse than it seemed."


def _gap_table(found: Contents, standing: Standing) -> Html:
    sets = [gap.other for gap in found.gaps]
    sign = 1.0 if standing.greater else -1.0
    rows = []
    for row in standing.leaders(len(found.pipelines)):
        cells = [row["pipeline"], row["params"] or "", show_number(row["score"])]
        for name in sets:
            value = row[f"{name}_{standing.metric}"]
            gap = None if value is None else sign * (row["score"] - value)
            cells += ["-" if value is None else show_number(value), "-" if gap is None else f"{gap:+.4f}"]
        rows.append(cells)
    headers = ["pipeline", "parameters", standing.score_name, *(part for name in sets for part in (name, "gap"))]
    note = paragraph("A positive gap: worse there than on the set that ranks.", kind="quiet")
    return joined([table(headers, rows, right=range(2, len(headers))), note])


def _verified_table(found: Verified) -> Html:
    rows = [
        [row["pipeline"], row["params"] or "", *(_score(row[name]) for name in ("validation", "verified", "gap"))]
        for row in found.models.iter_rows(named=True)
    ]
    return table(("pipeline", "parameters", "score of the sweep", "verified", "gap"), rows, right=(2, 3, 4))


def _score(value: float | None) -> str:
    return "-" if value is None else show_number(value)


def _learning(found: Contents, draw: _Drawing) -> Iterator[Html]:
    series = [one for lead in found.leads for one in lead.series]
    if series:
        caption = "Thin lines: folds and seeds; thick: their mean."
        yield draw("learning", draw_series(series), "Series of training by step.", caption)
