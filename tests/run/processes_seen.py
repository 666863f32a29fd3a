"""Finding the processes of one test by a mark in their environment, and what they are."""

import os
import time
from pathlib import Path


def marked(mark: str) -> dict[int, str]:
    """Return pid and start time of each live process with MANYFIT_TEST=*mark*: pid -> "role start"."""
    found = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        try:
            environ = Path(f"/proc/{name}/environ").read_bytes()
            stat = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
            command = Path(f"/proc/{name}/cmdline").read_bytes().decode()
        except OSError:
            continue
        if f"MANYFIT_TEST={mark}".encode() in environ and stat[0] not in "ZX":
            found[int(name)] = f"{_role(command, int(stat[1]))} {stat[19]}"
    return found


def _role(command: str, parent: int) -> str:
    if "manyfit.run.template" in command:
        return "runner" if _is_template(parent) else "template"
    for role in ("worker_process", "pool_process"):
        if role in command:
            return role.partition("_")[0]
    return "other"


def _is_template(pid: int) -> bool:
    try:
        return b"manyfit.run.template" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def of_role(mark: str, role: str) -> list[int]:
    """Return the pids of the processes that are a *role*: pool, worker, template or runner."""
    return [pid for pid, text in marked(mark).items() if text.split()[0] == role]


def wait_until(condition, seconds: float = 10.0):
    """Return what *condition* returns once it is true; fail after *seconds*."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answer := condition():
            return answer
        time.sleep(0.005)
    raise AssertionError(f"{condition} stayed false for {seconds} s")
