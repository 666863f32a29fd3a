"""The control chain: what people and planners did to a sweep, in one order that everybody agrees on."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from manyfit.model.audit import Certificate
from manyfit.model.keys import SegmentId, TaskKey
from manyfit.model.terms import Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class AddSegment:
    """
    A plan segment belongs to the sweep from here on.

    `more` says that the same submission goes on: workers wait for the rest. `n_tasks` counts tasks in
    its units, `n_new` those that no earlier segment has.
    """

    segment: SegmentId
    sha256: str
    n_units: int
    n_tasks: int
    n_new: int
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """
    Nobody claims until the next Resume; what runs is stopped at once and given back, uncharged.

    With a *pipeline*, only its tasks are held, and *reason* tells why: a person, or a worker that saw
    most of them fail alike.
    """

    pipeline: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume:
    """Ends the Pause of one *pipeline*; without one, every Pause."""

    pipeline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTerms:
    """The conditions of claiming are these from here on, for all segments that came before and will come."""

    terms: Terms


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Workers that started before this entry give back what they hold and exit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """These tasks are not claimed any more; empty means every task of the segments so far."""

    tasks: tuple[TaskKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """`base` holds the accepted results of all units that it lists as closed, for fast reading."""

    base: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Fused results were fitted again alone; rules that the certificate switches off are not used from here on."""

    certificate: Certificate


Action = AddSegment | Pause | Resume | SetTerms | Stop | Cancel | Compacted | Audit


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One action at its position (1, 2, ...) of the chain, with who wrote it and when by their clock."""

    position: int
    action: Action
    by: str
    at: float


def terms_in_force(entries: Iterable[Entry]) -> Terms:
    """Return the conditions of claiming after *entries*, which are the chain from its beginning."""
    terms = Terms()
    for entry in entries:
        if isinstance(entry.action, SetTerms):
            terms = entry.action.terms
    return terms


def certificates(entries: Iterable[Entry]) -> Sequence[Certificate]:
    """Return the certificates of all audits in *entries*, oldest first."""
    return [entry.action.certificate for entry in entries if isinstance(entry.action, Audit)]


def rules_off(entries: Iterable[Entry]) -> frozenset[str]:
    """Return the fusion rules that are off after *entries*, which are the chain from its beginning."""
    return frozenset(rule for certificate in certificates(entries) for rule in certificate.off)


def pauses_in_force(entries: Iterable[Entry]) -> Mapping[str, str]:
    """
    Return what is paused after *entries*, which are the chain from its beginning, with the reasons.

    The key is the name of a held pipeline, "" for the whole sweep. Of several reasons the last one counts.
    """
    paused: dict[str, str] = {}
    for entry in entries:
        match entry.action:
            case Pause(pipeline=pipeline, reason=reason):
                paused[pipeline] = reason
            case Resume(pipeline=""):
                paused.clear()
            case Resume(pipeline=pipeline):
                paused.pop(pipeline, None)
            case _:
                pass
    return paused
