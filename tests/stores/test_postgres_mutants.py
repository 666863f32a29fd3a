"""The tests bite what the PostgreSQL store does by itself: one lock or one step broken, one of them fails."""

import pytest

pytest.importorskip("psycopg")

from tests.stores import test_postgres_contention as contention
from tests.stores import test_postgres_crash as crash

from manyfit.model.errors import ManyfitError
from manyfit.stores.postgres.database import PostgresDatabase
from manyfit.stores.sql import claiming
from manyfit.stores.sql import statements as sql
from manyfit.stores.sql.ending import Ender


def wait_for_claimed_units(patch):
    patch.setattr(PostgresDatabase, "skip_locked", " FOR UPDATE")


def lock_what_is_passed_over(patch):
    real = claiming.Claimer._free
    patch.setattr(claiming.Claimer, "_free", lambda self, *args: real(self, *args[:-1], " FOR UPDATE"))


def count_without_lock(patch):
    patch.setattr(PostgresDatabase, "hold_limits", lambda self, names: None)


def store_behind_seals(patch):
    patch.setattr(PostgresDatabase, "share_row", "")


def forget_own_ends(patch):
    patch.setattr(Ender, "nonce_of", lambda self, row, epoch: None)


def forget_own_claims(patch):
    patch.setattr(sql, "LEASE_OF", sql.LEASE_OF + " AND 1 = 0")


def forget_parts(patch):
    patch.setattr(
        sql,
        "ADD_LINES",
        sql.ADD_LINES.replace("?, ?, ?, ?, ?, ?", "?, ?, ? + (SELECT count(*) FROM line), ?, ?, ?"),
    )


def passed_over(use):
    contention.test_a_unit_that_is_being_claimed_is_passed_over(use("opened"), use("watcher"))


def choosy(use):
    contention.test_a_choosy_worker_holds_up_nobody(use("opened"), use("watcher"))


def limited(use):
    contention.test_claims_under_a_limit_wait_for_each_other(use("opened"), use("watcher"))


def sealed(use):
    contention.test_results_are_not_stored_behind_the_back_of_a_seal(use("opened"), use("watcher"))


def lost_answers(use):
    crash.test_a_lost_answer_is_found_out(use("dsn"), use("opened"), use("parquet"), use("monkeypatch"), True)


MUTANTS = [
    (wait_for_claimed_units, passed_over),
    (lock_what_is_passed_over, choosy),
    (count_without_lock, limited),
    (store_behind_seals, sealed),
    (forget_own_ends, lost_answers),
    (forget_own_claims, lost_answers),
    (forget_parts, lost_answers),
]


@pytest.fixture
def opened(opened):
    """The handles wait for locks for a moment only: what a mutant makes wait fails at once."""

    def open_store(sweep="tiny"):
        store = opened(sweep)
        contention.impatient(store)
        return store

    return open_store


@pytest.mark.parametrize(("mutate", "law"), MUTANTS, ids=lambda value: value.__name__)
def test_a_broken_store_fails(mutate, law, request, monkeypatch):
    """The mutant fails what the store as it is passes."""
    mutate(monkeypatch)

    with pytest.raises((AssertionError, ManyfitError, AttributeError, pytest.fail.Exception)):
        law(request.getfixturevalue)
