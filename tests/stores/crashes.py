"""What the tests of crashes share: a process that may die, and the laws that hold whatever it left."""

import json
import os

from manyfit.model.keys import WorkerId
from manyfit.testing.stores import accepted_lines, add, counts, run

A, B = WorkerId("a"), WorkerId("b")


def in_child(work):
    """Run *work(acknowledge)* in a forked process; return its exit status and what it acknowledged."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(reader)
            work(lambda unit, index: os.write(writer, f"{unit} {index}\n".encode()))
            code = 0
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        said = [tuple(text.split()) for text in pipe]
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), said


def finish(store, plan, said=()):
    """Finish what worker `A` left of *plan* with another worker, and check the laws on the way."""
    if not store.entries():
        add(store, plan)
    before = {(unit, epoch): lines for unit, epoch, lines in accepted_lines(store)}
    store.expire([A])
    results = records(store)
    for unit, index in said:
        assert (unit.partition(".")[0], int(index), 1) in results, "a result that was acknowledged is lost"
    counts(store)
    while (lease := store.claim(B)) is not None:
        run(store, lease)
    assert store.finished()
    after = {(unit, epoch): lines for unit, epoch, lines in accepted_lines(store)}
    assert before.items() <= after.items()
    total = counts(store)
    assert plan.n_tasks == total.planned == total.done + total.cancelled
    assert total.done == len(records(store))


def records(store):
    """Return (root, index, attempt) of everything accepted, each of which must be there once."""
    found = [
        (unit.partition(".")[0], value["index"], value["attempt"])
        for unit, _, lines in accepted_lines(store)
        for value in map(json.loads, lines.splitlines())
    ]
    assert len(found) == len(set(found)), "a result is accepted twice"
    return set(found)
