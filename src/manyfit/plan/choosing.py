"""Which fusion rule computes which fits together, and why none does it for the others."""

import math
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Fuse, Params, Rule, Rules
from manyfit.model.errors import told

SHARED_STEPS = "shared-steps"
"""The name, where rules are named, of computing equal steps before the last once."""

NO_RULE = "no rule for this class"
NOT_WORTH = "costs more than it saves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Using:
    """The rules that there are, those that a sweep admits, and the installed release ("1.9") of each library."""

    rules: Rules
    fuse: Fuse
    installed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fits:
    """
    Fits of the class at `path`, all of one size, by position.

    `alone` are their predicted seconds without the steps before. Fits share work only where `place` is equal.
    """

    path: str
    size: FitSize
    positions: Sequence[int]
    params: Callable[[int], Params]
    alone: Callable[[int], float]
    place: Callable[[int], Hashable]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """Fits that `rule` may compute together; `worth` tells whether that is predicted to be shorter."""

    rule: Rule
    members: Sequence[int]
    worth: bool


def choose(using: Using, fits: Fits) -> tuple[list[Chosen], dict[int, str]]:
    """
    Return the groups that are computed together, and for every fit that is in none of them the reason.

    A fit is left to the first rule that does not refuse it, those that were asked for by name before others:
    this is how a runner chooses, too.
    """
    rules, unusable = usable(using, fits.path)
    told = _Words(unusable)
    groups: defaultdict[tuple[int, Hashable, Hashable], list[int]] = defaultdict(list)
    reasons: dict[int, str] = {}
    for position in fits.positions if rules else ():
        params = fits.params(position)
        refusals = []
        for at, rule in enumerate(rules):
            group, refusal = group_of(rule, fits.path, params, fits.size)
            if refusal is None:
                groups[at, fits.place(position), group].append(position)
                break
            refusals.append(refusal)
        else:
            reasons[position] = told.of(refusals)
    made = []
    for (at, _, _), members in groups.items():
        one = _chosen(rules[at], fits, members)
        made += [one] if one.worth else []
        why = NOT_WORTH if len(members) > 1 else _lonely(rules[at])
        reasons |= {} if one.worth else dict.fromkeys(members, why)
    return made, reasons if rules else dict.fromkeys(fits.positions, unusable)


def usable(using: Using, path: str) -> tuple[list[Rule], str]:
    """Return the rules for the class at *path* in the order in which they are asked, and why no other may be."""
    there = using.rules.of(path)
    if not there:
        return [], NO_RULE
    reasons: list[str] = []
    rules = []
    for rule in sorted(there, key=lambda rule: rule.name not in using.fuse.also):
        why = _not_admitted(rule, using) or unproven(rule, using.installed)
        rules += [] if why else [rule]
        reasons += [why] if why else []
    return rules, "; ".join(dict.fromkeys(reasons))


def _not_admitted(rule: Rule, using: Using) -> str | None:
    if rule.name in using.fuse.off:
        return f'rule "{rule.name}" was switched off by an audit'
    return None if using.fuse.admits(rule) else f'rule "{rule.name}" is used only when "fuse" names it'


def group_of(rule: Rule, path: str, params: Params, size: FitSize) -> tuple[Hashable, str | None]:
    """Return the group that *rule* puts such a fit in, or why there is none; a rule that fails ends no plan."""
    try:
        refusal = rule.refuses(path, params, size)
        if refusal is not None:
            return None, refusal
        group = rule.group(path, params)
        hash(group)
    except Exception as error:  # noqa: BLE001 - a rule that fails must not cost a result
        return None, f'rule "{rule.name}" failed: {told(type(error).__name__, error)}'
    return group, None


def shared_seconds(
    rule: Rule, path: str, params: Sequence[Params], alone: Sequence[float], size: FitSize
) -> float:
    """Return the predicted seconds of these fits computed by *rule*: without end where it cannot tell."""
    try:
        return rule.cost_seconds(path, params, alone, size)
    except Exception:  # noqa: BLE001 - as above: they are then fitted alone
        return math.inf


def unproven(rule: Rule, installed: Mapping[str, str]) -> str | None:
    """Return why *rule* cannot be relied on with these releases of libraries, None when it was proven on them."""
    for library, releases in rule.proven_on.items():
        found = installed.get(library, "")
        if not found:
            return f"{library} is not installed"
        if found not in releases:
            return f"proven on {library} {', '.join(releases)}, not on {found}"
    return None


def _chosen(rule: Rule, fits: Fits, members: Sequence[int]) -> Chosen:
    alone = [fits.alone(position) for position in members]
    seconds = sum(alone)
    if len(members) > 1:
        params = [fits.params(position) for position in members]
        seconds = shared_seconds(rule, fits.path, params, alone, fits.size)
    return Chosen(rule=rule, members=members, worth=seconds < sum(alone))


def _lonely(rule: Rule) -> str:
    *others, last = rule.axes
    axes = f"{', '.join(others)} or {last}" if others else last
    return f"no other candidate differs from it only in {axes}"


class _Words:
    """Joins reasons to one text, the same object for the same reasons: there may be a million."""

    def __init__(self, unusable: str) -> None:
        self._unusable = unusable
        self._known: dict[tuple[str, ...], str] = {}

    def of(self, reasons: Sequence[str]) -> str:
        key = tuple(reasons)
        if key not in self._known:
            self._known[key] = "; ".join(dict.fromkeys(reasons)) or self._unusable
        return self._known[key]
