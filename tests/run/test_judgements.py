"""Judging a host by its deaths, and a pipeline by its errors."""

from manyfit.model.control import AddSegment, Entry, Pause, Resume, SetTerms
from manyfit.model.keys import SegmentId
from manyfit.model.result import FailureClass
from manyfit.model.snapshot import Counts, Snapshot
from manyfit.model.terms import Terms
from manyfit.run.alike import Alike
from manyfit.run.chain import ChainView
from manyfit.run.endings import Reason, ending, idle_note
from manyfit.run.failures import crash
from manyfit.run.soundness import Soundness

KNN = (SegmentId("s"), "knn")
USER = (FailureClass.USER, "1a2b3c4d")


def test_deaths_of_several_pipelines_speak_against_the_host():
    """The third death, of a second pipeline, is one too many; the words say how and of what."""
    host = Soundness()
    assert host.died("knn", "SIGKILL", 1) is None
    assert host.died("svc", "SIGKILL", 2) is None
    why = host.died("knn", "SIGSEGV", 3)
    assert why == "runners died 3 times in the last 10 tasks, of knn and svc (2 x SIGKILL, 1 x SIGSEGV)"


def test_one_pipeline_alone_never_drains_a_host():
    """However often its tasks crash."""
    host = Soundness()
    assert [host.died("knn", "SIGSEGV", n) for n in range(1, 50)] == [None] * 49


def test_two_deaths_are_chance():
    """Whatever pipelines they are of."""
    host = Soundness()
    assert [host.died("knn", "x", 1), host.died("svc", "x", 2)] == [None, None]


def test_deaths_that_are_far_apart_do_not_count_together():
    """Nine tasks later the first is still seen, ten later it is not."""
    for n_between, drained in [(7, True), (8, False)]:
        host = Soundness()
        host.died("knn", "x", 1)
        host.tried(1)
        host.died("svc", "x", 1)
        host.tried(1 + n_between)
        assert (host.died("svc", "x", 1) is not None) is drained


def failed(alike, n, *, cause=USER, told="ValueError: bad", start=1):
    return [alike.failed(KNN, cause, told, k) for k in range(start, start + n)]


def test_twenty_tasks_that_fail_alike_hold_their_pipeline():
    """Not before the twentieth; the reason has the error, the counts and the next steps."""
    answers = failed(Alike(), 20)
    assert answers[:19] == [None] * 19
    assert "20 of the 20 tasks tried failed alike (user 1a2b3c4d: ValueError: bad)" in answers[19]
    assert "manyfit failures" in answers[19]
    assert "manyfit resume" in answers[19]


def test_nine_of_ten_are_enough_and_fewer_are_not():
    """Of what was tried, under all leases so far."""
    for n_done, held in [(2, True), (3, False)]:
        alike = Alike()
        alike.tried(KNN, n_done)
        assert (failed(alike, 18)[-1] is not None) is held


def test_a_changed_plan_is_judged_anew():
    """What failed before the pipeline was corrected does not speak against it."""
    alike = Alike()
    failed(alike, 19)
    assert alike.failed((SegmentId("t"), "knn"), USER, "ValueError: bad", 1) is None


def test_different_causes_do_not_add_up():
    """Twenty failures of two kinds are two problems, not one."""
    alike = Alike()
    failed(alike, 10)
    assert failed(alike, 10, cause=(FailureClass.USER, "other"), start=11) == [None] * 10


def test_crashes_and_timeouts_hold_nothing():
    """Only what would fail on every host counts."""
    for cls in (FailureClass.CRASH, FailureClass.TIMEOUT, FailureClass.OOM):
        assert failed(Alike(), 40, cause=(cls, "f")) == [None] * 40


def test_a_long_error_is_cut_and_has_one_line():
    """The reason stands in a table."""
    reason = failed(Alike(), 20, told="a\n" * 1000)[-1]
    assert "\n" not in reason
    assert len(reason) < 500


