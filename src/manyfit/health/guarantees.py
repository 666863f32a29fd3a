"""What a file system really does, found out by doing it in a folder made for that."""

import errno
import fcntl
import mmap
import os
import secrets
import signal
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manyfit.health.disk import Disk
from manyfit.health.finding import Seen, bad, doubtful, fine
from manyfit.health.mounts import Kind, mount_of
from manyfit.health.racing import Sight, broken_names, other, race
from manyfit.health.texts import time_text

N_RACERS = 4
N_NAMES = 200
LONGEST_RACE_SECONDS = 2.0
"""On a slow server fewer names have to do."""
N_SYNCS = 50
SYNC_BYTES = 200
LONGEST_SYNCING_SECONDS = 2.0
SLOW_SYNC_SECONDS = 0.05
NO_SYNC_SECONDS = 5e-6
"""Faster than any call that leaves the process's own memory: fsync does nothing."""
RENAMING_SECONDS = 0.1
N_SIGHTINGS = 20
SIGHTING_SECONDS = 2.0
PAGE = 4096
_UNSUPPORTED = frozenset(
    (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.ENODEV, errno.ENOTTY)
)
_NO_LOCKS = _UNSUPPORTED | {errno.ENOLCK}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The folder of one examination, and the file system under it. Names in it are used once."""

    disk: Disk
    folder: Path

    def name(self, stem: str) -> Path:
        """Return a path that nothing has."""
        return self.folder / f"{stem}-{secrets.token_hex(4)}"

    def made(self, stem: str, data: bytes = b"") -> Path:
        """Return the path of a new file with *data*."""
        path = self.name(stem)
        self.disk.create(path, data)
        return path


# -- names that only one of many gets -----------------------------------------------------------------


def hard_links(ground: Ground) -> Seen:
    """Let many processes link to the same names: one may win each, and a fresh open shows its content."""
    base = ground.name("link")

    def link(number: int, target: Path) -> None:
        ground.disk.link(Path(f"{base}-by{number}"), target)

    try:
        return _exclusive(ground, base, link)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return doubtful(
            f"there are none ({errno.errorcode.get(error.errno or 0, error.errno)})",
            "nothing, where symbolic links work: manyfit publishes by them then",
        )


def symbolic_links(ground: Ground) -> Seen:
    """The same with symbolic links, which take the place of hard links where there are none."""
    base = ground.name("symbolic")

    def link(number: int, target: Path) -> None:
        ground.disk.symlink(f"{base.name}-by{number}", target)

    try:
        return _exclusive(ground, base, link)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return doubtful("there are none", "nothing, where hard links work")


def exclusive_create(ground: Ground) -> Seen:
    """The same with files that must not exist yet."""
    base = ground.name("exclusive")

    def create(number: int, target: Path) -> None:
        ground.disk.create(target, str(number).encode())

    return _exclusive(ground, base, create, at_once=False)


def _exclusive(ground: Ground, base: Path, take: Callable[[int, Path], None], *, at_once: bool = True) -> Seen:
    """
    Race for names. *at_once*: whoever lost sees the winner's content at once.

    Otherwise the content is looked at when all are done, since a file is created before it is written.
    """
    names = [Path(f"{base}-{number}") for number in range(N_NAMES)]

    def act(number: int) -> list[Sight]:
        ground.disk.create(Path(f"{base}-by{number}"), str(number).encode())
        sights: list[Sight] = []
        end = time.monotonic() + LONGEST_RACE_SECONDS
        for name in names:
            if sights and time.monotonic() > end:
                break
            sights.append((_taken(take, number, name), _content(ground, name) if at_once else ""))
        return sights

    rows = race(N_RACERS, act)
    n_names = min(map(len, rows))
    sights = [row[:n_names] for row in rows]
    if not at_once:
        found = [_content(ground, name) for name in names[:n_names]]
        sights = [[(won, found[i]) for i, (won, _) in enumerate(row)] for row in sights]
    return exclusiveness(*broken_names(sights), n_names)


def _taken(take: Callable[[int, Path], None], number: int, name: Path) -> bool:
    try:
        take(number, name)
    except FileExistsError:
        return False
    return True


def _content(ground: Ground, name: Path) -> str:
    try:
        return ground.disk.read(name).decode(errors="replace")
    except FileNotFoundError:
        return "missing"


def exclusiveness(n_doubled: int, n_torn: int, n_names: int) -> Seen:
    """Return what a race for names came to."""
    facts = {"processes": N_RACERS, "names": n_names, "won_by_several": n_doubled, "content_differs": n_torn}
    if n_doubled:
        text = f"{n_doubled} of {n_names} names were won by more than one process"
        return bad(text, "keep no sweep there: two workers would do the same work", **facts)
    if n_torn:
        text = f"{n_torn} of {n_names} names did not show their winner's content to everybody at once"
        return bad(text, "keep no sweep there: workers would not see each other's claims", **facts)
    return fine(f"exclusive: {N_RACERS} processes, {n_names} names, one winner each", **facts)


def renaming(ground: Ground) -> Seen:
    """Replace a file again and again while others read it: it is there, and whole, at every moment."""
    name = ground.made("renamed", b"0" * PAGE)

    def act(number: int) -> tuple[int, int, int]:
        end = time.monotonic() + RENAMING_SECONDS
        n = n_missing = n_torn = 0
        while time.monotonic() < end:
            n += 1
            if number == 0:
                aside = ground.made("aside", b"%d" % (n % 10) * PAGE)
                ground.disk.rename(aside, name)
                continue
            found = _content(ground, name)
            n_missing += found == "missing"
            n_torn += found != "missing" and (len(found) != PAGE or len(set(found)) != 1)
        return n, n_missing, n_torn

    (n_renames, _, _), *readers = race(3, act)
    return renames(n_renames, sum(row[0] for row in readers), sum(row[1] + row[2] for row in readers))


def renames(n_renames: int, n_reads: int, n_bad: int) -> Seen:
    """Return what reading a name came to while it was replaced."""
    facts = {"renames": n_renames, "reads": n_reads, "missing_or_torn": n_bad}
    if n_bad:
        text = f"of {n_reads:,} reads during {n_renames:,} renames {n_bad:,} found the file missing or torn"
        return doubtful(text, "manyfit decides nothing by renames; other programs there may", **facts)
    return fine(f"atomic: {n_reads:,} reads during {n_renames:,} renames", **facts)


# -- durability ---------------------------------------------------------------------------------------


def syncing(ground: Ground) -> Seen:
    """Measure fsync of small appends, as the result log does them."""
    times: list[float] = []
    fd = ground.disk.open(ground.made("synced"), os.O_WRONLY)
    try:
        begun = time.monotonic()
        while len(times) < N_SYNCS and (time.monotonic() - begun < LONGEST_SYNCING_SECONDS or len(times) < 3):
            ground.disk.write(fd, b"x" * SYNC_BYTES)
            before = time.perf_counter()
            ground.disk.fsync(fd)
            times.append(time.perf_counter() - before)
    finally:
        ground.disk.close(fd)
    mount = mount_of(ground.folder)
    return sync_times(times, in_memory=mount is not None and mount.kind is Kind.MEMORY)


def sync_times(times: list[float], *, in_memory: bool = False) -> Seen:
    """Return what the seconds of each fsync mean; *in_memory*: there is no disk that it could reach."""
    median = statistics.median(times)
    p95 = sorted(times)[min(len(times) - 1, int(len(times) * 0.95))]
    text = f"median {time_text(median)}, 95 of 100 within {time_text(p95)}"
    facts = {"median_seconds": median, "p95_seconds": p95, "syncs": len(times)}
    if median > SLOW_SYNC_SECONDS:
        return doubtful(
            f"slow: {text}", "use a faster disk for the store, or tasks of several seconds each", **facts
        )
    if median < NO_SYNC_SECONDS and not in_memory:
        return doubtful(
            f"{text}: faster than any disk, so it does nothing",
            "end what switches fsync off (libeatmydata, a volatile mount): a power failure would lose results",
            **facts,
        )
    return fine(text, **facts)


def folder_syncing(ground: Ground) -> Seen:
    """Make a new name durable, as publishing does."""
    ground.made("named")
    before = time.perf_counter()
    try:
        ground.disk.sync_folder(ground.folder)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return bad(
            f"folders cannot be synced ({errno.errorcode.get(error.errno or 0, error.errno)})",
            "keep no sweep there: published names could vanish when the machine fails",
        )
    return fine(f"works, {time_text(time.perf_counter() - before)}")


def appending(ground: Ground) -> Seen:
    """Kill a process that appends: every line that it was done with must be there afterwards."""
    path = ground.made("appended")
    mine, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        _append_for_ever(ground, path, theirs)
    os.close(theirs)
    n_written = 0
    try:
        while n_written < 20 and (told := os.read(mine, 64)):
            n_written += len(told)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    while told := os.read(mine, 1 << 16):
        n_written += len(told)
    os.close(mine)
    return survival(ground.disk.read(path), n_written)


def _append_for_ever(ground: Ground, path: Path, told: int) -> None:
    try:
        fd = ground.disk.open(path, os.O_WRONLY | os.O_APPEND)
        number = 0
        while True:
            ground.disk.write(fd, b"%08d\n" % number)
            os.write(told, b".")
            number += 1
    finally:
        os._exit(1)


def survival(data: bytes, n_written: int) -> Seen:
    """Return whether the first *n_written* lines are in what is left of a killed writer's file."""
    if n_written == 0:
        return bad("a process that appends wrote nothing", "look at the disk: nothing can be appended there")
    lines = data.split(b"\n")[:-1]
    n_kept = next((i for i, line in enumerate(lines) if line != b"%08d" % i), len(lines))
    if n_kept < n_written:
        text = f"of {n_written} lines that a killed process had written, {n_written - n_kept} are lost"
        return bad(text, "keep no sweep there: a killed worker would lose finished results", written=n_written)
    return fine(f"all {n_written} lines of a killed writer are there", written=n_written)


