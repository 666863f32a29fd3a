"""Why a worker ends, or claims nothing: decisions and words, without I/O."""

import enum
from dataclasses import dataclass

from manyfit.model.snapshot import Snapshot
from manyfit.run.chain import ChainView


class Reason(enum.Enum):
    """Why a worker ended."""

    FINISHED = "the plan is complete and every task is settled"
    STOPPED = "the sweep was stopped"
    LEFT = "the worker was told to leave"
    IDLE = "there was nothing to claim for too long"
    HELD = "all that is left is held"
    REFUSED = "units cannot run here"
    DRAINED = "this host is not fit to run tasks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """A reason to end, with words for a person."""

    reason: Reason
    message: str


def ending(snapshot: Snapshot, chain: ChainView, *, filtered: bool) -> Ending | None:
    """
    Return why a worker may end that can claim nothing and puts nothing off; None while work may come.

    Open leases may still come back, and a plan in the making may bring more. A *filtered* worker does
    not know whether it wants what is left.
    """
    if snapshot.planning or snapshot.open_units:
        return None
    waiting = {name for name, counts in snapshot.per_pipeline.items() if counts.pending + counts.running}
    if chain.held and (filtered or waiting <= chain.held.keys()):
        return Ending(reason=Reason.HELD, message=_told_held(chain))
    if filtered:
        return Ending(reason=Reason.FINISHED, message="every task that its filter wants is settled")
    return None


def _told_held(chain: ChainView) -> str:
    held = "; ".join(f"{name} ({why or 'paused by a person'})" for name, why in sorted(chain.held.items()))
    # A worker that paused a pipeline has said what to do; a person may have said anything.
    next_step = "" if "manyfit resume" in held else "; see `manyfit check`, go on with `manyfit resume`"
    return f"{Reason.HELD.value}: {held}{next_step}"


def idle_note(chain: ChainView, *, crowded_out: bool, n_put_off: int, put_off_seconds: float) -> str:
    """Return why nothing is claimed, as far as a worker knows without asking."""
    if chain.paused:
        return "the sweep is paused; `manyfit resume` goes on"
    if crowded_out:
        return "another worker of this host needs its memory for a task that ran out of it"
    if n_put_off:
        return f"{n_put_off} tasks that crashed here are left to others for {put_off_seconds:.0f} s"
    if chain.held:
        return f"{', '.join(sorted(chain.held))} is held; `manyfit failures` shows why"
    return "others hold what is left, or it needs what is not here"
