"""Runs the check: ``python -m manyfit.testing.protocol [--quick | --full]``."""

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from manyfit.testing.protocol.search import Verdict, explore
from manyfit.testing.protocol.state import Design, Scope

CHAIN = ("cancel", "pause", "resume")

QUICK = {
    "claims and crashes": Scope(n_crashes=1, n_server_crashes=1),
    "yields": Scope(yields=True, n_crashes=1),
    "attempts": Scope(n_tasks=1, attempts=2, failing=True, n_crashes=1, yields=True),
    "preemption": Scope(n_tasks=1, attempts=2, failing=True, preempting=True, n_crashes=1),
    "splits, one worker": Scope(n_workers=1, splits=True),
    "splits, two workers": Scope(n_epochs=1, splits=True),
    "control chain": Scope(n_tasks=1, n_entries=2, actions=CHAIN),
    "retries": Scope(n_tasks=1, n_workers=1, failing=True, n_entries=2, actions=("retry", "cancel")),
    "compaction": Scope(n_workers=1, n_entries=2, actions=("base", "cancel")),
}
"""Small bounds, each for one part of the protocol: a few seconds in all."""

FULL = {
    "three epochs": Scope(n_epochs=3, n_crashes=1, n_server_crashes=1),
    "three workers": Scope(n_workers=3, n_crashes=1, n_server_crashes=1),
    "three tasks": Scope(n_tasks=3, n_crashes=1, n_server_crashes=1),
    "more crashes": Scope(n_crashes=2, n_server_crashes=1),
    "attempts": Scope(attempts=2, failing=True),
    "preemption": Scope(n_tasks=1, n_epochs=3, attempts=2, failing=True, preempting=True),
    "preemption and splits": Scope(n_workers=1, attempts=2, failing=True, preempting=True, splits=True),
    "splits and a crash": Scope(n_workers=1, splits=True, n_crashes=1),
    "splits, two epochs": Scope(splits=True),
    "splits of three": Scope(n_tasks=3, n_epochs=1, splits=True, n_crashes=1),
    "control chain": Scope(n_entries=2, actions=CHAIN),
    "control chain and crashes": Scope(n_tasks=1, n_entries=3, n_crashes=1, actions=CHAIN),
    "retries": Scope(n_tasks=1, failing=True, n_entries=2, actions=("retry", "cancel")),
    "compaction": Scope(n_entries=2, actions=("base", "cancel")),
}
"""Larger bounds: some minutes."""

MANYFIT = Design()
_CRASHES = Scope(n_epochs=3, n_crashes=1, n_server_crashes=1)
_CONTROLS = Scope(n_entries=2, actions=CHAIN)
_PREEMPTION = Scope(n_tasks=1, n_workers=1, n_epochs=3, attempts=2, failing=True, preempting=True)

MUTANTS = {
    "claim replaces a claim": (replace(MANYFIT, claim_is_exclusive=False), _CRASHES),
    "end replaces an end": (replace(MANYFIT, end_is_exclusive=False), _CRASHES),
    "claim before the last epoch ended": (replace(MANYFIT, claim_follows_end=False), _CRASHES),
    "newest visible record counts": (replace(MANYFIT, only_ends_accept=False), _CRASHES),
    "only the end of the highest epoch counts": (replace(MANYFIT, every_end_accepts=False), _CRASHES),
    "seal at what is visible": (replace(MANYFIT, seal_is_durable=False), _CRASHES),
    "end without fsync": (replace(MANYFIT, end_follows_sync=False), _CRASHES),
    "log of a dead process is used again": (replace(MANYFIT, log_is_fresh=False), _CRASHES),
    "claim states a newer position than it read": (
        replace(MANYFIT, position_is_what_was_read=False),
        _CONTROLS,
    ),
    "tail of the chain is not read again": (replace(MANYFIT, tail_is_read_again=False), _CONTROLS),
    "control entry replaces an entry": (replace(MANYFIT, append_is_exclusive=False), _CONTROLS),
    "base has open epochs": (
        replace(MANYFIT, base_has_closed_epochs=False),
        Scope(n_entries=2, actions=("base",)),
    ),
    "parts of a split overlap": (replace(MANYFIT, parts_are_disjoint=False), Scope(splits=True)),
    "children forget the attempts before the split": (
        replace(MANYFIT, parts_inherit_attempts=False),
        Scope(attempts=2, failing=True, splits=True),
    ),
    "retry uses the generation again": (
        replace(MANYFIT, retry_has_new_generation=False),
        Scope(n_tasks=1, failing=True, n_entries=2, actions=("retry",)),
    ),
    "preempted attempt is charged": (
        replace(MANYFIT, preemption_is_forgiven=False),
        _PREEMPTION,
    ),
    "next holder forgets what was forgiven": (
        replace(MANYFIT, forgiven_is_carried=False),
        _PREEMPTION,
    ),
    "task that is left alone is not charged": (replace(MANYFIT, lone_task_is_charged=False), _CRASHES),
}
"""Designs with one error each, and the bounds under which it must be found."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and return the exit status: 0 if all is well and every mutant was found."""
    parser = argparse.ArgumentParser(prog="manyfit.testing.protocol", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small bounds, a few seconds (the default)")
    size.add_argument("--full", action="store_true", help="larger bounds as well, some minutes")
    chosen = parser.parse_args(arguments)
    sound = _check(QUICK.items())
    if chosen.full:
        sound = _check(((f"full: {name}", scope) for name, scope in FULL.items())) and sound
    return 0 if _hunt() and sound else 1


def _check(scopes: Iterable[tuple[str, Scope]]) -> bool:
    _say(f"{'configuration':44} {'states':>9} {'seconds':>8}  verdict")
    sound = True
    for name, scope in scopes:
        verdict = explore(scope, MANYFIT, clock=time.perf_counter)
        sound = sound and verdict.problem is None and not verdict.cut_short
        _say(f"{name:44} {verdict.n_states:9,} {verdict.seconds:8.1f}  {_told(verdict)}")
    return sound


def _told(verdict: Verdict) -> str:
    if verdict.problem is None:
        return "cut short" if verdict.cut_short else "holds"
    steps = "\n".join(f"    {' '.join(map(str, step))}" for step in verdict.trace)
    return f"law {verdict.problem}\n{steps}"


def _hunt() -> bool:
    _say(f"\n{'mutant':44} {'states':>9} {'steps':>8}  found as")
    found = True
    for name, (design, scope) in MUTANTS.items():
        verdict = explore(scope, design, clock=time.perf_counter)
        found = found and verdict.problem is not None
        said = f"law {verdict.problem}" if verdict.problem else "NOT FOUND"
        _say(f"{name:44} {verdict.n_states:9,} {len(verdict.trace):8}  {said}")
    return found


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
