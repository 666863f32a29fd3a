"""Laws of epochs as they are told to other stores, and as they are taken over from them."""

from dataclasses import replace

import pytest

from manyfit.contracts.store import Store
from manyfit.model.control import Pause, Resume
from manyfit.model.errors import NotFound, Refused
from manyfit.model.lease import EndKind
from manyfit.model.result import Outcome
from manyfit.model.segment import Segment
from manyfit.model.snapshot import Counts
from manyfit.testing.stores.acting import (
    accepted_lines,
    act,
    add,
    cancel,
    claimed,
    copy,
    counts,
    indices,
    limit,
    run,
    state_of,
)
from manyfit.testing.stores.builders import A, B, C, beat, end, line, segment

PART = segment([1, 2, 3, 4], [5], [6, 7], [8, 9])


def live(store: Store) -> None:
    """Let a sweep see everything: results, failures, a loss, a split, a yield, a cancellation, terms."""
    add(store, PART)
    first = claimed(store)
    store.record(first, line(0) + line(1, ok=False, final=False))
    store.sync()
    store.beat(A, beat(1, first, index=2))
    store.expire([A])
    again = claimed(store, B)
    store.complete(again, end(again, "...", EndKind.SPLIT, parts=((1,), (2, 3)), attempts=((1, 1),)))
    run(store, claimed(store, B), fail=[1])
    run(store, claimed(store, A))
    run(store, claimed(store, C))
    yielded = claimed(store, C)
    store.record(yielded, line(0, outcome=Outcome.PREEMPTED, final=False))
    store.complete(yielded, end(yielded, "..", attempts=((0, 1),), forgiven=((0, 1),)))
    limit(store, 5)
    cancel(store, 9)