def visibility(ground: Ground) -> Seen:
    """Measure how long a file that was synced and named stays invisible to another process."""
    names = [ground.name("seen") for _ in range(N_SIGHTINGS)]

    def act(number: int) -> list[float]:
        return _publications(ground, names) if number == 0 else _sightings(ground, names)

    written, seen = race(2, act)
    pairs = zip(written, seen, strict=False)  # on a slow disk the last of them are not written
    return delays([max(0.0, there - done) if there else -1.0 for done, there in pairs])


def _publications(ground: Ground, names: Sequence[Path]) -> list[float]:
    """Return when each of *names* was there for this process; a slow disk gets no further than it can."""
    found: list[float] = []
    end = time.monotonic() + SIGHTING_SECONDS
    for name in names:
        if found and time.monotonic() > end:
            break
        found.append(_publish(ground, name))
    return found


def _publish(ground: Ground, name: Path) -> float:
    aside = Path(f"{name}-aside")
    ground.disk.create(aside, b"x" * SYNC_BYTES, sync=True)
    ground.disk.rename(aside, name)
    return time.monotonic()


def _sightings(ground: Ground, names: Sequence[Path]) -> list[float]:
    """Return when each of *names* was there; after one that did not come, none is waited for."""
    found: list[float] = []
    for name in names:
        found.append(_sight(ground, name) if all(found) else 0.0)
    return found


