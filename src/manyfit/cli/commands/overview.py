"""What commands show of several sweeps: one line each."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from manyfit.cli.commands.states import counts_facts, state_of
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.cli.output import Output
    from manyfit.connect import Address
    from manyfit.model.snapshot import Snapshot
    from manyfit.report.activity import Activity


def show_overview(out: "Output", addresses: Sequence["Address"], target: str) -> None:
    """Show the sweeps of one store, most urgent first."""
    from manyfit import connect
    from manyfit.report.activity import activity

    found = []
    for address in addresses:
        store = connect.open_address(address)
        found.append((address, store.snapshot(), activity(store)))
        store.close()
    found.sort(key=lambda row: -row[2].priority)
    out.json({"store": target, "sweeps": [_facts(*row) for row in found]})
    rows = [_row(snapshot, seen) for _, snapshot, seen in found]
    headers = ("sweep", "state", "priority", "planned", "done", "failed", "running", "pending", "last activity")
    out.table(headers, rows, right=range(2, 8))
    if found:
        out.line()
        out.wrapped(f"next: manyfit status {quoted(found[0][0].shown)}")


def _facts(address: "Address", snapshot: "Snapshot", seen: "Activity") -> dict[str, Any]:
    return {
        "sweep": snapshot.sweep,
        "store": str(address),
        "state": state_of(snapshot),
        "priority": seen.priority,
        "counts": counts_facts(snapshot.counts),
        "workers": seen.n_alive,
        "last_activity_at": seen.last_at,
    }


def _row(snapshot: "Snapshot", seen: "Activity") -> tuple[str, ...]:
    from manyfit.cli.output import cut
    from manyfit.report.texts import show_priority

    counts = snapshot.counts
    numbers = (counts.planned, counts.done, counts.failed, counts.running, counts.pending)
    return (
        cut(snapshot.sweep, 24),
        state_of(snapshot),
        show_priority(seen.priority),
        *(f"{n:,}" for n in numbers),
        "-" if seen.last_at is None else f"{datetime.fromtimestamp(seen.last_at, UTC):%Y-%m-%d %H:%MZ}",
    )
