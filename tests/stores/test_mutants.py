"""The suite bites: a store that breaks one law fails that law."""

import inspect
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest

from manyfit.model.errors import LeaseLost, ManyfitError, NotFound
from manyfit.model.lease import End
from manyfit.model.result import Outcome
from manyfit.model.terms import Terms
from manyfit.stores.artifact_files import FolderArtifacts
from manyfit.stores.directory import DirectoryStore, log_reader
from manyfit.stores.directory import store as store_module
from manyfit.stores.directory.admission import Admission
from manyfit.stores.directory.adopting import Adopter
from manyfit.stores.directory.claiming import Claimer
from manyfit.stores.directory.log import LogWriter
from manyfit.stores.ledger import ends, wire
from manyfit.stores.ledger.chain import Chain, Withdrawals
from manyfit.stores.ledger.counting import UnitCounter
from manyfit.stores.ledger.ledger import Ledger
from manyfit.stores.ledger.liveness import Liveness
from manyfit.stores.ledger.view import SegmentView
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores import PATIENCE, ManualClock, StoreSuite


def wrapped(patch, owner, name, change):
    """Replace *name* of *owner* by what *change* makes of it."""
    patch.setattr(owner, name, change(getattr(owner, name)))


# -- claiming ------------------------------------------------------------------------------------------


def drop_priority_order(patch):
    patch.setattr(Ledger, "views_by_priority", lambda self: list(self.views()))


def ignore_the_priority_of_terms(patch):
    patch.setattr(Ledger, "priority", lambda self, view: view.plan.header.priority)


def ignore_the_filter(patch):
    wrapped(
        patch, Claimer, "claim", lambda claim: lambda self, worker, wanted, *rest: claim(self, worker, None, *rest)
    )


def forget_who_holds(patch):
    patch.setattr(DirectoryStore, "_still_held", lambda self, worker: None)


def forget_requests(patch):
    wrapped(patch, DirectoryStore, "_hold", lambda hold: lambda self, view, lease, _: hold(self, view, lease, ""))


def take_any_request_for_a_repetition(patch):
    def claim(original):
        def changed(self, worker, *, wanted=None, request=""):
            held = self._still_held(worker)
            return held.lease if held else original(self, worker, wanted=wanted, request=request)

        return changed

    wrapped(patch, DirectoryStore, "claim", claim)


def cycle_whatever_became_of_the_lease(patch):
    def cycle(self, lease, end, *, wanted=None, request=""):
        with suppress(LeaseLost):
            self.complete(lease, end)
        return self.claim(lease.worker, wanted=wanted, request=request)

    patch.setattr(DirectoryStore, "cycle", cycle)


def cycle_without_the_filter(patch):
    def cycle(self, lease, end, *, wanted=None, request=""):
        self.complete(lease, end)
        return self.claim(lease.worker, request=request)

    patch.setattr(DirectoryStore, "cycle", cycle)


def ignore_needs(patch):
    patch.setattr(Ledger, "barred", lambda self, pipeline, worker: self.chain.held.get(pipeline, ""))


def take_strangers_for_able(patch):
    wrapped(
        patch, Ledger, "barred", lambda barred: lambda self, p, worker: (worker and barred(self, p, worker)) or ""
    )


def ignore_holds(patch):
    patch.setattr(Ledger, "barred", lambda self, p, worker: "; ".join(self.chain.terms.needs_of(p).unmet(worker)))


def resume_all_at_once(patch):
    wrapped(patch, Chain, "_resume", lambda resume: lambda self, pipeline: resume(self, ""))


def resume_only_by_name(patch):
    wrapped(patch, Chain, "_resume", lambda resume: lambda self, p: resume(self, p) if p else None)


def ignore_limits(patch):
    patch.setattr(Ledger, "crowded", lambda self, pipeline, open_leases, n_tenant: "")
    patch.setattr(Admission, "_is_full", lambda self: False)


