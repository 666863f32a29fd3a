"""The suite bites: a store that breaks one law fails that law."""

import pytest

from manyfit.model.errors import ManyfitError
from manyfit.stores.directory import DirectoryStore, log_reader, wire
from manyfit.stores.directory import store as store_module
from manyfit.stores.directory.chain import Withdrawals
from manyfit.stores.directory.known import Known
from manyfit.stores.directory.view import SegmentView
from manyfit.testing.stores import PATIENCE, ManualClock, StoreSuite


def drop_priority_order(patch):
    patch.setattr(Known, "views_by_priority", lambda self: list(self.views()))


def skip_the_end_before(patch):
    patch.setattr(SegmentView, "last_ended", SegmentView.last_claimed)
    patch.setattr(SegmentView, "_is_free", lambda self, unit: not self.closed(unit))


def accept_late_ends(patch):
    def overwrite(self, view, unit, epoch, end, nonce):
        path = self._layout.end(view.plan.id, unit, epoch)
        path.write_bytes(wire.end_bytes(end, nonce, 0.0))
        view.saw_end(unit, epoch, end)
        return True

    patch.setattr(DirectoryStore, "_publish_end", overwrite)


def seal_what_is_visible(patch):
    original = log_reader._files

    def visible(*args):
        for file in original(*args):
            yield log_reader._File(
                file_id=file.file_id, start=file.start, found=file.found, marked=file.found[-1].end
            )

    patch.setattr(log_reader, "_files", visible)


def forget_cancellations(patch):
    patch.setattr(Withdrawals, "_cancel", lambda self, tasks: None)


def accept_twice(patch):
    original = store_module.accepted_lines
    patch.setattr(store_module, "accepted_lines", lambda *args: 2 * original(*args))


def forget_losses(patch):
    patch.setattr("manyfit.stores.directory.sealing.read_beat", lambda *args: None)


MUTANTS = [
    (drop_priority_order, "test_claims_come_by_priority_then_age"),
    (skip_the_end_before, "test_claim_is_exclusive"),
    (accept_late_ends, "test_a_late_worker_is_fenced_off"),
    (seal_what_is_visible, "test_seal_drops_what_was_not_durable"),
    (forget_cancellations, "test_cancelled_tasks_are_not_claimed"),
    (accept_twice, "test_nothing_is_accepted_before_the_end"),
    (forget_losses, "test_losses_add_up"),
]


@pytest.mark.parametrize(("mutate", "law"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_fails_the_law(mutate, law, tmp_path, monkeypatch):
    """The law passes on the store as it is, and fails on the mutant."""
    check = getattr(StoreSuite(), law)
    check(*handles(tmp_path / "sound.sweep", check))
    mutate(monkeypatch)

    with pytest.raises((AssertionError, ManyfitError, pytest.fail.Exception)):
        check(*handles(tmp_path / "mutant.sweep", check))


def handles(path, check):
    """Return as many handles as the law wants."""
    clock = ManualClock()
    times = {"clock": clock, "monotonic": clock, "patience": PATIENCE, "refresh_seconds": 0.0}
    n = check.__code__.co_argcount - 1
    return [DirectoryStore.create(path, sweep="tiny", **times) for _ in range(n)]