class AdoptionSuite:
    """Laws of epochs as they are told to other stores, and as they are taken over from them."""

    def test_epochs_tell_everything(self, store: Store, other: Store) -> None:
        """Every epoch that ended comes once, parents before children, with its holder, results and end."""
        live(store)
        open_lease = claimed(store)

        found = list(other.epochs())

        root = PART.units[0].id
        names = [(ended.unit.removeprefix(root), ended.epoch, ended.worker) for ended in found]
        expected = [("", 1, A), ("", 2, B), (".0", 1, B), (".1", 1, A)]
        assert names[:4] == expected
        assert len(found) == 6
        assert [(e.unit, e.epoch, e.lines) for e in found if e.lines] == accepted_lines(store)
        lasts = {ended.unit: ended.end for ended in found}
        assert lasts == {state.unit: state.end for state in other.units() if state.end}
        assert {ended.segment for ended in found} == {PART.id}
        assert open_lease.epoch == 2

    def test_a_store_can_be_copied_to_here(self, store: Store, other: Store, model: Store) -> None:
        """What another store accepted, counted and marked is the same here, for every handle."""
        live(model)

        assert copy(model, store) == 6

        assert state_of(model) == state_of(store) == state_of(other)
        assert list(model.epochs()) == [
            replace(ended, end=replace(ended.end, spans=before.end.spans))
            for ended, before in zip(other.epochs(), model.epochs(), strict=True)
        ]

    def test_this_store_can_be_copied(self, store: Store, model: Store) -> None:
        """What is accepted, counted and marked here is the same in a copy."""
        live(store)

        assert copy(store, model) == 6

        assert state_of(store) == state_of(model)

    def test_a_copy_goes_on_where_it_came_from(self, store: Store, other: Store, model: Store) -> None:
        """What is left can be claimed, with its attempts, losses and deaths; what is done is done."""
        live(model)
        claimed(model)
        model.expire([A])
        copy(model, store)

        left, same = claimed(other), claimed(model)

        assert replace(same, position=left.position) == left
        run(other, left)
        rest = claimed(store, B)
        assert indices(rest) == [0]
        run(store, rest)
        assert store.finished()
        assert Counts(planned=9, done=7, failed=1, cancelled=1) == counts(other)

    def test_copying_again_changes_nothing(self, store: Store, other: Store, model: Store) -> None:
        """An epoch that is there is compared and left alone, whichever handle brought it."""
        live(model)
        copy(model, store)
        before = state_of(store)

        assert copy(model, other) == 0

        assert before == state_of(store) == state_of(other)

    def test_a_copy_is_resumed(self, store: Store, other: Store, model: Store) -> None:
        """Another handle goes on where the first one stopped, at any epoch; also with what came since."""
        live(model)
        for entry in model.entries():
            if entry.position == 1:
                add(store, PART)
            else:
                store.append(entry.action, position=entry.position)
        found = list(model.epochs())
        assert [store.adopt(ended) for ended in found[:3]] == [True] * 3
        run(model, claimed(model))

        assert copy(model, other) == 4

        assert state_of(model) == state_of(store)

    def test_an_open_epoch_is_not_overwritten(self, store: Store, other: Store, model: Store) -> None:
        """Where a worker is on it, its work stands, and the copy is refused."""
        for some in (model, store):
            add(some, segment([1]))
        run(model, claimed(model))
        lease = claimed(store, B)

        with pytest.raises(Refused):
            other.adopt(next(model.epochs()))

        store.record(lease, line(0, ok=False))
        store.complete(lease, end(lease, "f"))
        assert [(lease.unit, 1, line(0, ok=False))] == accepted_lines(other)

    def test_another_end_is_not_overwritten(self, store: Store, model: Store) -> None:
        """Two stores that went different ways are not made one."""
        for some in (model, store):
            add(some, segment([1]))
        run(model, claimed(model))
        lease = claimed(store)
        run(store, lease, fail=[0])

        with pytest.raises(Refused):
            store.adopt(next(model.epochs()))

        assert Counts(planned=1, failed=1) == counts(store)

    def test_every_difference_is_seen(self, store: Store, model: Store) -> None:
        """Worker, results, marks, attempts: an epoch is the same in all of them, or another one."""
        add(model, segment([1, 2]))
        lease = claimed(model)
        model.record(lease, line(0))
        model.complete(lease, end(lease, "d.", attempts=((1, 1),)))
        copy(model, store)
        ended = next(model.epochs())
        before = state_of(store)

        for other in (
            replace(ended, worker=B),
            replace(ended, lines=line(0, ok=False)),
            replace(ended, lines=b""),
            replace(ended, end=replace(ended.end, marks="f.")),
            replace(ended, end=replace(ended.end, attempts=((1, 2),))),
            replace(ended, end=replace(ended.end, forgiven=((1, 1),))),
            replace(ended, end=replace(ended.end, deaths=1)),
        ):
            with pytest.raises(Refused):
                store.adopt(other)

        assert before == state_of(store)
        assert not store.adopt(ended)

    def test_epochs_are_adopted_in_order(self, store: Store, model: Store) -> None:
        """Neither a later epoch nor a child comes first."""
        live(model)
        add(store, PART)
        first, second, child, *_ = model.epochs()

        for early in (second, child):
            with pytest.raises((Refused, NotFound)):
                store.adopt(early)
        assert Counts(planned=9, pending=9) == counts(store)

        assert [store.adopt(ended) for ended in (first, second, child)] == [True] * 3

    def test_a_plan_comes_before_its_epochs(self, store: Store, model: Store) -> None:
        """An epoch of a segment that is not here is not taken."""
        live(model)

        with pytest.raises(NotFound):
            store.adopt(next(model.epochs()))

    def test_an_adopted_epoch_is_no_lease(self, store: Store, other: Store, model: Store) -> None:
        """It holds no place under a limit, nobody is suspected, and its worker may claim."""
        for some in (model, store):
            add(some, segment([1], [2]))
        limit(store, 1)
        run(model, claimed(model))
        store.adopt(next(model.epochs()))

        assert dict(other.snapshot().open_units) == {}
        assert other.expire([A]) == 0
        assert claimed(other, B)

    def test_a_copied_entry_keeps_its_author(self, store: Store, other: Store) -> None:
        """An entry has the name and time it is given; otherwise those of the handle."""
        copied = store.append(Pause(), position=1, by="somebody", at=12.5)
        own = store.append(Resume(), position=2)

        assert (copied.by, copied.at) == ("somebody", 12.5)
        assert [copied, own] == list(other.entries())
        assert own.by != "somebody"
        assert own.at > copied.at

    def test_nothing_is_adopted_twice(self, store: Store, other: Store, model: Store) -> None:
        """Two that copy at the same time, epoch by epoch, leave one copy."""
        live(model)
        copy_chain(model, store)

        for ended in model.epochs():
            assert sorted((store.adopt(ended), other.adopt(ended))) == [False, True]

        assert state_of(model) == state_of(store)

    def test_a_large_epoch_is_adopted(self, store: Store, other: Store, model: Store) -> None:
        """Results of some megabytes come over byte by byte."""
        part = segment([1, 2])
        for some in (model, store):
            add(some, part)
        lease = claimed(model)
        for index in (0, 1):
            value = line(index)
            model.record(lease, value[:-2] + b', "scores": "' + b"x" * 3_000_000 + b'"}\n')
        model.complete(lease, end(lease, "dd"))

        assert copy(model, store) == 1

        assert list(model.accepted()) == list(other.accepted())


def copy_chain(source: Store, target: Store) -> None:
    """Copy the plan and the entries only."""
    for entry in source.entries():
        if entry.position == 1:
            add(target, plan_of(source))
        else:
            act(target, entry.action)


def plan_of(store: Store) -> Segment:
    """Return the only segment of *store*."""
    return store.segment(PART.id)
