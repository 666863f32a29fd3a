"""
The template process: has the executor imported and forks runners from itself in milliseconds.

`python -m manyfit.run.template FD EXECUTOR`: FD is a Unix stream socket to the worker. Requests and
reports are JSON lines; the descriptors of a new runner come along with its request. When the socket
ends the worker is gone, however it went: everything below the template is killed.
"""

import contextlib
import gc
import json
import mmap
import os
import select
import signal
import socket
import sys
import traceback
import warnings
from collections import deque
from pathlib import Path
from typing import Any, NoReturn

from manyfit.model.errors import told
from manyfit.run.bench import executor_factory
from manyfit.run.cgroups import Leaf, LeafMemory
from manyfit.run.guard import ProcessGuard
from manyfit.run.limits import ThreadPools
from manyfit.run.processes import (
    adopt_orphans,
    end_with_parent,
    kill_children,
    offer_to_oom_killer,
    private_bytes,
    signal_group,
)
from manyfit.run.runner import serve
from manyfit.run.scratch import TaskScratch, remove_tree


class Template:
    """Forks one runner at a time on request, and buries it with everything that it started."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._pools: ThreadPools | None = None
        self._received = bytearray()
        self._descriptors: deque[int] = deque()
        self._runner = 0
        self._number = 0
        self._scratch = ""
        self._leaf: Leaf | None = None
        self._awake, self._wake = socket.socketpair()
        self._awake.setblocking(False)
        self._wake.setblocking(False)

    def serve(self) -> None:
        """Do what the worker asks, until it is gone."""
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select([self._link, self._awake], [], [])
            if self._awake in ready:
                with contextlib.suppress(BlockingIOError):
                    self._awake.recv(4096)
                self._bury()
            if self._link in ready and not self._hear():
                break
        self._kill()

    def _hear(self) -> bool:
        """Carry out the requests that have come; False when the worker is gone."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._link, 65536, 16)
        except ConnectionError:
            return False
        self._received += data
        self._descriptors.extend(descriptors)
        *lines, rest = self._received.split(b"\n")
        self._received = bytearray(rest)
        for line in lines:
            self._answer(json.loads(line))
        return bool(data)

    def _answer(self, request: dict[str, Any]) -> None:
        if request["do"] == "fork":
            orders, frames, stop = (self._descriptors.popleft() for _ in range(3))
            self._fork(request, orders, frames, stop)
            for descriptor in (orders, frames, stop):
                os.close(descriptor)
        elif request["number"] == self._number and self._runner:
            if request["do"] == "kill":
                self._kill()
            else:
                signal_group(self._runner, signal.SIGTERM)

    def _fork(self, request: dict[str, Any], orders: int, frames: int, stop: int) -> None:
        self._kill()
        self._number, self._scratch = request["number"], request["scratch"]
        self._leaf = Leaf(Path(request["leaf"])) if request["leaf"] else None
        template = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_runner(template, orders, frames, stop)
        self._runner = pid
        self.say({"said": "forked", "number": self._number, "pid": pid})

    def _become_runner(self, template: int, orders: int, frames: int, stop: int) -> NoReturn:
        """In the child: keep nothing of the template, serve, and end without running its clean-ups."""
        code = 1
        try:
            end_with_parent(template)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            os.setsid()
            for ours in (self._link, self._awake, self._wake):
                ours.close()
            offer_to_oom_killer()
            serve(orders, frames, mmap.mmap(stop, mmap.PAGESIZE), self._guard())
            code = 0
        except BaseException:  # noqa: BLE001 - the last stop before the end of this process
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _guard(self) -> ProcessGuard:
        """In the child: go into the leaf, where there is one, and return the guard of this runner."""
        memory = None
        if self._leaf is not None:
            # Without the leaf, or the memory controller in it, the address space is limited.
            with contextlib.suppress(OSError):
                self._leaf.enter()
                memory = LeafMemory(self._leaf)
        return ProcessGuard(memory=memory, scratch=TaskScratch(Path(self._scratch)), pools=self._pools)

    def hold_pools(self, pools: ThreadPools) -> None:
        """Have runners look after *pools*, which are looked up once, here: that takes milliseconds."""
        pools.hold()
        self._pools = pools

    def _bury(self) -> None:
        """Collect who ended; when it is the runner, end what it left behind and tell the worker."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._runner:
                report = {"said": "exited", "number": self._number, "status": status, "peak_kib": usage.ru_maxrss}
                above_limit = self._leaf is not None and self._leaf.killed_above_limit()
                self._kill()
                self.say({**report, "above_limit": above_limit})

    def _kill(self) -> None:
        """End the runner and all that it started, and remove its scratch folder and its cgroup."""
        if self._runner:
            signal_group(self._runner, signal.SIGKILL)
            self._runner = 0
            kill_children()
            if self._leaf is not None:
                self._leaf.end()
            remove_tree(self._scratch)

    def say(self, report: dict[str, Any]) -> None:
        """Tell the worker; when it is gone, the socket's end will say so."""
        with contextlib.suppress(ConnectionError):
            self._link.sendall(json.dumps(report).encode() + b"\n")


def main(descriptor: int, executor: str) -> int:
    """Serve the worker at the other end of *descriptor* with runners that have *executor* imported."""
    link = socket.socket(fileno=descriptor)
    template = Template(link)
    adopt_orphans()
    try:
        executor_factory(executor)
    except BaseException as error:  # noqa: BLE001 - whatever an import raises, the worker must hear of it
        traceback.print_exc()
        template.say({"said": "unable", "message": told(type(error).__name__, error)})
        return 1
    warnings.filterwarnings("ignore", message=".*multi-threaded.*fork", category=DeprecationWarning)
    template.hold_pools(ThreadPools(int(os.environ["OMP_NUM_THREADS"])))
    gc.collect()
    gc.freeze()
    template.say({"said": "ready", "private_bytes": private_bytes([os.getpid()])})
    template.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2]))
