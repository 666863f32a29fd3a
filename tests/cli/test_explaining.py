"""What `explain` shows of attempts, and `failures` of evidence."""

from pathlib import Path
from typing import Any

from tests.report.sweeps import candidate, cell, failed, key_of, new_store, run, scored, segment, submit

SVC = candidate("svc", C=1)
KEY = key_of(SVC, cell())
EVIDENCE = {"host": "n7", "pid": 4711, "seconds": 3.0, "signal": "SIGKILL", "peak_bytes": 300 << 20}


def crashed(message: str, *, final: bool = True, **evidence: Any) -> dict[str, Any]:
    """Return the fields of an attempt that crashed."""
    body = failed("crash", "SIGKILL", message)
    return {**body, "final": final, "failure": {**body["failure"], "evidence": {**EVIDENCE, **evidence}}}


def test_every_attempt_is_shown_with_its_evidence(here: Any) -> None:
    """Oldest first, on lines that fit; the message of the last one stands above and is not said again."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: {**crashed("a node was rebooted", final=False), "outcome": "lost"}, units=1)
    run(store, lambda *_: crashed("died again", host="n8"), worker="w-2")
    lines = here("explain", "vowels", KEY[:8]).out.splitlines()
    assert lines[0].endswith(": failed")
    assert lines[1] == "  crash: SIGKILL: died again"
    at = lines.index("  attempt 1: lost (crash): SIGKILL: a node was rebooted")
    assert lines[at + 1].startswith(
        "    on n7, process 4711, after 3.0 s; peak memory 300 MiB; ended with SIGKILL"
    )
    assert lines[at + 2] == "  attempt 2: failed (crash)"
    assert lines[at + 3].startswith("    on n8, process 4711")
    assert sum("died again" in line for line in lines) == 1
    assert max(map(len, lines)) <= 80


def test_attempts_before_a_success_are_shown(here: Any) -> None:
    """What went wrong before it went well is told, with what was said."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: crashed("died once", final=False), units=1)
    run(store, lambda *_: scored(cv={"accuracy": 0.5}), worker="w-2")
    lines = here("explain", "vowels", KEY[:8]).out.splitlines()
    assert "  attempt 1: failed (crash): SIGKILL: died once" in lines
    assert "  attempt 2: succeeded" in lines


def test_one_success_needs_no_list(here: Any) -> None:
    """A task that just went well has nothing to tell about attempts."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: scored(cv={"accuracy": 0.5}))
    assert "attempt" not in here("explain", "vowels", KEY[:8]).out


def test_attempts_before_a_retry_are_told_apart(here: Any) -> None:
    """Numbers begin again with a retry; while the task waits, all that is known is what was before."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: crashed("the first time"))
    submit(store, segment([SVC], [cell()], generation=1), n_new=0)
    waiting = here("explain", "vowels", KEY[:8]).out.splitlines()
    assert waiting.index("  before this:") < waiting.index("  attempt 1: failed (crash)")
    assert "  failed (crash): SIGKILL: the first time" in waiting
    run(store, lambda *_: crashed("the second time"), worker="w-2")
    lines = here("explain", "vowels", KEY[:8]).out.splitlines()
    at = lines.index("  retried:")
    assert "  attempt 1: failed (crash): SIGKILL: the first time" in lines[:at]
    assert lines[at + 1] == "  attempt 1: failed (crash)"


def test_a_long_message_of_an_attempt_is_cut(here: Any) -> None:
    """Some errors carry whole arrays; the list of attempts stays a list."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: crashed(f"{'words ' * 300}\nand more", final=False), units=1)
    run(store, lambda *_: scored(), worker="w-2")
    lines = here("explain", "vowels", KEY[:8]).out.splitlines()
    first, second = (next(n for n, line in enumerate(lines) if f"attempt {number}" in line) for number in (1, 2))
    assert second - first < 9
    assert max(map(len, lines)) <= 80
    assert "and more" not in "\n".join(lines)


def test_failures_as_json_have_evidence(here: Any) -> None:
    """All that is known of the example, under the names of the result lines."""
    store = new_store(Path(), segment([SVC], [cell()]))
    run(store, lambda *_: crashed("died", how="kernel"))
    (group,) = here("failures", "vowels", "--json").json["failures"]
    assert group["example"] == KEY
    assert group["evidence"] == {**EVIDENCE, "how": "kernel"}
