"""Runners in processes of their own, forked from a template that has the executor imported."""

import contextlib
import errno
import json
import mmap
import os
import secrets
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyfit.model.errors import UserError
from manyfit.run.cgroups import Leaf, NoSubtree, Subtree, end_left_leaves, find_subtree, make_leaf
from manyfit.run.guard import MemoryBound
from manyfit.run.limits import thread_environment
from manyfit.run.lives import is_dead, own_life
from manyfit.run.messages import LENGTH, SPENT, Frame, Kind, Order, order_to_json, take_frames
from manyfit.run.processes import (
    adopt_orphans,
    grown_bytes,
    kernel_oom_kills,
    kill_children,
    kill_marked,
)
from manyfit.run.scratch import make_worker_folder, remove_left_folders, remove_tree, scratch_place

_MARK = "MANYFIT_WORKER_MARK"
_CHUNK = 1 << 20
_TEMPLATE_LIVES = 5
_ENDS = (Kind.RESULT, Kind.FAILED)


class _Child:
    """One forked runner, as the worker sees it: its pipes, its places, and what has been told to it."""

    def __init__(self, number: int, scratch: Path, leaf: Leaf | None) -> None:
        self.number = number
        self.scratch = scratch
        self.leaf = leaf
        self.pid: int | None = None
        self.known_segments: set[str] = set()
        self.unsent = bytearray()
        self.received = bytearray()
        self.oom_kills_before = kernel_oom_kills()
        theirs_orders, self.orders = os.pipe()
        self.frames, theirs_frames = os.pipe()
        stop_file = _shared_page()
        self.stop = mmap.mmap(stop_file, mmap.PAGESIZE)
        self.theirs = (theirs_orders, theirs_frames, stop_file)
        os.set_blocking(self.orders, False)
        os.set_blocking(self.frames, False)

    def close_theirs(self) -> None:
        for descriptor in self.theirs:
            os.close(descriptor)
        self.theirs = ()  # type: ignore[assignment]

    def close(self) -> None:
        self.close_theirs()
        os.close(self.orders)
        os.close(self.frames)
        self.stop.close()

    def drain(self) -> list[Frame]:
        """Return what the runner has sent and nobody has read; what is cut off stays unread."""
        while part := _read_some(self.frames):
            self.received += part
            if len(part) < _CHUNK:
                break
        return list(take_frames(self.received))


