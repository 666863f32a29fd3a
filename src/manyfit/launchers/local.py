"""Workers on this machine: started, watched, started again when they die, and never left behind."""

import contextlib
import enum
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_MARK = "MANYFIT_LAUNCHED"


class ProcessState(enum.Enum):
    """What became of a started worker process."""

    RUNNING = "running"
    ENDED = "ended"
    """It exited by itself; see the exit code."""
    DIED = "died"
    """A signal ended it, too often to start it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProcess:
    """One of the workers of a pool: `number` counts from 1, `pid` is that of the latest process."""

    number: int
    pid: int
    state: ProcessState
    exit_code: int | None
    n_restarts: int
    log: Path


class LocalLauncher:
    """
    Starts worker processes with *command*.

    In every argument, `{lifeline}` becomes the number of a file descriptor that ends when this process
    ends, and `{number}` the worker's number: a worker leaves when its lifeline does, so that none
    outlives a launcher that was killed. Output goes to `local-<number>.log` in *log_folder*. A worker
    that a signal ended is started again, *restarts* times. *tell* receives messages for a person.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_folder: Path,
        environment: Mapping[str, str] | None = None,
        restarts: int = 3,
        tell: Callable[[str], object] = lambda message: None,
    ) -> None:
        self._command = tuple(command)
        self._logs = log_folder
        self._environment = environment
        self._restarts = restarts
        self._tell = tell

    def start(self, n_workers: int, *, on_death: Callable[[int], object] = lambda pid: None) -> "Pool":
        """
        Start *n_workers* workers.

        *on_death* is told the pid of every worker that a signal ended, before another takes its place:
        its leases can be given to others at once.
        """
        self._logs.mkdir(parents=True, exist_ok=True)
        pool = Pool(self._spawn, restarts=self._restarts, on_death=on_death, tell=self._tell)
        try:
            for number in range(1, n_workers + 1):
                pool.add(number)
        except OSError:
            pool.stop(0)
            raise
        return pool

    def _spawn(self, number: int, lifeline: int, mark: str) -> tuple[subprocess.Popen[bytes], Path]:
        log = self._logs / f"local-{number}.log"
        base = os.environ if self._environment is None else self._environment
        with log.open("ab") as output:
            process = subprocess.Popen(
                [
                    arg.replace("{lifeline}", str(lifeline)).replace("{number}", str(number))
                    for arg in self._command
                ],
                pass_fds=[lifeline],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**base, _MARK: mark},
                start_new_session=True,
            )
        return process, log


Spawn = Callable[[int, int, str], tuple[subprocess.Popen[bytes], Path]]


class _Slot:
    """One worker of a pool over all its processes."""

    def __init__(self, number: int, process: subprocess.Popen[bytes], log: Path, mark: str) -> None:
        self.number = number
        self.process = process
        self.log = log
        self.mark = mark
        self.n_restarts = 0
        self.over = False

    def view(self) -> WorkerProcess:
        code = self.process.returncode
        if not self.over:
            state = ProcessState.RUNNING
        else:
            state = ProcessState.DIED if code is not None and code < 0 else ProcessState.ENDED
        return WorkerProcess(
            number=self.number,
            pid=self.process.pid,
            state=state,
            exit_code=code,
            n_restarts=self.n_restarts,
            log=self.log,
        )


class Pool:
    """
    Running workers. Somebody has to call `poll` now and then; `stop` (or leaving the context) ends all.

    Whoever holds the pool holds the workers: when this process ends in any way, so do they.
    """

    def __init__(
        self,
        spawn: Spawn,
        *,
        restarts: int,
        on_death: Callable[[int], object],
        tell: Callable[[str], object],
    ) -> None:
        self._spawn = spawn
        self._restarts = restarts
        self._on_death = on_death
        self._tell = tell
        self._id = secrets.token_hex(6)
        self._lifeline, self._held = os.pipe()
        self._slots: list[_Slot] = []
        self._stopped = False

    def __enter__(self) -> "Pool":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def add(self, number: int) -> None:
        """Start worker *number*."""
        mark = f"{self._id}-{number}-"
        process, log = self._spawn(number, self._lifeline, mark)
        self._slots.append(_Slot(number, process, log, mark))

    def poll(self) -> Sequence[WorkerProcess]:
        """Look after all workers, start again those that died, and return those that run."""
        for slot in self._slots:
            if not slot.over and slot.process.poll() is not None:
                self._ended(slot)
        return [process for process in self.processes if process.state is ProcessState.RUNNING]

    @property
    def processes(self) -> Sequence[WorkerProcess]:
        """All workers as of the last `poll`, those that ended included."""
        return [slot.view() for slot in self._slots]

    def _ended(self, slot: _Slot) -> None:
        pid, code = slot.process.pid, slot.process.returncode
        _kill_marked(slot.mark)
        if code >= 0 or self._stopped:
            slot.over = True
            return
        self._on_death(pid)
        how = f"worker {slot.number} (pid {pid}) was ended by {_signal_name(-code)}"
        if slot.n_restarts >= self._restarts:
            slot.over = True
            self._tell(f"{how} and is not started again after {slot.n_restarts} restarts; see {slot.log}")
            return
        slot.n_restarts += 1
        self._tell(f"{how}; started again ({slot.n_restarts} of {self._restarts})")
        slot.process, slot.log = self._spawn(slot.number, self._lifeline, slot.mark)

    def stop(self, timeout: float = 10.0) -> Sequence[WorkerProcess]:
        """
        Have all workers give back what they hold and end, and return how each ended.

        They get SIGINT, as from a person: SIGTERM would tell them that a scheduler takes the machine back.
        Those that have not ended after *timeout* seconds are killed.
        """
        if self._stopped:
            return self.processes
        self._stopped = True
        self._signal(signal.SIGINT)
        # For those that are still starting: a shell has its background processes ignore SIGINT.
        os.close(self._held)
        until = time.monotonic() + timeout
        while any(slot.process.poll() is None for slot in self._slots) and time.monotonic() < until:
            time.sleep(0.01)
        self._signal(signal.SIGKILL)
        for slot in self._slots:
            killed = slot.process.returncode is None
            slot.process.wait()
            if killed:
                self._on_death(slot.process.pid)
        os.close(self._lifeline)
        self.poll()
        return self.processes

    def _signal(self, number: int) -> None:
        for slot in self._slots:
            if slot.process.poll() is None:
                slot.process.send_signal(number)


def _kill_marked(mark: str) -> None:
    """Kill what a dead worker left behind, wherever it hangs in the process tree (Linux; elsewhere nothing)."""
    text = f"{_MARK}={mark}".encode()
    for _ in range(20):
        found = [pid for pid in _pids() if _carries(pid, text)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _pids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []


def _carries(pid: int, text: bytes) -> bool:
    try:
        return text in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
