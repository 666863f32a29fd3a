"""Certificates: what came out when fused results were fitted again alone."""

import enum
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

STRICT = frozenset({"exact", "close"})
"""Guarantees that a single different score breaks (values of `manyfit.contracts.fusion.Guarantee`)."""


class Verdict(enum.Enum):
    """What an audit says of one rule."""

    KEPT = "kept"
    """Every score that was compared is what the rule promises."""
    BROKEN = "broken"
    """A score is not what the rule promises: the rule is off, and its results are doubtful."""
    MEASURED = "measured"
    """The rule promises no equal scores: the differences were measured, and none of them is a failure."""
    UNKNOWN = "unknown"
    """Nothing could be compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """
    What became of the results that were computed by *rule*, as `TaskResult.fusion` names it.

    Of `n_fused` results `n_tasks` were compared, with `n_cells` scores in all; `n_unable` could not be
    fitted again here, and `n_unsteady` came out differently each time that they were fitted alone: neither
    says anything of the rule. `n_wrong` scores are not what the `guarantee` promises. `largest` and `median`
    are differences of scores. `example` is the key of the task with the largest difference, "" where
    there is none.
    """

    rule: str
    guarantee: str
    n_fused: int
    n_tasks: int
    n_cells: int
    n_wrong: int = 0
    largest: float = 0.0
    median: float = 0.0
    n_unable: int = 0
    n_unsteady: int = 0
    example: str = ""

    @property
    def verdict(self) -> Verdict:
        if self.n_wrong:
            return Verdict.BROKEN
        if not self.n_tasks:
            return Verdict.UNKNOWN
        return Verdict.KEPT if self.guarantee in STRICT else Verdict.MEASURED


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """
    One audit: what it found of each rule, and how to repeat it.

    `off` are the rules that it switches off, by their own names: where several computed a result, `rule` of
    `Audited` joins their names with "+". `drawn_from` is a hash of the results that it drew from; `versions`
    are those of the libraries that fitted alone.
    """

    rules: tuple[Audited, ...]
    seed: int
    drawn_from: str
    off: tuple[str, ...] = ()
    versions: Mapping[str, str]

    @property
    def n_fused(self) -> int:
        """All fused results that there were."""
        return sum(rule.n_fused for rule in self.rules)

    @property
    def n_tasks(self) -> int:
        """Results that were compared."""
        return sum(rule.n_tasks for rule in self.rules)

    @property
    def passed(self) -> bool:
        """Whether no rule broke its promise."""
        return all(rule.verdict is not Verdict.BROKEN for rule in self.rules)


def parts_of(rule: str) -> tuple[str, ...]:
    """Return the rules that "a+b" is made of."""
    return tuple(rule.split("+"))


def blamed(rules: Collection[Audited]) -> tuple[str, ...]:
    """
    Return the rules to switch off: those of broken results, without those that kept their promise elsewhere.

    Where none would be left, all of a broken result are.
    """
    sound = {part for one in rules if one.verdict is Verdict.KEPT for part in parts_of(one.rule)}
    found: dict[str, None] = {}
    for one in rules:
        if one.verdict is Verdict.BROKEN:
            parts = parts_of(one.rule)
            found |= dict.fromkeys([part for part in parts if part not in sound] or parts)
    return tuple(sorted(found))


def pattern_of(rules: Collection[str]) -> str:
    """Return a regular expression for what results name as their rule where one of *rules* was used."""
    names = "|".join(re.escape(rule) for rule in sorted(rules))
    return rf"(^|\+)({names})(\+|$)"


def certificate_from_json(value: Mapping[str, Any]) -> Certificate:
    """Return the certificate that is JSON values by `dataclasses.asdict`."""
    return Certificate(
        rules=tuple(Audited(**rule) for rule in value["rules"]),
        seed=value["seed"],
        drawn_from=value["drawn_from"],
        off=tuple(value["off"]),
        versions=dict(value["versions"]),
    )
