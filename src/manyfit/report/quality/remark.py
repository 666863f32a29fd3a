"""What a rule has to say, and what a rule is."""

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from manyfit.report.quality.material import Material


class Severity(enum.Enum):
    """How bad it is: an error is wrong or missing, a warning is worth a look, a note is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    One thing that a rule found: a sentence, `n_found` of the `n_looked_at` things that the rule counts.

    `pipeline` is "" where it is about several. `examples` are task keys, a few at most.
    """

    text: str
    n_found: int
    n_looked_at: int
    pipeline: str = ""
    examples: Sequence[str] = ()


Look = Callable[[Material], Iterator[Found]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """
    One question that results are asked.

    `meaning` completes "it finds ...", `do` says what to do about it. A rule with `after_run` is also asked
    at the end of every run: it is cheap, and no other message says what it says.
    """

    name: str
    severity: Severity
    meaning: str
    do: str
    look: Look
    after_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """Something that a rule found, with the rule."""

    rule: QualityRule
    found: Found

    @property
    def severity(self) -> Severity:
        return self.rule.severity