def ignore_limits_of_pipelines(patch):
    def crowded(original):
        return lambda self, pipeline, *counts: original(self, "another", *counts)

    wrapped(patch, Ledger, "crowded", crowded)


def ignore_the_tenant(patch):
    wrapped(patch, Ledger, "crowded", lambda crowded: lambda self, p, is_open, _: crowded(self, p, is_open, -1))
    patch.setattr(Admission, "_is_full", lambda self: False)


def keep_the_places_of_ended_leases(patch):
    patch.setattr(
        Ledger,
        "open_leases",
        lambda self: Counter(view.pipeline(unit) for view in self.views() for unit in view._claimed),
    )


# -- epochs and their ends -----------------------------------------------------------------------------


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


def forget_what_was_settled(patch):
    patch.setattr(ends, "_marks", lambda own, previous: dict.fromkeys(own, ends.LEFT))


def lose_tasks_in_a_split(patch):
    patch.setattr(ends, "_parts", lambda parts, left: tuple(map(tuple, parts)))


def take_a_holder_at_its_word(patch):
    wrapped(
        patch, ends, "_end", lambda end: lambda kind, *rest, **past: replace(end(kind, *rest, **past), kind=kind)
    )


def carry(patch, **fields):
    wrapped(patch, wire, "end_from", lambda read: lambda data: (replace(read(data)[0], **fields), read(data)[1]))
    wrapped(
        patch,
        SegmentView,
        "saw_end",
        lambda saw: lambda self, unit, epoch, end: saw(self, unit, epoch, replace(end, **fields)),
    )


def forget_forgiven(patch):
    carry(patch, forgiven=())


def forget_attempts(patch):
    carry(patch, attempts=())


def forget_deaths(patch):
    carry(patch, deaths=0)


def charge_every_attempt(patch):
    patch.setattr(Outcome, "charged", True)


def forgive_in_a_split(patch):
    wrapped(
        patch,
        ends,
        "inherited",
        lambda inherited: lambda own, parent: replace(inherited(own, parent), attempts=(), losses=()),
    )
    patch.setattr("manyfit.stores.ledger.view.inherited", ends.inherited)


def let_children_inherit_deaths(patch):
    wrapped(
        patch,
        ends,
        "inherited",
        lambda inherited: lambda own, parent: replace(inherited(own, parent), deaths=2),
    )
    patch.setattr("manyfit.stores.ledger.view.inherited", ends.inherited)


def blame_nobody_that_is_alone(patch):
    def sealed(own, previous, durable, lost, by):
        end = ends.sealed((*own, -1), with_stranger(previous), durable, lost, by)
        kept = [n for n, index in enumerate(end.indices) if index != -1]
        marks = "".join(end.marks[n] for n in kept)
        return replace(end, indices=tuple(own), marks=marks)

    def with_stranger(previous: End | None):
        return previous and replace(previous, indices=(*previous.indices, -1), marks=previous.marks + ends.LEFT)

    patch.setattr("manyfit.stores.directory.sealing.sealed", sealed)


def survive_everything(patch):
    """A seal with progress leaves the deaths as they were."""

    def sealed(own, previous, durable, lost, by):
        end = ends.sealed(own, previous, durable, lost, by)
        return replace(end, deaths=(previous.deaths if previous else 0) + 1)

    patch.setattr("manyfit.stores.directory.sealing.sealed", sealed)


# -- losing workers ------------------------------------------------------------------------------------


def seal_what_is_visible(patch):
    original = log_reader._files

    def visible(*args):
        for file in original(*args):
            yield log_reader._File(
                file_id=file.file_id, start=file.start, found=file.found, marked=file.found[-1].end
            )

    patch.setattr(log_reader, "_files", visible)


def seal_nothing(patch):
    nothing = log_reader.Durable(spans=(), attempts=())
    patch.setattr("manyfit.stores.directory.sealing.durable", lambda *args: nothing)


def forget_losses(patch):
    patch.setattr("manyfit.stores.directory.sealing.read_beat", lambda *args: None)