def test_how_a_runner_died_is_told_apart():
    """A signal, an exit, the memory of the machine, and the memory limit of the task."""
    assert crash({"signal": "SIGSEGV"}).cls is FailureClass.CRASH
    assert "SIGSEGV" in crash({"signal": "SIGSEGV"}).message
    assert "exit code 3" in crash({"exit_code": 3}).message
    machine = crash({"signal": "SIGKILL", "kernel_oom": True})
    limit = crash({"signal": "SIGKILL", "kernel_oom": True, "memory_by": "cgroup"})
    assert (machine.cls, machine.evidence["how"]) == (FailureClass.OOM, "kernel")
    assert (limit.cls, limit.evidence["how"]) == (FailureClass.OOM, "cgroup")
    assert machine.fingerprint != limit.fingerprint


def chain(*actions):
    """Return a worker's view of a chain of these actions."""
    view = ChainView()
    entries = [Entry(position=n, action=action, by="", at=0.0) for n, action in enumerate(actions, start=1)]

    class Chain:
        def entries(self, since):
            return entries[since:]

    view.read(Chain())
    return view


ADDED = AddSegment(segment=SegmentId("s"), sha256="", n_units=1, n_tasks=1, n_new=1, more=False)


def test_pauses_of_pipelines_and_of_all():
    """A pause of one holds one; resuming all ends every pause; terms are none of a worker's business."""
    view = chain(Pause(pipeline="knn", reason="r"), Pause(), SetTerms(terms=Terms()))
    assert (view.paused, view.held) == (True, {"knn": "r"})
    assert chain(Pause(pipeline="knn"), Pause(pipeline="svc"), Resume(pipeline="knn")).held == {"svc": ""}
    ended = chain(Pause(pipeline="knn"), Pause(), Resume())
    assert (ended.paused, ended.held) == (False, {})


def test_a_decision_holds_until_the_plan_changes():
    """Resumed or not, a pipeline that was paused has been looked at."""
    assert chain(Pause(pipeline="knn"), Resume()).decided == {"knn"}
    assert chain(Pause(pipeline="knn"), Resume(), ADDED).decided == set()


def left(*, planning=False, open_units=(), **pending):
    """Return how a sweep looks of which so many tasks of each pipeline are left."""
    counts = {name: Counts(planned=n, pending=n) for name, n in pending.items()}
    return Snapshot(
        sweep="t",
        position=1,
        counts=Counts(),
        per_pipeline=counts,
        paused=False,
        planning=planning,
        n_units=1,
        n_units_closed=0,
        cost_seconds=0.0,
        cost_done_seconds=0.0,
        open_units=dict(open_units),
    )


def test_only_held_tasks_end_a_worker():
    """Not while others hold leases, the plan grows, or another pipeline has tasks that may be claimable later."""
    view = chain(Pause(pipeline="knn", reason="alike"))
    found = ending(left(knn=3, svc=0), view, filtered=False)
    assert found is not None
    assert found.reason is Reason.HELD
    assert "knn (alike); see `manyfit check`, go on with `manyfit resume`" in found.message
    assert ending(left(knn=3, svc=1), view, filtered=False) is None
    assert ending(left(knn=3, planning=True), view, filtered=False) is None
    assert ending(left(knn=3, open_units=[("u", "w")]), view, filtered=False) is None
    assert ending(left(knn=3), chain(), filtered=False) is None


def test_the_note_says_the_first_thing_that_is_in_the_way():
    """A pause before others of the host, these before a wait, a wait before what is held."""
    paused, held = chain(Pause(), Pause(pipeline="knn")), chain(Pause(pipeline="knn"))
    every = {"crowded_out": True, "n_put_off": 2, "put_off_seconds": 3.0}
    assert "paused" in idle_note(paused, **every)
    assert "memory" in idle_note(held, **every)
    assert "2 tasks" in idle_note(held, **{**every, "crowded_out": False})
    assert "knn is held" in idle_note(held, crowded_out=False, n_put_off=0, put_off_seconds=0.0)
    assert "others hold" in idle_note(chain(), crowded_out=False, n_put_off=0, put_off_seconds=0.0)
