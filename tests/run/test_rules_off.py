"""Fusion rules that an audit switched off: every order after the entry says so, also of a lease that was open."""

from dataclasses import replace
from pathlib import Path

from tests.run.noting_executor import OFF
from tests.run.plans import by_number, inline, make_store, plan, results, submit, work

from manyfit.model.control import Audit
from manyfit.model.lease import EndKind
from manyfit.model.segment import Segment
from manyfit.model.wire import header_from_json, header_to_json
from manyfit.run.chain import ChainView
from manyfit.run.control import last_header, publish, retry
from manyfit.run.plans import Plans
from manyfit.testing.stores import A, claimed

NOTING = "tests.run.noting_executor:noting"


def asked(store, segment: Segment, name: str) -> list[float]:
    """Return what each task says it was asked, in the order of its number."""
    found = by_number(store, segment)
    return [found[n]["scores"]["cv"][name] for n in sorted(found)]


def test_workers_are_told_of_rules_that_are_off(tmp_path: Path) -> None:
    """Rules that went off before a worker came are in all of its orders."""
    store = make_store(tmp_path)
    segment = plan([{}] * 3, folder=tmp_path, executor=NOTING)
    submit(store, segment)
    publish(store, Audit(certificate=OFF))

    work(store, runner=inline())

    assert asked(store, segment, "off") == [1.0] * 3
    assert asked(store, segment, "fuse") == [1.0] * 3


def test_an_open_lease_gives_up_a_rule_that_goes_off(tmp_path: Path) -> None:
    """Its order ends after the task in progress and the rest begins anew, without the rule; nothing is charged."""
    store = make_store(tmp_path)
    tasks = [{"audit": True, "seconds": 0.02}] + [{"seconds": 0.02}] * 29
    segment = plan(tasks, folder=tmp_path, executor=NOTING)
    submit(store, segment)

    work(store)

    off = asked(store, segment, "off")
    assert len(off) == 30
    assert off[0] == 0.0
    assert off[-1] == 1.0
    assert off == sorted(off)
    assert {result["attempt"] for result in results(store).values()} == {1}
    assert {result["outcome"] for result in results(store).values()} == {"succeeded"}
    assert [entry.action for entry in store.entries() if isinstance(entry.action, Audit)] == [
        Audit(certificate=OFF)
    ]


def test_what_is_claimed_after_the_entry_is_begun_with_it(tmp_path: Path) -> None:
    """Before its first order, although the worker has the plan and no heartbeat was due: the claim says so."""
    store = make_store(tmp_path)
    submit(store, plan([{}] * 2, folder=tmp_path, per_unit=1, executor=NOTING))
    chain = ChainView()
    chain.begin(store)
    plans = Plans(store, chain)
    first = claimed(store)
    store.complete(first, plans.holding(first).end(EndKind.YIELDED, A))
    publish(make_store(tmp_path), Audit(certificate=OFF))
    assert not chain.off

    plans.holding(claimed(store))

    assert chain.off == {"lying"}


def test_tasks_that_are_retried_for_a_rule_are_fitted_alone(tmp_path: Path) -> None:
    """Their segment says so, whatever rules there are; a retry for another reason may fuse again."""
    store = make_store(tmp_path)
    segment = plan([{}] * 2, folder=tmp_path, executor=NOTING)
    submit(store, segment)
    work(store, runner=inline())
    keys = list(results(store))

    assert retry(store, keys, n_workers=1, alone=True) == 2
    work(store, runner=inline())

    latest = [line for block in store.accepted() for line in block.lines.splitlines()][-2:]
    assert all(b'"fuse":0.0' in line for line in latest)
    assert last_header(store).alone
    retry(store, keys, n_workers=1)
    assert not last_header(store).alone


def test_headers_say_alone_only_where_it_holds(tmp_path: Path) -> None:
    """Plans that do not have it are the bytes that earlier versions wrote."""
    header = plan([{}], folder=tmp_path).header
    assert "alone" not in header_to_json(header)
    alone = replace(header, alone=True)
    assert header_from_json(header_to_json(alone)) == alone
    assert header_from_json(header_to_json(header)) == header