def suspect_too_soon(patch):
    patch.setattr(Liveness, "seems_dead", lambda self, worker, beat: True)


def suspect_nobody(patch):
    patch.setattr(Liveness, "seems_dead", lambda self, worker, beat: False)


def suspect_nobody_while_it_holds_a_unit(patch):
    def expire(original):
        def changed(self, workers=None):
            return 0 if workers is None and self._held else original(self, workers)

        return changed

    wrapped(patch, DirectoryStore, "expire", expire)


def suspect_itself(patch):
    def expire(original):
        def changed(self, workers=None):
            held, self._held = self._held, {}
            try:
                return original(self, workers)
            finally:
                self._held = held

        return changed

    wrapped(patch, DirectoryStore, "expire", expire)


# -- control and reading -------------------------------------------------------------------------------


def forget_cancellations(patch):
    patch.setattr(Withdrawals, "_cancel", lambda self, tasks: None)


def forget_removals(patch):
    def add(self, added):
        self._segments[added.segment] = type(next(iter(self._segments.values()), None) or _withdrawn())()

    patch.setattr(Withdrawals, "_add", add)


def _withdrawn():
    from manyfit.stores.ledger.chain import _Withdrawn

    return _Withdrawn()


def never_pause(patch):
    wrapped(patch, Chain, "_pause", lambda pause: lambda self, p, reason: pause(self, p, reason) if p else None)


def finish_too_soon(patch):
    patch.setattr(Ledger, "finished", lambda self: not any(view.free for view in self.views()))


def accept_twice(patch):
    original = store_module.accepted_lines
    patch.setattr(store_module, "accepted_lines", lambda *args: 2 * original(*args))


def ignore_heartbeats(patch):
    patch.setattr(UnitCounter, "_add_running", lambda self, unit, left, off, tally: None)


def register_over_another(patch):
    patch.setattr(
        DirectoryStore,
        "register",
        lambda self, worker: self._layout.worker(worker.id).write_bytes(wire.worker_bytes(worker)) and None,
    )


# -- copies and kept files -----------------------------------------------------------------------------


def adopt_over_another(patch):
    patch.setattr("manyfit.stores.directory.adopting.require_same", lambda ended, found: None)


def adopt_a_piece(patch):
    patch.setattr("manyfit.stores.directory.adopting._pieces", lambda lines: [lines[: lines.find(b"\n") + 1]])


def adopt_under_another_name(patch):
    wrapped(patch, Adopter, "adopt", lambda adopt: lambda self, ended: adopt(self, replace(ended, worker="me")))


def adopt_what_others_adopted(patch):
    wrapped(patch, Adopter, "adopt", lambda adopt: lambda self, ended: adopt(self, ended) or True)


def tell_children_first(patch):
    wrapped(patch, DirectoryStore, "epochs", lambda epochs: lambda self: reversed(list(epochs(self))))


def sign_every_entry(patch):
    wrapped(
        patch,
        DirectoryStore,
        "append",
        lambda append: lambda self, action, *, position, by=None, at=None: append(self, action, position=position),
    )


def overwrite_kept_files(patch):
    def keep(self, path, content):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return True

    patch.setattr(FolderArtifacts, "_keep", keep)


def read_from_the_start(patch):
    wrapped(patch, FolderArtifacts, "read", lambda read: lambda self, name, *part: read(self, name))


def remove_nothing(patch):
    patch.setattr(FolderArtifacts, "_unlink", lambda self, path: None)


# -- what else a store does by itself ------------------------------------------------------------------


def append_wherever_there_is_room(patch):
    def append(original):
        def changed(self, action, *, position, by=None, at=None):
            return original(self, action, position=len(self.entries()) + 1, by=by, at=at)

        return changed

    wrapped(patch, DirectoryStore, "append", append)


def publish_any_base(patch):
    def publish_base(original):
        return lambda self, parquet, *, position: original(self, parquet, position=len(self.entries()) + 1)

    wrapped(patch, DirectoryStore, "publish_base", publish_base)


