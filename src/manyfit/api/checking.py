"""Checking a sweep: is everything there, and can it be believed?"""

from collections.abc import Sequence
from dataclasses import dataclass

from manyfit.contracts.store import Store
from manyfit.model.snapshot import Counts
from manyfit.report.quality.remark import Remark, Severity
from manyfit.report.quality.rules import chosen, remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What the rules `asked` found in a sweep, errors first."""

    sweep: str
    counts: Counts
    asked: Sequence[str]
    remarks: Sequence[Remark]

    def count(self, severity: Severity) -> int:
        """Return how many remarks are of this severity."""
        return sum(remark.severity is severity for remark in self.remarks)

    @property
    def passed(self) -> bool:
        """Whether no rule found an error."""
        return not self.count(Severity.ERROR)


def check_sweep(store: Store, rules: Sequence[str] = ()) -> Checked:
    """
    Hold the results of *store* to the *rules* with these names, to all when none is named.

    Raises `UserError` for an unknown rule, `NotFound` while nothing was submitted.
    """
    asked = chosen(rules)
    return Checked(
        sweep=store.sweep,
        counts=store.snapshot().counts,
        asked=[rule.name for rule in asked],
        remarks=remarks(store, asked),
    )
