"""Hundreds of workers over one directory store, killed at random moments, lose and repeat nothing."""

import json
import os
import random
import signal
import time
import traceback
from pathlib import Path

import pytest

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.control import AddSegment, Cancel, Pause, Resume
from manyfit.model.errors import LeaseLost, PositionTaken
from manyfit.model.keys import SegmentId, UnitId, WorkerId, content_key, task_key
from manyfit.model.lease import End, EndKind
from manyfit.model.segment import Segment, SegmentHeader
from manyfit.model.unit import Unit
from manyfit.model.worker import Beat, WorkerInfo, WorkerState
from manyfit.stores.directory import DirectoryStore
from manyfit.stores.files.disk import Disk
from manyfit.stores.ledger.liveness import here
from manyfit.testing.independent import audit, lost_results

N_ALIVE = 4
CELL = Cell(key=content_key("cell"), split="s", fold=None, seed=0)


class Unsynced(Disk):
    """A disk without waiting: what was written survives SIGKILL anyway, it is the host that must not die."""

    def fsync(self, fd):
        return None

    def fdatasync(self, fd):
        return None


def segment_of(numbers, *, per_unit, generation=0, supersedes=None):
    """A segment with one task for each number, *per_unit* to a unit."""
    name = SegmentId(content_key([list(numbers), generation])[:16])
    candidates = [Candidate(key=content_key(n), pipeline="p", steps=(), shown={"n": n}) for n in numbers]
    places = [range(at, min(at + per_unit, len(numbers))) for at in range(0, len(numbers), per_unit)]
    units = [
        Unit(
            id=UnitId(f"{name[:8]}-{n}"),
            segment=name,
            candidates=tuple(place),
            cells=(0,) * len(place),
            cost_seconds=1.0,
            pipeline="p",
            generation=generation,
        )
        for n, place in enumerate(places)
    ]
    header = SegmentHeader(sweep="chaos", executor="x:y", spec={}, supersedes=supersedes or {})
    return Segment(id=name, header=header, candidates=candidates, cells=[CELL], units=units)


def key_of(number):
    return task_key(content_key(number), CELL.key)


def new_store(folder):
    return DirectoryStore.create(folder, sweep="chaos", disk=Unsynced())


def submit(store, numbers, *, more=False):
    """Add tasks that are new."""
    segment = segment_of(numbers, per_unit=6)
    store.submit(segment, position=len(store.entries()) + 1, more=more, n_new=len(numbers))


def append(store, action):
    """Append *action* to the chain, as often as another one is first."""
    while True:
        try:
            return store.append(action, position=len(store.entries()) + 1)
        except PositionTaken:
            continue


# -- a worker --------------------------------------------------------------------------------------


def outcome_of(key, attempt, generation):
    """Some tasks fail once, some always, most succeed; retries of later generations succeed."""
    number = int(key[:6], 16)
    if number % 7 == 0 and attempt == 1:
        return "failed", False
    if number % 11 == 0 and generation == 0:
        return "failed", True
    return "succeeded", True


def result_line(key, index, attempt, generation):
    outcome, final = outcome_of(key, attempt, generation)
    scores = {"cv": {"accuracy": int(key[6:12], 16) / 16**6 + generation}} if outcome == "succeeded" else {}
    value = {"index": index, "key": key, "attempt": attempt, "outcome": outcome, "final": final}
    value |= {"finished_at": time.time(), "scores": scores}
    return value, json.dumps(value).encode() + b"\n"