def hide_the_bases(patch):
    patch.setattr(DirectoryStore, "bases", lambda self: ())


def entries_from_the_beginning(patch):
    wrapped(patch, DirectoryStore, "entries", lambda entries: lambda self, since=0: entries(self))


def keep_the_first_reason(patch):
    patch.setattr(Chain, "_pause", lambda self, pipeline, reason: self.held.setdefault(pipeline, reason))


def drop_removed_keys(patch):
    wrapped(patch, store_module, "plan_bytes", lambda data: lambda part: data(replace(part, removed=())))


def invent_segments(patch):
    patch.setattr(DirectoryStore, "segment", lambda self, segment: None)


def look_up_whole_units_only(patch):
    patch.setattr(DirectoryStore, "unit", lambda self, unit: self._known.ledger.view_with(unit).plan.unit(unit))


def say(patch, **fields):
    wrapped(patch, store_module, "summary", lambda summary: lambda *args: replace(summary(*args), **fields))


def say_another_sweep(patch):
    say(patch, sweep="another")


def say_no_terms(patch):
    say(patch, terms=Terms())


def forget_what_is_off(patch):
    wrapped(patch, wire, "certificate_from_json", lambda read: lambda value: replace(read(value), off=()))


def cycle_to_another_unit(patch):
    def cycle(self, lease, end, *, wanted=None, request=""):
        self.complete(lease, end)
        return self.claim(lease.worker, wanted=lambda unit, index: unit.id != lease.unit, request=request)

    patch.setattr(DirectoryStore, "cycle", cycle)


def record_for_anybody(patch):
    patch.setattr(DirectoryStore, "record", lambda self, lease, lines: None)


def let_strangers_in(patch):
    def concluded(end, lease, own, *rest):
        marks = [(i, mark) for i, mark in zip(end.indices, end.marks, strict=True) if i in own]
        known = replace(end, indices=tuple(i for i, _ in marks), marks="".join(mark for _, mark in marks))
        return ends.concluded(known, lease, own, *rest)

    patch.setattr(store_module, "concluded", concluded)


def cancel_on_a_word(patch):
    patch.setattr(ends, "CANCELLED", "x")


def complete_only_once(patch):
    def again(self, lease):
        raise LeaseLost(lease.unit, lease.epoch)

    patch.setattr(DirectoryStore, "_complete_again", again)


def forget_grandchildren(patch):
    patch.setattr(SegmentView, "_children", lambda self, unit: iter(self.children(unit)))


def run_again(patch):
    patch.setattr(SegmentView, "closed", lambda self, unit: False)
    patch.setattr("manyfit.stores.ledger.ledger.left_of", lambda own, previous: ends.left_of(own, None))


def believe_in_a_lost_lease(patch):
    patch.setattr(DirectoryStore, "_still_held", lambda self, worker: self._held.get(worker))


def wait_for_nothing(patch):
    wrapped(patch, LogWriter, "sync", lambda sync: lambda self: sync(self) and 0)


def adopt_in_any_order(patch):
    def adopt(self, ended):
        self._known.refresh(now=True)
        view = self._known.ledger.view_with(ended.unit)
        if view.read_end(ended.unit, ended.epoch) is not None:
            return False
        self._claim(view, ended)
        return self._end(view, ended, self._write(ended))

    patch.setattr(Adopter, "adopt", adopt)


def keep_nothing(patch):
    patch.setattr(FolderArtifacts, "_keep", lambda self, path, content: True)


def keep_once(patch):
    wrapped(
        patch,
        FolderArtifacts,
        "_keep",
        lambda keep: lambda self, path, content: not path.exists() and keep(self, path, content),
    )


def take_nothing_for_absent(patch):
    def read(original):
        def changed(self, name, *part):
            if not (content := original(self, name, *part)):
                raise NotFound(name)
            return content

        return changed

    wrapped(patch, FolderArtifacts, "read", read)


def list_names_of_paths(patch):
    def files(original):
        return lambda self: (replace(file, name=file.name.rpartition("/")[2]) for file in original(self))

    wrapped(patch, FolderArtifacts, "files", files)


