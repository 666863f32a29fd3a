"""What the tests of the SQL stores share: a script, many processes, an audit that reads the tables itself."""

import collections
import json
import os
import sys
import time
import traceback

from tests.stores.crashes import A

from manyfit.model.control import Cancel
from manyfit.model.keys import WorkerId
from manyfit.model.lease import EndKind
from manyfit.testing.stores import PATIENCE, add, beat, claimed, end, key_of, line, segment

PLAN = segment([1, 2, 3, 4], [5, 6], [7])


def suite_times(clock):
    """Return the options of a handle that obeys the clock of a suite."""
    return {"clock": clock, "monotonic": clock, "patience": PATIENCE}


# -- a script that uses every operation that writes ------------------------------------------------------


def script(store, parquet, acknowledge=lambda unit, index: None):
    """Submit, run, yield, split and finish a small plan; acknowledge each result once it is durable."""
    add(store, PLAN)
    store.append(Cancel(tasks=(key_of(2),)), position=2)
    lease = claimed(store)
    store.beat(A, beat(1, lease, index=0))
    for index in (0, 2):
        store.record(lease, line(index))
        store.sync()
        acknowledge(lease.unit, index)
    store.complete(lease, end(lease, "dd.", EndKind.SPLIT, parts=((3,),)))
    store.publish_base(parquet, position=3)
    lease = store.claim(A)
    while lease is not None:
        for task in lease.tasks:
            store.record(lease, line(task.index, attempt=task.attempts + 1))
        unit, tasks = lease.unit, lease.tasks
        lease = store.cycle(lease, end(lease, "d" * len(lease.tasks)))
        store.sync()
        for task in tasks:
            acknowledge(unit, task.index)
    assert store.finished()


# -- many processes ------------------------------------------------------------------------------------


def drain(store, worker, seconds=500):
    """Run whatever can be claimed until the sweep is finished; return how long each cycle took."""
    deadline, took, serial = time.monotonic() + seconds, [], 0
    lease = store.claim(worker, request="first")
    while time.monotonic() < deadline:
        if lease is None:
            if store.finished():
                return took
            time.sleep(0.01)
            lease = store.claim(worker, request=f"again {serial}")
            serial += 1
            continue
        for task in lease.tasks:
            store.record(lease, line(task.index, attempt=task.attempts + 1))
        began = time.monotonic()
        lease = store.cycle(lease, end(lease, "d" * len(lease.tasks)), request=f"{worker} {serial}")
        serial += 1
        took.append(time.monotonic() - began)
    raise TimeoutError(worker)


def contend(open_store, n_workers, watch=lambda: None):
    """
    Let processes drain a sweep; return the exit codes counted.

    *watch* is called again and again once each of them has opened the store: a handle waits for a server
    that went away, but nobody opens a store on a server that is not there.
    """
    has_opened, tell = os.pipe()
    pids = []
    for number in range(n_workers):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                store = open_store()
                os.write(tell, b".")
                drain(store, WorkerId(f"w{number}"))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        pids.append(pid)
    os.close(tell)
    for _ in pids:
        os.read(has_opened, 1)  # nothing, if those that are left have ended
    os.close(has_opened)
    codes = collections.Counter()
    for pid in pids:
        while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
            watch()
            time.sleep(0.0005)
        codes[os.waitstatus_to_exitcode(ended[1])] += 1
    return codes


# -- an audit that uses no code of the stores ------------------------------------------------------------


def audit(rows):
    """
    Return which laws the tables break, as texts. *rows* returns the rows that an SQL statement finds.

    It knows the columns, and reads ends and lines by itself.
    """
    broken = []
    units = {
        number: ((sweep, part), id_, state, epoch)
        for number, sweep, part, id_, state, epoch in rows(
            "SELECT number, sweep, segment, id, state, epoch FROM unit"
        )
    }
    ends, opened = {}, collections.Counter()
    for unit, epoch, sweep, worker, ended in rows("SELECT unit, epoch, sweep, worker, ended FROM epoch"):
        ends[unit, epoch] = json.loads(bytes(ended)) if ended is not None else None
        opened[sweep, worker] += ended is None
    lines = collections.defaultdict(list)
    for unit, epoch, seq, content in rows("SELECT unit, epoch, seq, content FROM line ORDER BY unit, epoch, seq"):
        lines[unit, epoch].append((seq, bytes(content)))
    broken += [f"{worker} holds {n} leases" for worker, n in opened.items() if n > 1]
    names, seen, final = {unit[:2] for unit in units.values()}, set(), {}
    for number, (part, id_, state, epoch) in units.items():
        found = [ends.get((number, e), "missing") for e in range(1, epoch + 1)]
        if "missing" in found or None in found[:-1] or (number, epoch + 1) in ends:
            broken.append(f"law 6: the epochs of {id_} are not 1 to {epoch}, ended one after another")
            continue
        last = found[-1] if found else None
        is_open = bool(found) and last is None
        if (state == 1) != is_open:
            broken.append(f"{id_} has state {state} and its last epoch is {'open' if is_open else 'not open'}")
        closed = last is not None and (last["kind"] == "split" or "." not in last["marks"])
        if closed and state != 2:
            broken.append(f"law 5: {id_} has ended for good and has state {state}")
        children = [f"{id_}.{n}" for n in range(len(last["parts"]))] if closed and last["kind"] == "split" else []
        if [child for child in children if (part, child) not in names] or (
            not children and (part, f"{id_}.0") in names
        ):
            broken.append(f"law 4: the children of {id_} are not those of its end")
        broken += _audit_lines(number, id_, part, found, lines, seen, final)
    return broken


def _audit_lines(number, id_, part, found, lines, seen, final):
    root = (part, id_.partition(".")[0])
    for epoch, said in enumerate(found, start=1):
        if said is None:
            continue
        content = b"".join(text for _, text in lines[number, epoch])
        spans = sum(stop - start for _, start, stop in said["spans"])
        if len(content) != spans or [seq for seq, _ in lines[number, epoch]] != [
            *range(len(lines[number, epoch]))
        ]:
            yield f"law 3: epoch {epoch} of {id_} has {len(content)} bytes of results, its end says {spans}"
        for value in map(json.loads, content.splitlines()):
            key = (*root, value["index"], value["attempt"])
            if key in seen:
                yield f"law 1: task {value['index']} of {id_} has two results of attempt {value['attempt']}"
            seen.add(key)
            if value["final"]:
                final.setdefault((*root, value["index"]), "d" if value["outcome"] == "succeeded" else "f")
        for index, mark in zip(said["indices"], said["marks"], strict=True):
            if mark in "df" and final.get((*root, index)) != mark:
                has = final.get((*root, index))
                yield f"law 2: task {index} of {id_} is marked {mark} and has the result {has}"