def _sight(ground: Ground, name: Path) -> float:
    """Return when *name* was there, 0 when it was not in time."""
    end = time.monotonic() + SIGHTING_SECONDS
    while time.monotonic() < end:
        if _content(ground, name) == "x" * SYNC_BYTES:
            return time.monotonic()
    return 0.0


def delays(seconds: list[float]) -> Seen:
    """Return what the delays mean; below 0: never seen."""
    if min(seconds) < 0:
        n = sum(value < 0 for value in seconds)
        text = f"{n} of {len(seconds)} synced files were not seen by another process of this host within 2 s"
        return bad(text, "keep no sweep there: workers would not see each other's results")
    text = f"another process of this host sees a synced file after {time_text(max(seconds))} at most"
    return fine(text, largest_delay_seconds=max(seconds))


# -- what SQLite needs --------------------------------------------------------------------------------


def whole_file_locks(ground: Ground) -> Seen:
    """Take a lock of the kind that manyfit's SQLite store queues at, and try to take it twice."""
    return _locks(ground, ground.disk.flock, "flock")


def record_locks(ground: Ground) -> Seen:
    """Take a lock of the kind that SQLite itself uses, and try to take it twice."""
    return _locks(ground, ground.disk.lockf, "fcntl")


def _locks(ground: Ground, lock: Callable[[int, int], None], name: str) -> Seen:
    path = ground.made("locked")

    def attempt() -> bool:
        fd = ground.disk.open(path, os.O_RDWR)
        try:
            lock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except PermissionError:
            return False  # the other answer that POSIX allows
        finally:
            ground.disk.close(fd)
        return True

    fd = ground.disk.open(path, os.O_RDWR)
    try:
        lock(fd, fcntl.LOCK_EX)
        twice = other(attempt)
        lock(fd, fcntl.LOCK_UN)
        again = other(attempt)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return doubtful(
            f"there are none ({errno.errorcode.get(error.errno or 0, error.errno)})", "no SQLite store there"
        )
    finally:
        ground.disk.close(fd)
    return locking(name, twice=twice, again=again)