MUTANTS = [
    (append_wherever_there_is_room, "test_positions_are_taken_once"),
    (append_wherever_there_is_room, "test_the_chain_has_no_gaps"),
    (publish_any_base, "test_a_base_needs_its_position"),
    (hide_the_bases, "test_two_readers_get_the_same_bytes"),
    (entries_from_the_beginning, "test_entries_come_in_order_and_from_where_one_asks"),
    (keep_the_first_reason, "test_the_last_reason_counts"),
    (drop_removed_keys, "test_a_segment_comes_back_as_it_was"),
    (invent_segments, "test_an_unknown_segment_is_not_found"),
    (look_up_whole_units_only, "test_a_unit_can_be_looked_up"),
    (say_another_sweep, "test_a_store_says_its_sweep"),
    (say_no_terms, "test_the_snapshot_tells_the_terms"),
    (cycle_to_another_unit, "test_a_cycle_may_claim_what_it_gave_back"),
    (record_for_anybody, "test_a_strange_lease_is_refused"),
    (let_strangers_in, "test_an_end_may_not_name_strangers"),
    (cancel_on_a_word, "test_only_a_cancellation_cancels"),
    (complete_only_once, "test_completing_twice_is_harmless"),
    (forget_grandchildren, "test_children_split_again"),
    (run_again, "test_done_is_final"),
    (run_again, "test_the_last_cycle_claims_nothing"),
    (wait_for_nothing, "test_sync_tells_how_much_was_waiting"),
    (adopt_in_any_order, "test_epochs_are_adopted_in_order"),
    (keep_nothing, "test_what_a_result_names_is_there"),
    (keep_once, "test_putting_again_is_harmless"),
    (take_nothing_for_absent, "test_an_empty_file_is_a_file"),
    (list_names_of_paths, "test_kept_files_are_listed"),
    (forget_removals, "test_a_cancelled_task_can_be_retried"),
    (forget_removals, "test_a_retry_counts_with_its_generation"),
    (forget_cancellations, "test_a_cancelled_unit_is_not_offered_to_a_request"),
    (forget_cancellations, "test_a_cycle_sees_what_was_withdrawn"),
    (forget_cancellations, "test_cancel_all_leaves_later_segments"),
    (forget_cancellations, "test_cancelled_while_held"),
    (forget_cancellations, "test_a_copy_is_resumed"),
    (accept_twice, "test_a_cycle_completes_and_claims"),
    (skip_the_end_before, "test_a_fenced_worker_goes_on"),
    (skip_the_end_before, "test_claims_come_in_plan_order"),
    (skip_the_end_before, "test_requests_of_two_workers_do_not_meet"),
    (skip_the_end_before, "test_split_makes_two_units"),
    (skip_the_end_before, "test_submitting_twice_changes_nothing"),
    (skip_the_end_before, "test_units_tell_their_epochs"),
    (ignore_the_filter, "test_a_filter_is_a_function"),
    (ignore_heartbeats, "test_a_heartbeat_of_an_earlier_lease_does_not_count"),
    (ignore_heartbeats, "test_counts_add_up_after_every_operation"),
    (adopt_a_piece, "test_a_large_epoch_is_adopted"),
    (adopt_what_others_adopted, "test_nothing_is_adopted_twice"),
    (seal_nothing, "test_a_late_task_is_not_charged_for_another"),
    (seal_nothing, "test_sealing_what_is_all_settled_ends_it"),
    (ignore_limits, "test_a_limit_can_be_lifted"),
    (ignore_limits, "test_a_limit_may_come_late"),
    (ignore_limits, "test_a_split_lease_frees_its_place"),
    (ignore_limits, "test_limits_and_needs_hold_together"),
    (ignore_limits, "test_the_limits_of_a_sweep_hold_together"),
    (keep_the_places_of_ended_leases, "test_a_yielded_lease_frees_its_place"),
    (keep_the_places_of_ended_leases, "test_an_adopted_epoch_is_no_lease"),
    (resume_all_at_once, "test_a_named_resume_leaves_the_sweep_paused"),
    (forget_requests, "test_a_repeated_request_needs_no_second_place"),
    (believe_in_a_lost_lease, "test_a_request_does_not_bring_back_what_ended"),
    (blame_nobody_that_is_alone, "test_a_task_that_is_left_alone_is_charged_whatever_was_said"),
    (forget_deaths, "test_a_yield_resets_the_deaths"),
    (forget_attempts, "test_what_is_settled_is_carried_no_further"),
    (finish_too_soon, "test_an_empty_store_is_not_finished"),
    (remove_nothing, "test_a_file_that_is_not_there_is_not_found"),
    (remove_nothing, "test_files_of_runners_are_kept_files"),
    (ignore_needs, "test_needs_can_be_lifted"),
    (ignore_needs, "test_needs_of_all_pipelines"),
    (suspect_nobody, "test_workers_are_listed"),
    (forget_cancellations, "test_this_store_can_be_copied"),
    (drop_priority_order, "test_claims_come_by_priority_then_age"),
    (drop_priority_order, "test_priorities_are_any_numbers"),
    (ignore_the_priority_of_terms, "test_terms_set_the_priority"),
    (ignore_the_filter, "test_claims_only_what_is_wanted"),
    (forget_who_holds, "test_a_worker_holds_one_lease"),
    (forget_requests, "test_a_repeated_request_gets_the_same_lease"),
    (forget_requests, "test_a_repeated_cycle_gets_the_same_lease"),
    (take_any_request_for_a_repetition, "test_another_request_is_a_second_claim"),
    (take_any_request_for_a_repetition, "test_no_request_is_no_key"),
    (cycle_whatever_became_of_the_lease, "test_a_cycle_of_a_lost_lease_claims_nothing"),
    (cycle_without_the_filter, "test_a_cycle_claims_what_is_wanted"),
    (ignore_needs, "test_unmet_needs_pass_a_pipeline_over"),
    (ignore_needs, "test_each_need_is_compared"),
    (take_strangers_for_able, "test_who_never_registered_offers_nothing"),
    (ignore_holds, "test_a_held_pipeline_is_passed_over"),
    (ignore_holds, "test_a_lease_of_a_held_pipeline_goes_on"),
    (resume_all_at_once, "test_pipelines_are_resumed_one_by_one"),
    (resume_only_by_name, "test_pipelines_are_resumed_one_by_one"),
    (ignore_limits, "test_no_more_leases_than_the_sweep_may_have"),
    (ignore_limits, "test_a_cycle_keeps_its_place"),
    (ignore_limits_of_pipelines, "test_no_more_leases_than_a_pipeline_may_have"),
    (ignore_the_tenant, "test_the_tenant_is_limited"),
    (keep_the_places_of_ended_leases, "test_a_completed_lease_frees_its_place"),
    (keep_the_places_of_ended_leases, "test_an_expired_lease_frees_its_place"),
    (skip_the_end_before, "test_claim_is_exclusive"),
    (accept_late_ends, "test_a_late_worker_is_fenced_off"),
    (forget_what_was_settled, "test_settled_stays_settled"),
    (lose_tasks_in_a_split, "test_split_loses_no_task"),
    (take_a_holder_at_its_word, "test_done_with_tasks_left_is_not_done"),
    (forget_attempts, "test_yielded_tasks_are_claimed_again"),
    (forget_forgiven, "test_forgiven_attempts_survive_a_yield"),
    (forget_forgiven, "test_a_seal_goes_on_from_what_was_forgiven"),
    (forget_forgiven, "test_a_split_keeps_what_was_forgiven"),
    (charge_every_attempt, "test_a_seal_forgives_what_is_not_charged"),
    (forgive_in_a_split, "test_split_forgives_nothing"),
    (forget_deaths, "test_deaths_add_up_while_nobody_knows_the_task"),
    (let_children_inherit_deaths, "test_children_begin_without_deaths"),
    (blame_nobody_that_is_alone, "test_a_task_that_is_left_alone_is_charged"),
    (survive_everything, "test_progress_resets_the_deaths"),
    (survive_everything, "test_a_death_on_a_known_task_is_its_own"),
    (seal_what_is_visible, "test_seal_drops_what_was_not_durable"),
    (seal_nothing, "test_seal_keeps_what_was_durable"),
    (forget_losses, "test_losses_add_up"),
    (suspect_too_soon, "test_silence_ends_a_lease_at_the_patience"),
    (suspect_nobody, "test_silence_ends_a_lease_at_the_patience"),
    (suspect_too_soon, "test_a_heartbeat_keeps_a_lease"),
    (suspect_itself, "test_a_handle_does_not_suspect_itself"),
    (suspect_nobody_while_it_holds_a_unit, "test_a_handle_suspects_who_took_its_unit"),
    (forget_cancellations, "test_cancelled_tasks_are_not_claimed"),
    (forget_removals, "test_removed_tasks_are_in_no_count"),
    (never_pause, "test_nobody_claims_while_paused"),
    (forget_what_is_off, "test_a_certificate_is_kept_as_it_is"),
    (finish_too_soon, "test_a_submission_goes_on_until_it_says_it_ends"),
    (accept_twice, "test_nothing_is_accepted_before_the_end"),
    (ignore_heartbeats, "test_counts_follow_the_heartbeat"),
    (register_over_another, "test_a_worker_id_is_used_once"),
    (adopt_over_another, "test_an_open_epoch_is_not_overwritten"),
    (adopt_over_another, "test_another_end_is_not_overwritten"),
    (adopt_over_another, "test_every_difference_is_seen"),
    (adopt_a_piece, "test_a_store_can_be_copied_to_here"),
    (adopt_under_another_name, "test_a_store_can_be_copied_to_here"),
    (adopt_what_others_adopted, "test_copying_again_changes_nothing"),
    (forget_deaths, "test_a_copy_goes_on_where_it_came_from"),
    (tell_children_first, "test_epochs_tell_everything"),
    (sign_every_entry, "test_a_copied_entry_keeps_its_author"),
    (overwrite_kept_files, "test_another_content_is_refused"),
    (read_from_the_start, "test_what_was_put_can_be_read"),
    (remove_nothing, "test_removed_files_are_gone"),
]


