"""Comparisons, rankings and choices in a terminal."""

from typing import TYPE_CHECKING

from manyfit.cli.boards import show_score
from manyfit.cli.output import GAP, Output

if TYPE_CHECKING:
    from manyfit.report.comparing import Comparison, Pairing
    from manyfit.report.ranking import Ranking
    from manyfit.report.simplest import Choice


def show_comparison(out: Output, comparison: "Comparison", *, several: bool, first: bool) -> None:
    """Show one table: each candidate against the best."""
    from manyfit.report.comparing import divisions_text, mean_ratio, notes_on

    contest, best = comparison.contest, comparison.best
    if not first:
        out.line()
    out.wrapped(
        f"{_where(comparison, several=several)}{contest.set} {contest.metric} over {divisions_text(contest)}"
    )
    out.wrapped(f"best: {best.name}, {show_score(best.score)}", indent="      ")
    if not comparison.pairings:
        out.wrapped("nothing to compare with: no other pipeline has a score; --candidates compares single ones")
        return
    out.line()
    _table(out, comparison)
    out.line()
    if comparison.rope is not None:
        out.wrapped(
            f"below, within, above: how probable a true difference below -{comparison.rope:g}, within, or above"
            f" {comparison.rope:g} is (Bayesian correlated t-test)"
        )
    if any(pairing.p is not None for pairing in comparison.pairings):
        n = len(comparison.pairings)
        out.wrapped(
            f"p: corrected resampled t-test (tested/trained rows {mean_ratio(contest):.3f}) and Wilcoxon's"
            f" signed-rank test, Holm over {n} comparison{'s' if n > 1 else ''}; worse: p < {comparison.alpha:g}"
        )
    for note in notes_on(comparison):
        out.wrapped(f"note: {note}")


def _where(comparison: "Comparison", *, several: bool) -> str:
    contest = comparison.contest
    parts = [contest.sweep] if several else []
    if contest.split != "cv" or contest.variant:
        parts += [f"split {contest.split}", *([contest.variant] if contest.variant else [])]
    return f"{', '.join(parts)}: " if parts else ""


def _table(out: Output, comparison: "Comparison") -> None:
    level = f"{1 - comparison.alpha:.0%} interval"
    tests = ["p", "Wilcoxon"] if comparison.rope is None else ["below", "within", "above"]
    headers = ["pipeline", "parameters", "difference", level, *tests, "says"]
    rows = [_row(pairing, rope=comparison.rope is not None) for pairing in comparison.pairings]
    if _is_wide(headers, rows, out.width):
        at = headers.index("Wilcoxon" if comparison.rope is None else level)
        headers, rows = [*headers[:at], *headers[at + 1 :]], [[*row[:at], *row[at + 1 :]] for row in rows]
    out.table(headers, rows, right=range(2, len(headers) - 1))


def _is_wide(headers: list[str], rows: list[list[str]], width: int) -> bool:
    """Whether parameters would be cut: they tell candidates apart, so that another column gives way."""
    widths = [max(len(row[at]) for row in (headers, *rows)) for at in range(len(headers))]
    return sum(widths) + len(GAP) * (len(widths) - 1) > width


def _row(pairing: "Pairing", *, rope: bool) -> list[str]:
    other, practical = pairing.contender, pairing.practical
    name = " ".join(part for part in (other.params, other.features) if part) or "-"
    interval = "-" if pairing.low is None or pairing.high is None else f"[{pairing.low:+.3f}, {pairing.high:+.3f}]"
    row = [other.pipeline, name, "-" if pairing.difference is None else f"{pairing.difference:+.4f}", interval]
    if rope:
        chances = (practical.below, practical.within, practical.above) if practical else (None, None, None)
        return [*row, *("-" if chance is None else f"{chance:.3f}" for chance in chances), pairing.says.value]
    return [*row, _p(pairing.p_holm), _p(pairing.p_wilcoxon_holm), pairing.says.value]


def _p(value: float | None) -> str:
    if value is None:
        return "-"
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def show_ranking(out: Output, ranking: "Ranking", *, first: bool) -> None:
    """Show mean ranks, with bars that join those not shown to differ."""
    from manyfit.report.ranking import diagram, notes_on

    found = ranking.friedman
    if not first:
        out.line()
    out.wrapped(f"ranks of {len(ranking.names)} over {len(ranking.data_sets)} data sets, {ranking.metric}")
    out.table(["rank", "", "not different"], diagram(ranking), right=[0])
    out.line()
    if found.chi2 is not None and found.p is not None:
        f_text = (
            "" if found.f is None or found.p_f is None else f"; Iman-Davenport F {found.f:.3g}, p {_p(found.p_f)}"
        )
        out.wrapped(f"Friedman: chi-squared {found.chi2:.3g}, p {_p(found.p)}{f_text}")
    out.wrapped(
        f"Nemenyi: ranks that are {ranking.critical_difference:.3f} or more apart differ (p < {ranking.alpha:g})"
    )
    if ranking.p_wilcoxon is not None:
        out.wrapped(f"Wilcoxon's signed-rank test of the two over data sets: p {_p(ranking.p_wilcoxon)}")
    for note in notes_on(ranking):
        out.wrapped(f"note: {note}")


def show_choice(out: Output, choice: "Choice", sweep: str, *, first: bool) -> None:
    """Show the best candidate of a split and the simplest that is as good."""
    from manyfit.report.texts import show_duration

    if not first:
        out.line()
    parts = [part for part in (sweep, f"split {choice.split}", choice.variant) if part]
    out.wrapped(
        f"{', '.join(parts)}: {choice.best['set']} {choice.metric}, one standard error"
        f" {choice.standard_error:.4f}; simplest: {', then '.join(map(str, choice.orders))}"
    )
    rows = []
    for what, row in (("best", choice.best), ("simplest", choice.chosen)):
        time = "-" if row["time_fit"] is None else show_duration(row["time_fit"])
        rows.append(
            [what, row["pipeline"], row["params"] or "-", str(row["rank"]), show_score(row["score"]), time]
        )
    out.table(["", "pipeline", "parameters", "rank", choice.metric, "fit"], rows, right=(3, 4, 5))
    n = choice.n_within
    out.wrapped(f"{n} candidate{'s are' if n != 1 else ' is'} within {show_score(choice.threshold)}")