class Worker:
    """What a worker does with a store, without a runner: it is a loop in a forked process."""

    def __init__(self, folder, name, chance, *, wild, disk):
        self.store = DirectoryStore(folder, refresh_seconds=0.0 if wild else 0.05, by=name, disk=disk)
        self.name = WorkerId(name)
        self.chance = chance
        self.wild = wild
        self.counter = 0
        self.segments = {}
        started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        info = {"host": "h", "boot": here(), "pid": os.getpid(), "pid_started": started, "version": "0"}
        info |= {"threads": 1, "started_at": time.time(), "cores": 1, "memory_bytes": 1}
        self.store.register(WorkerInfo(id=self.name, **info))

    def run(self):
        while not self.store.finished():
            if self.wild or self.chance.random() < 0.2:
                self.suspect()
            lease = self.store.claim(self.name)
            if lease is None:
                self.beat(WorkerState.IDLE)
                time.sleep(0.002)
                continue
            try:
                self.work(lease)
            except LeaseLost:
                continue

    def suspect(self):
        """Seal the leases of the dead, and now and then those of the living."""
        others = [path.stem for path in (Path(self.store.url) / "heartbeat").iterdir()]
        if self.wild and others and self.chance.random() < 0.2:
            self.store.expire([WorkerId(self.chance.choice(others))])
        self.store.expire()

    def beat(self, state, lease=None, index=None):
        self.counter += 1
        unit, epoch = (lease.unit, lease.epoch) if lease else (None, 0)
        beat = Beat(counter=self.counter, at=time.time(), state=state, unit=unit, epoch=epoch, index=index)
        self.store.beat(self.name, beat)

    def work(self, lease):
        keys, generation = self.keys_of(lease.unit)
        left = {task.index: task.attempts for task in lease.tasks}
        waiting, marks = list(left), {}
        stop = self.chance.random() < 0.3 and self.chance.randrange(len(left) + 1)
        while waiting and not (stop is not False and len(marks) >= stop):
            index = waiting.pop(0)
            self.beat(WorkerState.RUNNING, lease, index)
            time.sleep(0.004 if self.wild else 0)
            value, line = result_line(keys[index], index, left[index] + 1, generation)
            self.store.record(lease, line)
            left[index] += 1
            if not value["final"]:
                waiting.append(index)
            else:
                marks[index] = "d" if value["outcome"] == "succeeded" else "f"
            if self.chance.random() < 0.3:
                self.store.sync()
        self.store.complete(lease, self.end(left, marks))

    def end(self, attempts, marks):
        rest = [index for index in attempts if index not in marks]
        kind, parts = (EndKind.YIELDED, ()) if rest else (EndKind.DONE, ())
        if len(rest) > 1 and self.chance.random() < 0.7:
            kind, parts = EndKind.SPLIT, (tuple(rest[: len(rest) // 2]), tuple(rest[len(rest) // 2 :]))
        said = tuple((index, attempts[index]) for index in rest if attempts[index])
        shown = "".join(marks.get(index, ".") for index in attempts)
        return End(kind=kind, indices=tuple(attempts), marks=shown, attempts=said, parts=parts)

    def keys_of(self, unit):
        root = unit.partition(".")[0]
        if root not in self.segments:
            actions = [entry.action for entry in self.store.entries()]
            for action in actions:
                if isinstance(action, AddSegment):
                    segment = self.store.segment(action.segment)
                    for planned in segment.units:
                        keys = [task_key(segment.candidates[i].key, CELL.key) for i in planned.candidates]
                        self.segments[planned.id] = (keys, planned.generation)
        return self.segments[root]


def fork_worker(folder, name, seed, *, wild, disk):
    """Start a worker process; an error in it is left in a file and in its exit status."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        Worker(folder, name, random.Random(f"{seed}/{name}"), wild=wild, disk=disk).run()
        status = 0
    except BaseException:
        (folder.parent / f"{name}.error").write_text(traceback.format_exc())
    finally:
        os._exit(status)


class Crowd:
    """The worker processes that are alive, and how many were killed."""

    def __init__(self, folder, seed, disk):
        self.folder = folder
        self.disk = disk
        self.seed = seed
        self.chance = random.Random(seed)
        self.alive = []
        self.n_started = 0
        self.n_killed = 0

    def fill(self, *, wild=True):
        while len(self.alive) < N_ALIVE:
            name = f"w{self.n_started}"
            self.n_started += 1
            self.alive.append(fork_worker(self.folder, name, self.seed, wild=wild, disk=self.disk))

    def kill_one(self):
        """Kill a worker at a random moment of its work."""
        time.sleep(self.chance.uniform(0, 0.008))
        pid = self.alive.pop(self.chance.randrange(len(self.alive)))
        os.kill(pid, signal.SIGKILL)
        self.n_killed += os.WIFSIGNALED(os.waitpid(pid, 0)[1])

    def finish(self):
        """Let the last workers bring everything to its end."""
        self.fill(wild=False)
        for pid in self.alive:
            assert os.waitpid(pid, 0)[1] == 0, self.errors()
        self.alive = []

    def stop(self):
        for pid in self.alive:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)

    def errors(self):
        return "\n".join(path.read_text() for path in self.folder.parent.glob("*.error"))


@pytest.fixture
def crowd_of():
    """Makes crowds whose workers are all gone after the test."""
    crowds = []

    def make(folder, seed, disk):
        crowds.append(Crowd(folder, seed, disk))
        return crowds[-1]

    yield make
    for crowd in crowds:
        crowd.stop()


class Feeder:
    """Submits more tasks whenever few are left, so that no worker is killed for nothing."""

    def __init__(self, store):
        self.store = store
        self.n_tasks = 0
        self.more(480)

    def __call__(self, n):
        if n % 10 == 0 and self.store.snapshot().counts.pending < 240:
            self.more(360)

    def more(self, n, *, last=False):
        submit(self.store, range(self.n_tasks, self.n_tasks + n), more=not last)
        self.n_tasks += n


def disturbed(folder, crowd, *, n_kills, meanwhile):
    """Kill *n_kills* workers and look for lost results on the way."""
    earlier = audit(folder)
    for n in range(n_kills):
        crowd.fill()
        crowd.kill_one()
        meanwhile(n)
        if n % 50 == 25:
            later = audit(folder)
            assert lost_results(earlier, later) == []
            earlier = later
    assert crowd.errors() == ""
    assert crowd.n_killed == n_kills
    return earlier


def finished(folder, crowd, earlier):
    """Let the last workers finish, and return the report, in which nothing is wrong."""
    crowd.finish()
    assert crowd.errors() == ""
    report = audit(folder)
    assert list(report.violations) == []
    assert lost_results(earlier, report) == []
    return report


def undisturbed(folder, n_tasks):
    """The report on a run by one worker that nobody disturbs."""
    store = new_store(folder)
    submit(store, range(n_tasks))
    Worker(folder, "alone", random.Random(0), wild=False, disk=Unsynced()).run()
    store.close()
    return audit(folder)


def seen_by(store):
    """The final results as the store itself yields them."""
    results = {}
    for block in store.accepted():
        for line in map(json.loads, block.lines.splitlines()):
            if line["final"]:
                assert line["key"] not in results
                results[line["key"]] = (line["attempt"], line["outcome"], line["scores"])
    return results


def check_kills(folder, crowd, *, n_kills):
    store = new_store(folder)
    feeder = Feeder(store)
    earlier = disturbed(folder, crowd, n_kills=n_kills, meanwhile=feeder)
    feeder.more(30, last=True)
    report, n_tasks = finished(folder, crowd, earlier), feeder.n_tasks
    calm = undisturbed(folder.parent / "calm.sweep", n_tasks)
    assert report.planned == n_tasks == report.done + report.failed
    assert dict(report.accepted) == dict(calm.accepted)
    counts = store.snapshot().counts
    assert (counts.done, counts.failed, counts.planned) == (report.done, report.failed, n_tasks)
    assert seen_by(store) == {key: result[1:] for key, result in report.accepted.items()}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1])
def test_kills_at_random_moments_change_no_result(tmp_path, crowd_of, seed):
    """Hundreds of kills and wrong suspicions: every task has one result, that of a calm run."""
    folder = tmp_path / "chaos.sweep"
    check_kills(folder, crowd_of(folder, seed, Unsynced()), n_kills=150)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(10, 12))
def test_a_thousand_kills_change_no_result(tmp_path, crowd_of, seed, figure):
    """As above, with more of everything."""
    folder = tmp_path / "chaos.sweep"
    check_kills(folder, crowd_of(folder, seed, Disk()), n_kills=1000)
    figure(f"folder: SIGKILLs among a standing crowd, seed {seed}", 1000, "results equal those of a calm run")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3])
def test_control_in_the_middle_of_kills_is_obeyed(tmp_path, crowd_of, seed):
    """Cancels, pauses and a retry between kills: all laws hold and the counts add up."""
    folder = tmp_path / "chaos.sweep"
    store, crowd = new_store(folder), crowd_of(folder, seed, Unsynced())
    submit(store, range(900), more=True)
    gone = [key_of(n) for n in range(850, 900)]

    def control(n):
        if n % 10 == 5:
            append(store, Pause() if n % 20 == 5 else Resume())
        if n == 30:
            append(store, Cancel(tasks=tuple(gone)))
        if n == 60:
            retry_failed(store, folder)

    earlier = disturbed(folder, crowd, n_kills=80, meanwhile=control)
    submit(store, range(900, 906))
    report = finished(folder, crowd, earlier)
    assert report.planned == 906 == report.done + report.failed + report.cancelled
    assert 0 < report.cancelled <= len(gone)
    counts = store.snapshot().counts
    shown = (counts.planned, counts.done, counts.failed, counts.running, counts.pending, counts.cancelled)
    assert shown == (906, report.done, report.failed, 0, 0, report.cancelled)


def retry_failed(store, folder):
    failed = {key for key, result in audit(folder).accepted.items() if result[2] == "failed"}
    numbers = [n for n in range(900) if key_of(n) in failed]
    assert numbers
    segment = segment_of(numbers, per_unit=3, generation=1, supersedes={"failed": len(numbers)})
    store.submit(segment, position=len(store.entries()) + 1, more=True, n_new=0)
