"""Results that were computed together with others: how many by which rule, a sample of them, their scores."""

import hashlib
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from manyfit.contracts.store import Store
from manyfit.model.audit import pattern_of
from manyfit.model.control import rules_off
from manyfit.model.keys import TaskKey
from manyfit.report.audits import Stored
from manyfit.report.frames import NEEDED, load_results
from manyfit.report.lines import COLUMNS

_READ = NEEDED | {"outcome", "fused_by", "guarantee"}
_HASHED_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """
    The results that count and succeeded: those that a rule computed, and how many were fitted alone.

    `frame` has key, generation, fused_by and guarantee of the fused ones, by rule and key.
    """

    frame: pl.DataFrame
    alone: pl.LazyFrame

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many results each rule computed."""
        counts = self.frame.group_by("fused_by").len().sort("fused_by")
        return dict(counts.iter_rows())

    def digest(self) -> str:
        """Return a hash that changes whenever other results could be drawn."""
        found = hashlib.sha256()
        texts = self.frame.select(pl.concat_str("key", "generation", "fused_by", separator=" "))
        for part in texts.iter_slices(_HASHED_ROWS):
            found.update("\n".join(part.to_series().to_list()).encode())
        return found.hexdigest()[:16]

    def draw(self, sample: int, seed: int) -> list[TaskKey]:
        """
        Return the keys of *sample* fused results, at least one of each rule, drawn with *seed*.

        Rules take turns, so that however few come first, all rules are among them.
        """
        generator = random.Random(seed)  # noqa: S311 - a sample that can be drawn again, no secret
        groups = self.frame.partition_by("fused_by", maintain_order=True)
        drawn = []
        for group in groups:
            places = generator.sample(range(group.height), min(group.height, sample))
            drawn.append([TaskKey(group["key"][place]) for place in places])
        return list(_by_turns(drawn))[: max(sample, len(groups))]

    def draw_alone(self, sample: int, seed: int) -> list[TaskKey]:
        """Return the keys of up to *sample* results that were fitted alone."""
        keys = self.alone.select("key").collect()["key"].sort()
        places = random.Random(seed).sample(range(len(keys)), min(sample, len(keys)))  # noqa: S311 - as above
        return [TaskKey(keys[place]) for place in places]


def _by_turns(groups: Sequence[Sequence[TaskKey]]) -> Iterator[TaskKey]:
    for turn in range(max(map(len, groups), default=0)):
        yield from (group[turn] for group in groups if turn < len(group))


def population(store: Store) -> Population:
    """Return what an audit of *store* can draw from."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    succeeded = frame.filter(pl.col("outcome") == "succeeded")
    fused = succeeded.filter(pl.col("fused_by").is_not_null())
    columns = fused.select("key", "generation", "fused_by", "guarantee").sort("fused_by", "key")
    return Population(
        frame=columns.collect(engine="streaming"), alone=succeeded.filter(pl.col("fused_by").is_null())
    )


def stored_results(store: Store, keys: Sequence[TaskKey]) -> Mapping[TaskKey, Stored]:
    """Return the results of the tasks with these *keys* that count."""
    results = load_results(store, leave_out=frozenset(COLUMNS) - _READ)
    rows = results.frame.filter(pl.col("key").is_in(list(keys))).collect(engine="streaming")
    return {
        TaskKey(row["key"]): Stored(
            rule=row["fused_by"] or "",
            guarantee=row["guarantee"] or "",
            generation=row["generation"],
            scores={(name, metric): row[f"{name}_{metric}"] for name, metric in results.scores},
        )
        for row in rows.iter_rows(named=True)
    }


def doubtful_counts(store: Store) -> Mapping[str, int]:
    """Return how many results are doubtful, by the rule that is off; nothing is read while none is."""
    off = rules_off(store.entries())
    if not off:
        return {}
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    used = frame.filter(pl.col("doubtful")).select("fused_by").collect(engine="streaming")["fused_by"]
    return {rule: n for rule in sorted(off) if (n := int(used.str.contains(pattern_of([rule])).sum()))}


def fused_keys(store: Store, rule: str) -> list[TaskKey]:
    """Return the keys of the results that *rule* computed, alone or with others, and that count."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    found = frame.filter(pl.col("fused_by").str.contains(pattern_of([rule]))).select("key").collect()
    return [TaskKey(key) for key in found["key"].sort()]


def rules_used(store: Store) -> list[str]:
    """Return the names of the rules that computed any result that counts."""
    frame = load_results(store, leave_out=frozenset(COLUMNS) - _READ).frame
    names = frame.select(pl.col("fused_by").str.split("+").explode().drop_nulls().unique().sort())
    return list(names.collect()["fused_by"])
