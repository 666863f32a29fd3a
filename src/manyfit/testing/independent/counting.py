"""Counts and accepted results of what was read."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from manyfit.testing.independent.frames import parsed
from manyfit.testing.independent.reading import Reading
from manyfit.testing.independent.shapes import Record, Report, Result, Unit


class Counting:
    """Counts tasks by state, each where it belongs."""

    def __init__(self, reading: Reading) -> None:
        self._folder = reading.folder
        self._violations = reading.violations
        self._chain = reading.chain
        self._epochs = reading.epochs
        self._broken = reading.broken
        self._root = reading.root
        self._own = reading.own

    def report(self, records: Sequence[Record]) -> Report:
        results = self._results(records)
        placed = self._placed()
        running = self._running(placed)
        states: Counter[str] = Counter()
        for key, unit in placed.items():
            states[self._state(key, unit, results, running)] += 1
        self._check_sum(states, placed, results)
        return Report(
            planned=len(placed),
            done=states["done"],
            failed=states["failed"],
            running=states["running"],
            pending=states["pending"],
            cancelled=states["cancelled"],
            accepted={key: result for key, result in sorted(results.items()) if key in placed},
            violations=tuple(self._violations),
        )

    def _placed(self) -> dict[str, Unit]:
        """Return the unit that each task of the sweep belongs to: the last segment that mentions it decides."""
        by_segment: dict[str, list[Unit]] = {}
        for unit in self._chain.units.values():
            by_segment.setdefault(unit.segment, []).append(unit)
        placed: dict[str, Unit] = {}
        for segment, position in self._chain.added.items():
            for key in self._chain.removed.get(position, ()):
                placed.pop(key, None)
            for unit in by_segment.get(segment, ()):
                placed.update(dict.fromkeys(unit.keys, unit))
        return placed

    def _results(self, records: Sequence[Record]) -> dict[str, Result]:
        results: dict[str, Result] = {}
        for record in records:
            generation = self._root(record.unit).generation
            if record.line["final"] and (record.key not in results or results[record.key][0] < generation):
                line = record.line
                results[record.key] = (generation, line["attempt"], line["outcome"], line.get("scores", {}))
        return results

    def _state(self, key: str, unit: Unit, results: Mapping[str, Result], running: frozenset[str]) -> str:
        result = results.get(key)
        if result is not None and result[0] >= unit.generation:
            return "done" if result[2] == "succeeded" else "failed"
        if key in running:
            return "running"
        return "cancelled" if self._chain.cancelled(unit, key, len(self._chain.entries)) else "pending"

    def _running(self, placed: Mapping[str, Unit]) -> frozenset[str]:
        holders = Counter[str]()
        running = set()
        for unit, epochs in self._epochs.items():
            last = epochs[max(epochs)]
            if last.end is not None or last.claim is None:
                continue
            holders[last.claim["worker"]] += 1
            index = self._index_in_progress(last.claim["worker"], unit, max(epochs))
            root = self._root(unit)
            if index is not None and 0 <= index < len(root.keys) and placed.get(root.keys[index]) is root:
                running.add(root.keys[index])
        for worker, n in holders.items():
            if n > 1:
                self._broken(6, f"worker {worker} holds {n} leases at once")
        return frozenset(running)

    def _index_in_progress(self, worker: str, unit: str, epoch: int) -> int | None:
        try:
            beat = parsed((self._folder / "heartbeat" / f"{worker}.json").read_bytes())
        except (OSError, ValueError):
            return None  # a heartbeat is rewritten in place: none, or half of one, is no violation
        index = beat.get("index")
        return index if (beat.get("unit"), beat.get("epoch")) == (unit, epoch) and isinstance(index, int) else None

    def _check_sum(
        self, states: Mapping[str, int], placed: Mapping[str, Unit], results: Mapping[str, Result]
    ) -> None:
        """Check law 4 as far as a standing folder shows it: pending work is in a unit that can be claimed."""
        if sum(states.values()) != len(placed):
            self._broken("counts", f"{dict(states)} do not add up to {len(placed)} planned tasks")
        left = {name for unit in self._chain.units for name in self._left_in(unit)}
        for key, unit in placed.items():
            state = self._state(key, unit, results, frozenset())
            if state == "pending" and (unit.segment, key) not in left:
                self._broken(4, f"task {key} has no final result, and no unit has it left")

    def _left_in(self, unit: str) -> Iterator[tuple[str, str]]:
        """Yield segment and key of the tasks that are left in *unit* or in what it was split into."""
        ends = [epoch.end for _, epoch in sorted(self._epochs.get(unit, {}).items()) if epoch.end]
        if ends and ends[-1]["kind"] == "split":
            for part in range(len(ends[-1]["parts"])):
                yield from self._left_in(f"{unit}.{part}")
            return
        root, own = self._root(unit), self._own(unit) or []
        marks = ends[-1]["marks"] if ends else "." * len(own)
        for index, mark in zip(own, marks, strict=False):
            if mark == ".":
                yield root.segment, root.keys[index]