def locking(name: str, *, twice: bool, again: bool) -> Seen:
    """Return whether a lock kept another process out, and let it in afterwards."""
    if twice:
        return doubtful(f"two processes hold the same {name} lock", "no SQLite store there: it would be damaged")
    if not again:
        return doubtful(f"a {name} lock that was released stays taken", "no SQLite store there: it would hang")
    return fine(f"{name} locks keep other processes of this host out")


def mapping(ground: Ground) -> Seen:
    """Share a mapped file between processes, as SQLite's index of its write-ahead log is."""
    path = ground.made("mapped", bytes(PAGE))

    def write() -> None:
        with _mapped(ground, path) as theirs:
            theirs[0:1] = b"m"
        fd = ground.disk.open(path, os.O_WRONLY)
        os.pwrite(fd, b"w", 1)
        ground.disk.close(fd)

    try:
        with _mapped(ground, path) as mine:
            other(write)
            return coherence(bytes(mine[0:2]))
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return doubtful("files cannot be mapped for writing", "no SQLite store there")


def _mapped(ground: Ground, path: Path) -> Any:
    fd = ground.disk.open(path, os.O_RDWR)
    try:
        return mmap.mmap(fd, PAGE)
    finally:
        ground.disk.close(fd)


def coherence(data: bytes) -> Seen:
    """Return whether what another process wrote through its mapping (m) and with write (w) is seen in this one."""
    if data != b"mw":
        how = "written to" if data[:1] == b"m" else "mapped"
        text = f"what another process changed in a file that it had {how} is not seen in a mapping"
        return doubtful(text, "no SQLite store there")
    return fine("mapped files are the same for all processes of this host")


# -- names --------------------------------------------------------------------------------------------


def names(ground: Ground) -> Seen:
    """Try long names, and names that differ in case only."""
    ground.made("Case")
    upper = ground.folder / f"CASE-{secrets.token_hex(4)}"
    ground.disk.create(upper, b"")
    sensitive = not ground.disk.exists(upper.with_name(upper.name.lower()))
    return naming(sensitive, _longest_name(ground))


def _longest_name(ground: Ground) -> int:
    for length in (255, 143, 100):
        try:
            ground.disk.create(ground.folder / ("n" * length), b"")
        except OSError as error:
            if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL):
                raise
        else:
            return length
    return 0


def naming(sensitive: bool, longest: int) -> Seen:
    """Return what the rules for names mean."""
    facts = {"case_sensitive": sensitive, "longest_name": longest}
    if longest < 100:
        return bad("names of 100 characters do not fit", "choose another folder: store files need them", **facts)
    if not sensitive:
        text = f"case does not count; names of {longest} characters fit"
        return doubtful(text, "do not let names of sweeps differ in case only", **facts)
    return fine(f"case counts; names of {longest} characters fit", **facts)


def clock_offset(ground: Ground) -> Seen:
    """Compare the time stamp of a new file with the local clock."""
    before = time.time()
    path = ground.made("dated", b"x")
    stamp, after = ground.disk.stat(path).st_mtime, time.time()
    return offset(stamp - before if stamp < before else max(0.0, stamp - after))


def offset(seconds: float) -> Seen:
    """Return what it means that new files are dated *seconds* ahead (or behind) of the local clock."""
    if abs(seconds) > 2:
        side = "ahead of" if seconds > 0 else "behind"
        text = f"new files are dated {time_text(abs(seconds))} {side} this machine's clock"
        return doubtful(
            text,
            "set both clocks by NTP; manyfit does not depend on it, tools like make do",
            offset_seconds=seconds,
        )
    return fine("time stamps of new files agree with this machine's clock", offset_seconds=seconds)
