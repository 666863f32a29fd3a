"""What every store checks before it takes over an epoch that ended in another one."""

from dataclasses import replace

from manyfit.contracts.accepted import EndedEpoch
from manyfit.model.errors import NotFound, Refused


def require_same(ended: EndedEpoch, found: EndedEpoch | None) -> None:
    """Raise `Refused` unless *found*, the same epoch as it is here (None: open), ended just like *ended*."""
    if found is None:
        raise Refused(
            f"epoch {ended.epoch} of unit {ended.unit} is open here: a worker is on it; "
            "copy to a store that nobody works on"
        )
    if replace(found, end=replace(found.end, spans=())) != replace(ended, end=replace(ended.end, spans=())):
        raise Refused(
            f"epoch {ended.epoch} of unit {ended.unit} ended in another way here; copy to an empty store"
        )


def out_of_order(ended: EndedEpoch) -> Refused:
    """Return the error for an epoch whose predecessor has not ended here."""
    return Refused(f"epoch {ended.epoch - 1} of unit {ended.unit} has not ended here; adopt it first")


def without_parent(ended: EndedEpoch) -> NotFound:
    """Return the error for an epoch of a unit that is not in the plan, or not yet split off here."""
    return NotFound(f"no unit {ended.unit} here; adopt the epochs of the unit that it is a part of first")
