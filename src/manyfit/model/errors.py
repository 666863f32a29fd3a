"""
Every exception manyfit raises.

ManyfitError
├── UserError               the request is wrong; the message says what would be right
│   ├── SweepMistakes       a sweep file with one or more mistakes, all of them listed
│   ├── NotFound            (LookupError) no such sweep, task, unit, worker or file
│   └── Refused             the request is understood and not allowed as things are
│       └── SchemaMismatch  the table has other features than the model was fitted on
├── StoreError              the store cannot be used as it is
│   ├── StoreUnsuitable     the file system or database lacks a guarantee that is needed
│   ├── StoreCorrupt        bytes that were durable no longer match their checksum
│   └── StoreFull           no space or quota left; nothing acknowledged is lost
├── PositionTaken           another writer appended to the control chain first; read it and try again
├── LeaseLost               the unit is no longer yours; drop the rest of its work
├── DataChanged             the data no longer is what the plan was made from
├── MissingExtra            an optional library is needed; the message names the extra
└── Interrupted             a person stopped the command; everything finished is kept

And one warning: `DoubtfulResults`, after a run from Python whose audit was not done or found scores that
stand-alone fits do not give.
"""

from collections.abc import Sequence

from manyfit.model.mistake import Mistake


def told(kind: str, message: object) -> str:
    """Return an exception as one text: the name of its class, and its message where it has one."""
    said = str(message)
    return f"{kind}: {said}" if kind and said else kind or said


class ManyfitError(Exception):
    """Base of all manyfit errors."""


class UserError(ManyfitError):
    """What was asked for is wrong; the message says what would be right."""


class SweepMistakes(UserError):
    """A declaration with mistakes; `mistakes` holds all of them, in file order, `then` what follows from them."""

    def __init__(self, mistakes: Sequence[Mistake], then: str = "nothing was queued") -> None:
        self.mistakes = tuple(mistakes)
        self.then = then
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))


class NotFound(UserError, LookupError):
    """No such sweep, task, unit, worker or file."""


class Refused(UserError):
    """The request is understood and not allowed as things are."""


class SchemaMismatch(Refused):
    """The table has other features than the model was fitted on; `differences` are lines for a person."""

    def __init__(self, differences: Sequence[str], advice: str = "") -> None:
        self.differences = tuple(differences)
        shown = [f"  {line}" for line in differences]
        lines = ["the features are not those that the model was fitted on:", *shown, *([advice] if advice else [])]
        super().__init__("\n".join(lines))


class StoreError(ManyfitError):
    """The store cannot be used as it is."""


class StoreUnsuitable(StoreError):
    """The file system or database lacks a guarantee that the store needs."""


class StoreCorrupt(StoreError):
    """Bytes that were durable no longer match their checksum."""


class StoreFull(StoreError):
    """No space or quota is left. Nothing that was acknowledged is lost."""


class PositionTaken(ManyfitError):
    """Another writer appended to the control chain first; read its entry and try again."""

    def __init__(self, position: int) -> None:
        super().__init__(f"control entry {position} was written by someone else; read it and try again")
        self.position = position


class LeaseLost(ManyfitError):
    """The lease was ended by someone else: results not yet accepted under it are dropped."""

    def __init__(self, unit: str, epoch: int) -> None:
        super().__init__(f"epoch {epoch} of unit {unit} was ended by another worker; its work is dropped")
        self.unit = unit
        self.epoch = epoch


class DataChanged(ManyfitError):
    """The data no longer is what the plan was made from; the message names the source and the columns."""


class MissingExtra(ManyfitError, ImportError):
    """An optional library is needed; the message names the extra that installs it."""


class DoubtfulResults(UserWarning):
    """Results were computed by a fusion rule that an audit switched off, or were not audited."""


class Interrupted(ManyfitError):
    """A person stopped the command; everything finished is kept."""
