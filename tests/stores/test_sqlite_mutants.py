"""The suite bites what the SQL stores do by themselves: one statement or step broken, one law fails."""

import inspect

import pytest

from manyfit.model.errors import LeaseLost, ManyfitError, NotFound
from manyfit.stores.ledger.liveness import Liveness
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.stores.sql import ending, reading, rows
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.claiming import Claimer
from manyfit.stores.sql.ending import Ender, Ending, Held
from manyfit.stores.sql.files import Files
from manyfit.stores.sql.known import Known
from manyfit.stores.sql.store import SqlStore
from manyfit.stores.sqlite import create_sqlite
from manyfit.testing.stores import PATIENCE, ManualClock, StoreSuite


def changed(name, old, new):
    """Return a mutation that replaces *old* in the statement *name*."""

    def mutate(patch):
        statement = getattr(sql, name)
        assert old in statement
        patch.setattr(sql, name, statement.replace(old, new))

    mutate.__name__ = f"{name} with {new.strip() or 'nothing'} for {old.strip()}"
    return mutate


def replaced(owner, name, change):
    """Return a mutation that puts what *change* makes of it in the place of *name*."""

    def mutate(patch):
        patch.setattr(owner, name, change(getattr(owner, name)))

    mutate.__name__ = f"{getattr(owner, '__name__', owner)}.{name}"
    return mutate


def without_request(claim):
    return lambda self, worker, wanted, request: claim(self, worker, wanted, "~")


def always_ended(complete):
    def lie(self, held, end):
        ending = complete(self, held, end)
        return Ending.DONE if ending is Ending.LOST else ending

    return lie


def without_past(make):
    return lambda parent, end: [(place, id_, own, None) for place, id_, own, _ in make(parent, end)]


def forget_the_task(suspects):
    return lambda self, workers: [(worker, row, None) for worker, row, _ in suspects(self, workers)]


def keep_waiting(gather):
    return lambda self: None


def adopt_anything(was_adopted):
    return lambda self, row, ended, nonce, what: False


def complete_blindly(again):
    def judge(self, lease):
        try:
            again(self, lease)
        except (LeaseLost, NotFound):
            return

    return judge


MUTANTS = [
    (changed("FREE_UNITS", "ORDER BY u.place", "ORDER BY u.place DESC"), "test_claims_come_in_plan_order"),
    (
        replaced(Known, "open_views", lambda views: lambda self: list(self.ledger.views())),
        "test_claims_come_by_priority_then_age",
    ),
    (changed("LEASE_UNIT", "state = 1", "state = 0"), "test_claim_is_exclusive"),
    (changed("LEASE_OF", "e.ended IS NULL", "e.ended IS NULL AND 1 = 0"), "test_a_worker_holds_one_lease"),
    (replaced(Claimer, "_wanted_of", lambda _: lambda self, row, tasks: tasks), "test_claims_only_what_is_wanted"),
    (replaced(Claimer, "claim", without_request), "test_a_repeated_request_gets_the_same_lease"),
    (replaced(Claimer, "_excluded", lambda _: lambda self, *rest: []), "test_a_held_pipeline_is_passed_over"),
    (replaced(Claimer, "_excluded", lambda _: lambda self, *rest: []), "test_unmet_needs_pass_a_pipeline_over"),
    (changed("OPEN_BY_PIPELINE", "e.ended IS NULL", "1 = 0"), "test_no_more_leases_than_the_sweep_may_have"),
    (changed("OPEN_BY_PIPELINE", "e.ended IS NULL", "1 = 1"), "test_a_completed_lease_frees_its_place"),
    (changed("SET_TENANT", "tenant = ?", "tenant = '' || substr(?, 1, 0)"), "test_the_tenant_is_limited"),
    (changed("END_EPOCH", " AND ended IS NULL", ""), "test_a_late_worker_is_fenced_off"),
    (replaced(Ender, "complete", always_ended), "test_a_late_worker_is_fenced_off"),
    (replaced(Ender, "complete", always_ended), "test_a_cycle_of_a_lost_lease_claims_nothing"),
    (replaced(SqlStore, "_complete_again", complete_blindly), "test_a_late_worker_is_fenced_off"),
    (changed("ENDED_EPOCHS", "e.ended IS NOT NULL", "1 = 1"), "test_nothing_is_accepted_before_the_end"),
    (
        replaced(reading, "joined_lines", lambda join: lambda *args: 2 * join(*args)),
        "test_two_readers_get_the_same_bytes",
    ),
    (replaced(Held, "gather", keep_waiting), "test_nothing_is_accepted_before_the_end"),
    (changed("LINES", "WHERE", "WHERE 1 = 0 AND"), "test_seal_keeps_what_was_durable"),
    (replaced(SqlStore, "_suspects", forget_the_task), "test_losses_add_up"),
    (replaced(Liveness, "seems_dead", lambda _: lambda self, *rest: True), "test_a_heartbeat_keeps_a_lease"),
    (
        replaced(Liveness, "seems_dead", lambda _: lambda self, *rest: False),
        "test_silence_ends_a_lease_at_the_patience",
    ),
    (replaced(rows, "inherited", lambda _: lambda own, end: end), "test_split_makes_two_units"),
    (replaced(ending, "child_rows", without_past), "test_split_forgives_nothing"),
    (replaced(Known, "withdrawn", lambda _: lambda self, row: set()), "test_cancelled_tasks_are_not_claimed"),
    (changed("ADD_ENTRY", "NOTHING", "UPDATE SET content = excluded.content"), "test_positions_are_taken_once"),
    (changed("ADD_WORKER", "NOTHING", "UPDATE SET nonce = excluded.nonce"), "test_a_worker_id_is_used_once"),
    (changed("SETTLE_UNIT", "state = ?", "state = 2 + 0 * ?"), "test_yielded_tasks_are_claimed_again"),
    (changed("SETTLE_UNIT", "state = ?", "state = 0 * ?"), "test_done_is_final"),
    (
        changed("SET_BEAT", "content = excluded.content", "content = beat.content"),
        "test_a_heartbeat_keeps_a_lease",
    ),
    (replaced(Ender, "_was_adopted", adopt_anything), "test_every_difference_is_seen"),
    (replaced(Files, "copy", lambda _: lambda self, name, target: ""), "test_a_segment_comes_back_as_it_was"),
    (changed("ENTRIES", "position > ?", "position >= ?"), "test_entries_come_in_order_and_from_where_one_asks"),
]


@pytest.mark.parametrize(("mutate", "law"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_fails_the_law(mutate, law, tmp_path, monkeypatch):
    """The law passes on the store as it is, and fails on the mutant."""
    check = getattr(StoreSuite(), law)
    check(**fixtures(tmp_path / "sound", check))
    mutate(monkeypatch)

    with pytest.raises(
        (
            AssertionError,
            ManyfitError,
            LookupError,
            StopIteration,
            AttributeError,
            ValueError,
            pytest.fail.Exception,
        )
    ):
        check(**fixtures(tmp_path / "mutant", check))


def fixtures(folder, check):
    """Return what the law asks for."""
    clock = ManualClock()
    folder.mkdir()
    times = {"clock": clock, "monotonic": clock, "patience": PATIENCE}

    def open_store():
        return create_sqlite(folder / "tiny.db", sweep="tiny", **times)

    makers = {
        "clock": lambda: clock,
        "open_store": lambda: open_store,
        "store": open_store,
        "other": open_store,
        "model": lambda: MemoryStore(MemoryState(sweep="tiny"), by="model", **times),
        "tmp_path": lambda: folder,
    }
    return {name: makers[name]() for name in inspect.signature(check).parameters}