class ForkedRunner:
    """
    The `Runner` of a worker process. One thread only; Linux, or macOS without the process-tree parts.

    `threads` goes into the environment of the numerical libraries before they are imported. `output`
    receives what user code prints (None: this process's own). A second executor replaces the template.
    `subtree` is where runners get cgroups of their own; it is looked for when it is not given.

    Before the first runner starts, what workers of this user left behind that were killed on this machine
    is ended and removed: processes, cgroups, scratch folders.
    """

    def __init__(
        self,
        *,
        threads: int = 1,
        output: Path | None = None,
        start_seconds: float = 300.0,
        subtree: Subtree | NoSubtree | None = None,
    ) -> None:
        if not hasattr(os, "fork") or not hasattr(socket, "send_fds"):
            raise UserError("workers need a system with fork and Unix sockets: run manyfit on Linux or macOS")
        self._environment = thread_environment(threads)
        self._output = output
        self._mark = f"{own_life()}-{secrets.token_hex(2)}"
        self._subtree = subtree
        self._scratch: Path | None = None
        self._leaf: Leaf | None = None
        self._unable_because = ""
        self._start_seconds = start_seconds
        self._selector: selectors.BaseSelector | None = None
        self._template: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._reports = bytearray()
        self._executor = ""
        self._ready_until: float | None = None
        self._start_bytes = 0
        self._n_template_deaths = 0
        self._n_deaths_in_row = 0
        self._child: _Child | None = None
        self._n_children = 0
        self._serial = 0

    # -- the Runner protocol -----------------------------------------------------------------------

    def warm(self, executor: str) -> None:
        """Start a runner with *executor* imported, ahead of the first order. Raises OSError."""
        if self._child is None:
            self._fork(executor)

    def is_warm(self) -> bool:
        """Whether the executor has been imported: an order begins within milliseconds."""
        return self._link is not None and self._ready_until is None

    def abandon(self) -> None:
        """In a forked child of the owner: close what was inherited, and leave the processes to the owner."""
        if self._link is not None:
            self._link.close()
        if self._child is not None:
            self._child.close()
        self._link, self._template, self._child, self._scratch = None, None, None, None

    def attach(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        if self._link is not None:
            self._watch(self._link.fileno())  # of the worker that was here before

    def eager(self) -> bool:
        return bool(self._unable_because)

    def begin(self, order: Order) -> None:
        try:
            child = self._child or self._fork(order.work.header.executor)
        except OSError as error:
            self._unable_because = f"a runner cannot be started: {error}"
            return
        self._serial = order.serial
        new = order.segment not in child.known_segments
        child.known_segments.add(order.segment)
        child.unsent += order_to_json(order, with_header=new)
        self._send(child)

    def read(self) -> list[Frame]:
        if self._unable_because:
            message, self._unable_because = self._unable_because, ""
            return self._unable(message)
        child = self._child
        frames: list[Frame] = []
        if child is not None:
            if child.unsent:
                self._send(child)
            frames = child.drain()
            if frames:
                self._n_template_deaths = 0
                if any(frame.kind in _ENDS for frame in frames):
                    self._n_deaths_in_row = 0
                if frames[-1].body == SPENT and frames[-1].kind is Kind.COMPLETE:
                    self.kill()
        return frames + self._hear()

    def stop(self) -> None:
        if self._child is not None:
            LENGTH.pack_into(self._child.stop, 0, self._serial)

    def terminate(self) -> None:
        if self._child is not None:
            self._ask({"do": "terminate", "number": self._child.number})

    def kill(self) -> list[Frame]:
        if self._child is None:
            return []
        self._ask({"do": "kill", "number": self._child.number})
        return self._forget_child()

    def pid(self) -> int | None:
        return None if self._child is None else self._child.pid

    def private_bytes(self) -> int:
        if self._child is None or self._child.pid is None or self._template is None:
            return 0
        return grown_bytes(self._template.pid, self._start_bytes)

    def close(self) -> None:
        if self._child is not None:
            self._forget_child()
        self._end_template()
        if self._scratch is not None:
            remove_tree(self._scratch)
            self._scratch = None
        adopt_orphans(False)

    # -- the runner --------------------------------------------------------------------------------

    def _fork(self, executor: str) -> _Child:
        if self._link is None or executor != self._executor:
            self._start_template(executor)
        assert self._link is not None
        self._n_children += 1
        child = self._child = self._new_child(self._n_children)
        places = {"scratch": str(child.scratch), "leaf": str(child.leaf.folder) if child.leaf else None}
        request = json.dumps({"do": "fork", "number": child.number, **places}).encode() + b"\n"
        with contextlib.suppress(ConnectionError):
            socket.send_fds(self._link, [request], list(child.theirs))
        child.close_theirs()
        self._watch(child.frames)
        return child

    def _new_child(self, number: int) -> _Child:
        """Make the places of runner *number*; the template removes them with it. Raises OSError."""
        assert self._scratch is not None
        scratch = self._scratch / str(number)
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        if isinstance(self._subtree, Subtree):
            self._leaf = make_leaf(self._subtree, self._mark, number)
        return _Child(number, scratch, self._leaf)

    def _send(self, child: _Child) -> None:
        """Send what the pipe takes now; the selector says when it takes more."""
        try:
            while child.unsent:
                del child.unsent[: os.write(child.orders, child.unsent)]
        except BlockingIOError:
            self._watch(child.orders, selectors.EVENT_WRITE)
            return
        except BrokenPipeError:
            child.unsent.clear()
        self._unwatch(child.orders)

    def _forget_child(self) -> list[Frame]:
        child = self._child
        assert child is not None
        frames = child.drain()
        self._unwatch(child.frames)
        self._unwatch(child.orders)
        child.close()
        self._child = None
        return frames

    # -- the template ------------------------------------------------------------------------------

    def _start_template(self, executor: str) -> None:
        self._end_template()
        if self._scratch is None:
            self._settle_in()
        adopt_orphans()
        self._link, theirs = socket.socketpair()
        with theirs, self._opened_output() as output:
            self._template = subprocess.Popen(
                [sys.executable, "-P", "-m", "manyfit.run.template", str(theirs.fileno()), executor],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._template_environment(),
                start_new_session=True,
            )
        self._executor = executor
        self._ready_until = time.monotonic() + self._start_seconds
        self._watch(self._link.fileno())

    def _settle_in(self) -> None:
        """Clear away what dead workers left, and make this worker's scratch folder. Raises OSError."""
        kill_marked(_MARK, is_dead)
        place = scratch_place()
        remove_left_folders(place)
        self._subtree = self._subtree or find_subtree()
        if isinstance(self._subtree, Subtree):
            end_left_leaves(self._subtree)
        self._scratch = make_worker_folder(place, self._mark)

    def _opened_output(self) -> contextlib.AbstractContextManager[Any]:
        return contextlib.nullcontext() if self._output is None else self._output.open("ab")

    def _template_environment(self) -> Mapping[str, str]:
        path = os.pathsep.join(dict.fromkeys(os.path.abspath(entry) for entry in sys.path))
        return {
            **os.environ,
            **self._environment,
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": path,
            _MARK: self._mark,
        }

    def _ask(self, request: Mapping[str, Any]) -> None:
        if self._link is not None:
            with contextlib.suppress(ConnectionError):
                self._link.sendall(json.dumps(request).encode() + b"\n")

    def _hear(self) -> list[Frame]:
        """Return the frames that the reports of the template amount to."""
        if self._link is None:
            return []
        try:
            data = self._link.recv(65536, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return self._slow_start()
        except ConnectionError:
            data = b""
        self._reports += data
        *lines, rest = self._reports.split(b"\n")
        self._reports = bytearray(rest)
        frames = [frame for line in lines for frame in self._reported(json.loads(line))]
        return frames if data else frames + self._template_died()

    def _reported(self, report: Mapping[str, Any]) -> list[Frame]:
        child = self._child
        if report["said"] == "ready":
            self._ready_until = None
            self._start_bytes = report["private_bytes"]
        elif report["said"] == "unable":
            self._n_template_deaths = _TEMPLATE_LIVES
            return self._unable(f'the executor "{self._executor}" cannot be imported: {report["message"]}')
        elif child is None or report["number"] != child.number:
            return []
        elif report["said"] == "forked":
            child.pid = report["pid"]
        else:
            evidence = _exit_evidence(report, child)
            return [*self._forget_child(), Frame(Kind.DIED, 0, json.dumps(evidence).encode())]
        return []

    def _slow_start(self) -> list[Frame]:
        if self._ready_until is None or time.monotonic() < self._ready_until:
            return []
        return self._unable(f'importing the executor "{self._executor}" took over {self._start_seconds:g} s')

    def _template_died(self) -> list[Frame]:
        """
        Clean up after a template that was killed; its runner was killed by the kernel with it.

        Once is nobody's fault. Twice in a row without the end of a task between, it is taken for the task's:
        else one that kills its template would run for ever, without a charge and past every limit.
        """
        self._n_template_deaths += 1
        self._n_deaths_in_row += 1
        if self._n_template_deaths >= _TEMPLATE_LIVES:
            return self._unable("the process that forks runners died again and again; see the log of this worker")
        frames: list[Frame] = []
        if self._child is not None:
            pid = self._child.pid
            frames = self._forget_child()
            if any(frame.kind in _ENDS for frame in frames):
                self._n_deaths_in_row = 1
            evidence = {"template": True} if self._n_deaths_in_row == 1 else {**self._template_end(), "pid": pid}
            frames.append(Frame(Kind.DIED, 0, json.dumps(evidence).encode()))
        self._end_template()
        return frames

    def _template_end(self) -> dict[str, Any]:
        """Return how the template ended, as evidence; it has closed its socket."""
        assert self._template is not None
        try:
            code = self._template.wait(timeout=3)
        except subprocess.TimeoutExpired:
            return {"signal": _signal_name(signal.SIGKILL)}  # it hangs, and will be killed
        return {"signal": _signal_name(-code)} if code < 0 else {"exit_code": code}

    def _unable(self, message: str) -> list[Frame]:
        frames = [] if self._child is None else self._forget_child()
        self._end_template()
        return [*frames, Frame(Kind.UNABLE, 0, message.encode())]

    def _end_template(self) -> None:
        """Close the socket, at which the template kills its runner and exits, and see to it that it did."""
        if self._link is not None:
            self._unwatch(self._link.fileno())
            self._link.close()
        self._link, self._reports, self._ready_until = None, bytearray(), None
        if self._template is not None:
            try:
                self._template.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._template.kill()
                self._template.wait()
            self._template = None
            kill_children(marked=f"{_MARK}={self._mark}".encode())
            self._remove_places()

    def _remove_places(self) -> None:
        """End and remove what a template that was killed has left of its last runner."""
        if self._leaf is not None:
            self._leaf.end()
            self._leaf = None
        if self._scratch is not None:
            remove_tree(self._scratch / str(self._n_children))

    # -- the selector ------------------------------------------------------------------------------

    def _watch(self, descriptor: int, events: int = selectors.EVENT_READ) -> None:
        if self._selector is not None and descriptor not in self._selector.get_map():
            self._selector.register(descriptor, events)

    def _unwatch(self, descriptor: int) -> None:
        if self._selector is not None and descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)


def _exit_evidence(report: Mapping[str, Any], child: _Child) -> dict[str, Any]:
    status = report["status"]
    evidence: dict[str, Any] = {"peak_bytes": report["peak_kib"] * 1024, "pid": child.pid}
    if not os.WIFSIGNALED(status):
        return {**evidence, "exit_code": os.waitstatus_to_exitcode(status)}
    evidence["signal"] = _signal_name(os.WTERMSIG(status))
    by_cgroup = report["above_limit"]
    by_kernel = by_cgroup or kernel_oom_kills() > child.oom_kills_before
    evidence["kernel_oom"] = os.WTERMSIG(status) == signal.SIGKILL and by_kernel
    if by_cgroup:
        evidence["memory_by"] = MemoryBound.CGROUP.value
    return evidence


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _shared_page() -> int:
    """Return the descriptor of one page of memory that worker and runner both map."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("manyfit-stop")
    else:
        descriptor, name = tempfile.mkstemp(prefix="manyfit-stop-")
        os.unlink(name)
    os.ftruncate(descriptor, mmap.PAGESIZE)
    return descriptor


def _read_some(descriptor: int) -> bytes:
    """Return what can be read now, nothing at the end of the pipe or when there is nothing."""
    try:
        return os.read(descriptor, _CHUNK)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EBADF):
            return b""
        raise