WITHOUT_MUTANT = {"test_a_plan_comes_before_its_epochs"}
"""Laws that no store can break without failing outright."""


def test_every_law_has_a_mutant():
    """What no mutant breaks may say nothing."""
    laws = {name for name in dir(StoreSuite) if name.startswith("test_")}
    assert laws - {law for _, law in MUTANTS} == WITHOUT_MUTANT


@pytest.mark.parametrize(("mutate", "law"), MUTANTS, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_fails_the_law(mutate, law, tmp_path, monkeypatch):
    """The law passes on the store as it is, and fails on the mutant."""
    check = getattr(StoreSuite(), law)
    check(**fixtures(tmp_path / "sound", check))
    mutate(monkeypatch)

    with pytest.raises((AssertionError, ManyfitError, LookupError, StopIteration, pytest.fail.Exception)):
        check(**fixtures(tmp_path / "mutant", check))


def fixtures(folder, check):
    """Return what the law asks for."""
    clock = ManualClock()
    folder.mkdir()
    times = {"clock": clock, "monotonic": clock, "patience": PATIENCE}

    def open_store():
        return DirectoryStore.create(folder / "tiny.sweep", sweep="tiny", refresh_seconds=0.0, **times)

    makers = {
        "clock": lambda: clock,
        "open_store": lambda: open_store,
        "store": open_store,
        "other": open_store,
        "model": lambda: MemoryStore(MemoryState(sweep="tiny"), by="model", **times),
        "tmp_path": lambda: folder,
    }
    return {name: makers[name]() for name in inspect.signature(check).parameters}
