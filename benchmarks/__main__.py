"""
Run the benchmarks: ``python -m benchmarks [NAME ...] [--quick]``.

Figures are medians of repetitions that take turns with the peers in the same run. ``--quick`` uses
smaller numbers, to see that everything works.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from benchmarks.fusion import fusion
from benchmarks.measure import command_seconds, medians, peak_mib, table, wall
from benchmarks.peers import futures_seconds, joblib_seconds
from benchmarks.stores import stores
from benchmarks.sweeps import drained, plan_of, submitted

AIM = {"trivial": 0.05, "short": 5.2, "plan": 20.0, "status": 1.0, "leaderboard": 2.0, "memory": 400.0, "mix": 1.1}


def manyfit_seconds(seconds: list[float], executor: str, predicted: float | None = None) -> float:
    """Return the seconds that two workers need for the tasks, durably, from first claim to last end."""
    with tempfile.TemporaryDirectory() as folder:
        store = submitted(Path(folder) / "b.sweep", plan_of(seconds, predicted=predicted), executor)
        return drained(store, Path(folder) / "b.sweep")


def trivial(quick: bool) -> None:
    """Overhead of a task that does nothing, two workers."""
    n, n_slow = (5_000, 1_000) if quick else (100_000, 10_000)
    found = medians(
        {
            "manyfit, durable": lambda: manyfit_seconds([0.0] * n, "trivial", 2e-5) / n,
            "joblib, batch_size=auto": lambda: joblib_seconds(n, 0.0, "auto", wall) / n,
            "joblib, batch_size=1": lambda: joblib_seconds(n_slow, 0.0, 1, wall) / n_slow,
            "concurrent.futures, chunksize=1": lambda: futures_seconds(n_slow, 0.0, 1, wall) / n_slow,
            "concurrent.futures, chunksize=100": lambda: futures_seconds(n, 0.0, 100, wall) / n,
        },
        1 if quick else 3,
    )
    ours = found["manyfit, durable"]
    rows = [(name, f"{value * 1e3:.4f} ms", f"{value / ours:.2f} of manyfit") for name, value in found.items()]
    rows[0] = (rows[0][0], rows[0][1], f"aim {AIM['trivial']} ms")
    table(f"a trivial task, {n:,} of them, 2 workers", rows)


def short(quick: bool) -> None:
    """Tasks of 10 ms, two workers: 5 ms each would be perfect."""
    n = 200 if quick else 2_000
    found = medians(
        {
            "manyfit, durable": lambda: manyfit_seconds([0.01] * n, "spinning") / n,
            "joblib, batch_size=auto": lambda: joblib_seconds(n, 0.01, "auto", wall) / n,
            "concurrent.futures": lambda: futures_seconds(n, 0.01, 1, wall) / n,
        },
        1 if quick else 3,
    )
    rows = [(name, f"{value * 1e3:.3f} ms", "") for name, value in found.items()]
    rows[0] = (*rows[0][:2], f"ideal 5.0, aim {AIM['short']} ms")
    table(f"a task of 10 ms, {n:,} of them, 2 workers", rows)


def mix(quick: bool) -> None:
    """A heavy-tailed mix against max(longest task, sum / workers)."""
    stream = random.Random(0)
    total = 10.0 if quick else 60.0
    seconds = [stream.paretovariate(1.1) * 0.01 for _ in range(2_000)]
    seconds = [min(s, total / 6) for s in seconds]
    scale = total / sum(seconds)
    seconds = [s * scale for s in seconds]
    bound = max(*seconds, sum(seconds) / 2)
    blind = sum(seconds) / len(seconds)
    found = medians(
        {
            "durations predicted": lambda: manyfit_seconds(seconds, "spinning"),
            "durations unknown": lambda: manyfit_seconds(seconds, "spinning", blind),
        },
        1,
    )
    rows = [(name, f"{value:.1f} s", f"{value / bound:.3f} of the bound") for name, value in found.items()]
    table(f"2,000 tasks with a heavy tail, lower bound {bound:.1f} s, aim {AIM['mix']}", rows)


def million(quick: bool) -> None:
    """Plan, submit, status and leaderboard at 10**6 tasks, and the memory they need."""
    n_candidates = 2_000 if quick else 100_000
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [sys.executable, "-m", "benchmarks.million", folder, str(n_candidates)],
            check=True,
            capture_output=True,
            text=True,
        )
        rows = [tuple(line.split("|")) for line in result.stdout.splitlines()]
    table(f"{n_candidates * 10:,} tasks", rows)


def start(quick: bool) -> None:
    """Start-up: commands, and the time from `run` to the first result."""
    with tempfile.TemporaryDirectory() as folder:
        sweep = Path(folder) / "first.toml"
        sweep.write_text(
            'name = "first"\n[data]\nsource = "sklearn:iris"\n[pipelines.nb]\nsteps = ["GaussianNB"]\n'
            "grid = { var_smoothing = [1e-9, 1e-6] }\n"
        )
        whole = wall(
            lambda: subprocess.run([sys.executable, "-m", "manyfit", "run", str(sweep), "--quiet"], check=True)
        )
        claimed = min(entry.stat().st_mtime for entry in (Path(folder) / "first.sweep" / "units").glob("*/*.e1"))
        created = (Path(folder) / "first.sweep" / "manyfit.json").stat().st_mtime
        rows = [
            ("manyfit --help", f"{command_seconds('--help') * 1e3:.0f} ms", "aim 150 ms"),
            ("manyfit status", f"{command_seconds('status', str(sweep)) * 1e3:.0f} ms", "aim 500 ms"),
            ("store created to first unit done", f"{claimed - created:.2f} s", "with two cold runners"),
            ("manyfit run, 10 tasks, all of it", f"{whole:.2f} s", ""),
        ]
    table("start-up", rows)


def memory(quick: bool) -> None:
    """Peak resident memory of each process of a running sweep."""
    n = 20_000 if quick else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "b.sweep"
        store = submitted(path, plan_of([0.0] * n, predicted=2e-5), "trivial")
        peaks: dict[str, float] = {}
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(peaks, done))
        watcher.start()
        drained(store, path)
        done.set()
        watcher.join()
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [(name, f"{value:.0f} MiB", "") for name, value in sorted(peaks.items())]
    table(f"peak memory with {n:,} trivial tasks", [*rows, ("this process", f"{own:.0f} MiB", "")])


def _watch(peaks: dict[str, float], done: threading.Event) -> None:
    while not done.wait(0.2):
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
                pid = int(path.parent.name)
                for word, name in (
                    ("manyfit.cli.worker", "worker"),
                    ("manyfit.run.template", "template and runner"),
                ):
                    if word in command:
                        peaks[name] = max(peaks.get(name, 0.0), peak_mib(pid))
            except (OSError, ValueError):
                continue


BENCHMARKS = {
    "start": start,
    "trivial": trivial,
    "short": short,
    "mix": mix,
    "memory": memory,
    "stores": stores,
    "fusion": fusion,
    "million": million,
}


def main() -> None:
    """Run the benchmarks that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], help="which; all when none is named")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that everything works")
    options = parser.parse_args()
    began = time.perf_counter()
    for name in options.names or BENCHMARKS:
        BENCHMARKS[name](options.quick)
    print(f"\n{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
