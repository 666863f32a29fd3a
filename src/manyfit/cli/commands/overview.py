"""What commands show of several sweeps: one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from manyfit.cli.commands.states import counts_facts, state_of
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.connect import Address
    from manyfit.model.snapshot import Snapshot
    from manyfit.report.activity import Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """One sweep of the store; `doubt` says what to know and to do about results that are doubtful."""

    address: "Address"
    snapshot: "Snapshot"
    activity: "Activity"
    doubt: str


def show_overview(out: "Output", addresses: Sequence["Address"], target: str) -> None:
    """Show the sweeps of one store, most urgent first."""
    found = sorted((_seen(address) for address in addresses), key=lambda one: -one.activity.priority)
    out.json({"store": target, "sweeps": [_facts(one) for one in found]})
    headers = ("sweep", "state", "priority", "planned", "done", "failed", "running", "pending", "last activity")
    out.table(headers, [_row(one) for one in found], right=range(2, 8))
    for one in found:
        if one.doubt:
            out.line()
            out.wrapped(f"warning: {one.snapshot.sweep}: {one.doubt}")
    if found:
        out.line()
        out.wrapped(f"next: manyfit status {quoted(found[0].address.shown)}")


def _seen(address: "Address") -> _Seen:
    from manyfit import connect
    from manyfit.cli.audits import why_doubtful
    from manyfit.report.activity import activity

    store = connect.open_address(address)
    try:
        return _Seen(
            address=address,
            snapshot=store.snapshot(),
            activity=activity(store),
            doubt=why_doubtful(store, address.shown),
        )
    finally:
        store.close()


def _facts(one: _Seen) -> dict[str, Any]:
    return {
        "sweep": one.snapshot.sweep,
        "store": str(one.address),
        "state": state_of(one.snapshot),
        "priority": one.activity.priority,
        "counts": counts_facts(one.snapshot.counts),
        "workers": one.activity.n_alive,
        "last_activity_at": one.activity.last_at,
        "doubtful": bool(one.doubt),
    }


def _row(one: _Seen) -> tuple[str, ...]:
    from manyfit.cli.output import cut
    from manyfit.report.texts import show_priority

    counts, last_at = one.snapshot.counts, one.activity.last_at
    numbers = (counts.planned, counts.done, counts.failed, counts.running, counts.pending)
    return (
        cut(one.snapshot.sweep, 24),
        state_of(one.snapshot),
        show_priority(one.activity.priority),
        *(f"{n:,}" for n in numbers),
        "-" if last_at is None else f"{datetime.fromtimestamp(last_at, UTC):%Y-%m-%d %H:%MZ}",
    )
