"""The command that says which candidates differ: compare."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.contracts.store import Store
    from manyfit.report.ranking import Ranking

SweepsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SWEEP...",
        show_default=False,
        help="One sweep or several, each as in other commands; of several each is a data set of a ranking.",
    ),
]
MetricOption = Annotated[
    str | None,
    typer.Option(
        "--metric", metavar="NAME", show_default=False, help="Compare this metric; else the sweep's own."
    ),
]
SplitOption = Annotated[
    str | None, typer.Option("--split", metavar="NAME", show_default=False, help="Only this split.")
]
PipelineBestOption = Annotated[
    bool,
    typer.Option(
        "--pipeline-best/--candidates",
        help="Compare the best candidate of each pipeline, or single candidates whatever their pipeline.",
    ),
]
TopOption = Annotated[
    int | None,
    typer.Option(
        "--top",
        metavar="N",
        min=2,
        show_default=False,
        help="With --candidates: how many, from the best on; else 10.",
    ),
]
AlphaOption = Annotated[
    float,
    typer.Option("--alpha", metavar="P", min=0.0001, max=0.5, help="Level of the tests and of the intervals."),
]
RopeOption = Annotated[
    float | None,
    typer.Option(
        "--rope",
        metavar="DIFFERENCE",
        min=0.0,
        show_default=False,
        help="Show how probable it is that two differ by more than this, which does not matter in practice.",
    ),
]
OneSeOption = Annotated[
    bool, typer.Option("--one-se", help="Show the simplest candidate within one standard error of the best.")
]
SimplestOption = Annotated[
    list[str] | None,
    typer.Option(
        "--simplest",
        metavar="ORDER",
        show_default=False,
        help="With --one-se: what is simple. time (the shortest fit, if nothing is said), or a parameter and its"
        " direction: C,asc or alpha,desc. Repeatable: the first decides, then the next.",
    ),
]
RanksOption = Annotated[bool, typer.Option("--ranks", help="Show the ranking over data sets alone.")]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        show_default=False,
        help="Draw the ranking over data sets: .png, .svg or .pdf. Needs the extra manyfit[plots].",
    ),
]


def compare(
    sweeps: SweepsArgument,
    metric: MetricOption = None,
    split: SplitOption = None,
    pipeline_best: PipelineBestOption = True,
    top: TopOption = None,
    alpha: AlphaOption = 0.05,
    rope: RopeOption = None,
    one_se: OneSeOption = False,
    simplest: SimplestOption = None,
    ranks: RanksOption = False,
    plot: PlotOption = None,
    store: options.StoreOption = "",
    as_json: options.JsonOption = False,
) -> None:
    """
    Test which candidates differ from the best.

    Over folds and seeds: the best candidate of each pipeline against the best of all, paired by fold and seed.
    Several sweeps, splits or data variants are data sets of a ranking.
    """
    from manyfit import connect
    from manyfit.api.comparing import SHOWN_CANDIDATES
    from manyfit.model.errors import UserError

    if pipeline_best and top is not None:
        raise UserError("--top counts single candidates; write --candidates --top N")
    names = [options.target(sweep, store) for sweep in sweeps]
    stores = [connect.open_store(name) for name in names]
    if one_se or simplest:
        _one_se(stores, names, metric, split, simplest or [], as_json=as_json)
        return
    count = None if pipeline_best else top or SHOWN_CANDIDATES
    _compare(stores, names, metric, split, count, alpha, rope, plot, as_json=as_json, ranks=ranks)


def _compare(
    stores: "Sequence[Store]",
    names: Sequence[str],
    metric: str | None,
    split: str | None,
    top: int | None,
    alpha: float,
    rope: float | None,
    plot: Path | None,
    *,
    as_json: bool,
    ranks: bool,
) -> None:
    from manyfit.api.comparing import compared, ranked_over
    from manyfit.cli import comparisons as shown
    from manyfit.cli.output import Output
    from manyfit.model.errors import UserError
    from manyfit.report.comparison_facts import comparison_facts, ranking_facts

    out = Output(as_json=as_json)
    found = compared(stores, metric=metric, split=split, top=top, alpha=alpha, rope=rope)
    ranking = ranked_over(found, candidates=top is not None, alpha=alpha) if len(found) > 1 else None
    if ranking is None and (ranks or plot is not None):
        raise UserError(
            "a ranking takes two data sets (sweeps, splits, variants) and two competitors that all have"
        )
    out.json(
        {
            "comparisons": [comparison_facts(one) for one in found],
            "ranking": ranking_facts(ranking) if ranking else None,
        }
    )
    _say_without_scores(out, stores, {one.contest.sweep for one in found}, names)
    for number, one in enumerate([] if ranks else found):
        shown.show_comparison(out, one, several=len(stores) > 1, first=not number)
    if ranking is not None:
        shown.show_ranking(out, ranking, first=ranks)
        _draw(out, ranking, plot)


def _say_without_scores(
    out: "Output", stores: "Sequence[Store]", compared: Collection[str], names: Sequence[str]
) -> None:
    """Say of each sweep that has nothing to compare why that is; *names* are what the user calls them."""
    from manyfit.cli.commands.states import without_scores

    for store, name in zip(stores, names, strict=True):
        if store.sweep not in compared:
            out.wrapped((f"{store.sweep}: " if len(stores) > 1 else "") + without_scores(store, name))


def _draw(out: "Output", ranking: "Ranking", plot: Path | None) -> None:
    from manyfit.report.plots.canvas import save
    from manyfit.report.plots.ranks import draw_ranks

    if plot is None:
        return
    save(lambda: draw_ranks(ranking), plot)
    out.line(f"\nwrote {plot}")


def _one_se(
    stores: "Sequence[Store]",
    names: Sequence[str],
    metric: str | None,
    split: str | None,
    orders: Sequence[str],
    *,
    as_json: bool,
) -> None:
    from manyfit.api.comparing import simplest
    from manyfit.cli import comparisons as shown
    from manyfit.cli.output import Output
    from manyfit.report.comparison_facts import choice_facts

    out = Output(as_json=as_json)
    found = [
        (store.sweep, choice)
        for store in stores
        for choice in simplest(store, metric=metric, split=split, orders=orders)
    ]
    out.json({"choices": [{"sweep": sweep, **choice_facts(choice)} for sweep, choice in found]})
    scored = [store.sweep for store in stores if store.snapshot().counts.done]
    _say_without_scores(out, stores, scored, names)
    if not found and scored:
        out.wrapped("nothing to choose: the best candidate has fewer than two scores, so that no error is known")
    for number, (sweep, choice) in enumerate(found):
        shown.show_choice(out, choice, sweep if len(stores) > 1 else "", first=not number)
