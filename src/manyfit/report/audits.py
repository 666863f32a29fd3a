"""Fused scores beside those of stand-alone fits: differences, the certificate, and what it says in words."""

import math
import statistics
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal, localcontext
from typing import Any

from manyfit.contracts.fusion import CLOSE_ENOUGH, Guarantee
from manyfit.model.audit import Audited, Certificate, Verdict, blamed
from manyfit.model.keys import TaskKey
from manyfit.model.result import FailureClass

Scores = Mapping[tuple[str, str], float | None]
"""Scores by set and metric; a metric that is not defined on the set is None, or left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A result as the store has it; `rule` and `guarantee` are "" where it was fitted alone."""

    rule: str
    guarantee: str
    generation: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """
    One fused result beside its stand-alone fit.

    `differences` has one number for each score: 0 where they are equal, relative where the score is larger
    than 1, infinite where only one of them is defined. `n_wrong` of them break the promise.
    """

    key: TaskKey
    differences: tuple[float, ...]
    n_wrong: int

    @property
    def worst(self) -> float:
        """The largest difference."""
        return max(self.differences, default=0.0)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What is known so far of the results of one rule."""

    rule: str
    guarantee: str
    n_fused: int
    compared: dict[TaskKey, Compared] = field(default_factory=dict)
    n_unable: int = 0
    n_unsteady: int = 0

    def wrong(self) -> list[TaskKey]:
        """Return the tasks whose scores break the promise."""
        return [key for key, one in self.compared.items() if one.n_wrong]

    def excuse(self, steady: Collection[TaskKey], repeated: Collection[TaskKey]) -> None:
        """
        Count wrong results as unsteady, when their *repeated* stand-alone fits came out differently.

        Those that were not repeated are like the others of the rule: wrong when any of these is *steady*.
        """
        is_wrong = any(key in steady for key in self.wrong())
        for key in self.wrong():
            if key not in steady and (key in repeated or not is_wrong):
                del self.compared[key]
                self.n_unsteady += 1

    def audited(self) -> Audited:
        """Return what the certificate says of the rule."""
        cells = [value for one in self.compared.values() for value in one.differences]
        finite = [value for value in cells if math.isfinite(value)]
        worst = max(self.compared.values(), key=lambda one: one.worst, default=None)
        return Audited(
            rule=self.rule,
            guarantee=self.guarantee,
            n_fused=self.n_fused,
            n_tasks=len(self.compared),
            n_cells=len(cells),
            n_wrong=sum(one.n_wrong for one in self.compared.values()),
            largest=max(finite, default=0.0),
            median=statistics.median(finite) if finite else 0.0,
            n_unable=self.n_unable,
            n_unsteady=self.n_unsteady,
            example=worst.key if worst is not None and worst.worst > 0 else "",
        )


def scores_of(body: Mapping[str, Any]) -> Scores:
    """Return the scores in the body of a result."""
    found = body.get("scores") or {}
    return {(name, metric): value for name, inner in found.items() for metric, value in inner.items()}


def compare(key: TaskKey, fused: Scores, alone: Scores, guarantee: str) -> Compared:
    """Compare every score of both; a score that neither has is none."""
    pairs = [(fused.get(place), alone.get(place)) for place in {**fused, **alone}]
    found = [
        (_difference(one, other), one == other) for one, other in pairs if one is not None or other is not None
    ]
    wrong = [difference for difference, equal in found if _is_wrong(difference, guarantee, equal=equal)]
    return Compared(key=key, differences=tuple(difference for difference, _ in found), n_wrong=len(wrong))


def compare_failure(key: TaskKey, fused: Scores, failure: Mapping[str, Any]) -> Compared | None:
    """
    Compare a fused result with a stand-alone fit that failed; None when the failure says nothing of the rule.

    An estimator that raises where the rule had scores breaks its promise; a limit or a lost host does not.
    """
    if failure.get("cls") != FailureClass.USER.value:
        return None
    n_cells = sum(value is not None for value in fused.values())
    return Compared(key=key, differences=(math.inf,) * n_cells, n_wrong=max(1, n_cells))


def _difference(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return math.inf
    return abs(one - other) / max(1.0, abs(other))


def _is_wrong(difference: float, guarantee: str, *, equal: bool) -> bool:
    match guarantee:
        case Guarantee.EXACT.value:
            return not equal
        case Guarantee.CLOSE.value:
            return difference > CLOSE_ENOUGH
        case _:
            return False


def certificate(
    tallies: Iterable[Tally], *, seed: int, drawn_from: str, versions: Mapping[str, str]
) -> Certificate:
    """Return the certificate of these *tallies*, with the rules that it switches off."""
    rules = tuple(tally.audited() for tally in tallies)
    return Certificate(rules=rules, seed=seed, drawn_from=drawn_from, off=blamed(rules), versions=dict(versions))


# -- in words ----------------------------------------------------------------------------------------


def headline(found: Certificate) -> str:
    """Return a certificate in one line."""
    n_tasks, n_fused = found.n_tasks, found.n_fused
    if not n_fused:
        return "audit: no result was computed together with others"
    if not n_tasks:
        return f"audit: none of {n_fused:,} fused results could be fitted again here"
    done = f"audit: {n_tasks:,} of {n_fused:,} fused results fitted again alone"
    if not found.passed:
        n_wrong = sum(rule.n_wrong for rule in found.rules)
        return f"{done}, {n_wrong:,} {'score differs' if n_wrong == 1 else 'scores differ'}"
    return f"{done}, {_agreement(found)}"


def _agreement(found: Certificate) -> str:
    strict = [rule.largest for rule in found.rules if rule.verdict is Verdict.KEPT]
    loose = [rule.largest for rule in found.rules if rule.verdict is Verdict.MEASURED]
    parts = []
    if strict:
        parts.append("all equal" if max(strict) == 0 else f"all equal within {show_difference(max(strict))}")
    if loose:
        parts.append(f"rules that promise less differ by {show_difference(max(loose))} at most")
    return "; ".join(parts)


def show_difference(value: float) -> str:
    """Return a difference of scores with two significant digits, rounded up: it is no larger than what is said."""
    if value == 0:
        return "0"
    with localcontext(prec=2, rounding=ROUND_UP):
        return f"{+Decimal(value):.1e}"


def verdict_text(rule: Audited) -> str:
    """Return what is said of one rule, in a few words."""
    match rule.verdict:
        case Verdict.KEPT:
            return "equal" if rule.largest == 0 else "equal within 1e-9"
        case Verdict.BROKEN:
            return f"{rule.n_wrong:,} differ"
        case Verdict.MEASURED:
            return "measured"
        case Verdict.UNKNOWN:
            return "not compared"


def remarks(found: Certificate) -> Iterator[str]:
    """Yield what has to be said of a certificate beside its table."""
    for rule in found.rules:
        if rule.n_unable:
            yield (
                f"{rule.rule}: {_results(rule.n_unable)} could not be fitted again here (a limit, a lost runner,"
                " or a library or data that is missing)"
            )
        if rule.n_unsteady:
            yield (
                f"{rule.rule}: {_results(rule.n_unsteady)} came out differently each time that they were fitted"
                " alone: such estimators cannot be audited; give them a random_state"
            )
        if rule.verdict is Verdict.BROKEN and rule.example:
            yield f"{rule.rule}: the largest difference is in task {rule.example[:8]}"


def _results(n: int) -> str:
    return f"{n:,} result" if n == 1 else f"{n:,} results"


def why_off(rules: Sequence[str], counts: Mapping[str, int], sweep: str) -> str:
    """Return what to know and to do about rules that an audit has switched off; *counts* are doubtful results."""
    names = ", ".join(rules)
    many = f"rule {names} is" if len(rules) == 1 else f"rules {names} are"
    told = f"{many} switched off: an audit found scores that stand-alone fits do not give"
    doubted = {rule: n for rule in rules if (n := counts.get(rule, 0))}
    if not doubted:
        return f"{told}; no result of it is left" if len(rules) == 1 else f"{told}; no result of them is left"
    flags = " ".join(f"--rule {rule}" for rule in doubted)
    n = max(doubted.values())
    some = f"{'' if len(doubted) == 1 else 'at least '}{_results(n)} {'is' if n == 1 else 'are'} doubtful"
    return f"{told}; {some}; next: manyfit retry {sweep} {flags}"
