"""Toy estimators whose cost stands in their parameters, and toy rules that share a part of it."""

from array import array
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Fuse, Guarantee, Params, Rule
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.keys import CandidateKey, CellKey, content_key
from manyfit.plan.choosing import Using
from manyfit.plan.costs import CostModel
from manyfit.plan.sharing import find_sharing
from manyfit.plan.table import TaskTable
from manyfit.plan.tasks import Plan

MODEL = "toy:Model"
SHIFT = "toy:Shift"
"""A transformer."""

Cost = Callable[[Sequence[float]], float]


def first_in_full(alone: Sequence[float]) -> float:
    """The longest in full, a tenth of the others: dividing costs much."""
    return 0.9 * max(alone) + 0.1 * sum(alone)


def nearly_nothing(alone: Sequence[float]) -> float:
    """A hundredth of one, half of each: dividing costs next to nothing."""
    return 0.01 * max(alone) + 0.5 * sum(alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRule:
    """Fits agree in `group`; those with `odd` are refused ("lost" raises). Remembers what it was `asked`."""

    name: str = "toy"
    covers: frozenset[str] = frozenset({MODEL})
    axes: tuple[str, ...] = ("x",)
    shares: str = "the toys"
    guarantee: Guarantee = Guarantee.EXACT
    proven_on: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    cost: Cost = first_in_full
    asked: list[Params] = field(default_factory=list)
    sizes: list[FitSize] = field(default_factory=list)

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        self.asked.append(params)
        self.sizes.append(size)
        if params.get("odd") == "lost":
            raise KeyError("lost")
        return "it is odd" if params.get("odd") else None

    def group(self, path: str, params: Params) -> Hashable:
        return params.get("group")

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return self.cost(alone)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyRules:
    """Finds rules by class."""

    rules: Sequence[Rule]

    def of(self, path: str) -> Sequence[Rule]:
        return [rule for rule in self.rules if path in rule.covers]

    def names(self) -> Mapping[str, Guarantee]:
        return {rule.name: rule.guarantee for rule in self.rules}


class ToyFamilies:
    """Every class costs what its parameter `seconds` says."""

    def of(self, path: str) -> Any:
        return self

    def cost_seconds(self, path: str, params: Params, size: FitSize) -> float:
        return float(params["seconds"])

    def n_columns(self, path: str, params: Params, size: FitSize) -> int:
        return int(params.get("gives", size.n_columns))


def using(*rules: Rule, fuse: Fuse | None = None, **installed: str) -> Using:
    """Return that these rules are there."""
    return Using(rules=ToyRules(rules=rules), fuse=fuse or Fuse(), installed=installed)


def toy(seconds: float = 1.0, group: object = 0, *, pipeline: str = "p", **params: Any) -> Candidate:
    """Return a candidate of one step; `before` are steps in front of it, `features` its feature set."""
    before, features = params.pop("before", ()), params.pop("features", "")
    last = Step(name="model", use=MODEL, params={"seconds": seconds, "group": group, **params})
    return Candidate(
        key=CandidateKey(content_key([pipeline, features, [[s.use, s.params] for s in (*before, last)]])),
        pipeline=pipeline,
        steps=(*before, last),
        shown=params,
        features=features,
    )


def shift(seconds: float = 0.1, **params: Any) -> Step:
    """Return a step that transforms."""
    return Step(name=f"shift{len(params)}", use=SHIFT, params={"seconds": seconds, **params})


def planned(candidates: Sequence[Candidate], with_rules: Using | None, n_cells: int = 5) -> Plan:
    """Return the plan of *candidates* on cells of 100 rows."""
    cells = [
        Cell(key=CellKey(f"cell{i}"), split="cv", fold=i, seed=0, variant="", n_train=100) for i in range(n_cells)
    ]
    columns = {"": {candidate.features: (4, 3) for candidate in candidates}}
    costs = CostModel(columns, lambda use: {"random_state": None, "x": 0}, ToyFamilies())
    tables: dict[str, TaskTable] = {}
    for i, candidate in enumerate(candidates):
        table = tables.setdefault(candidate.pipeline, TaskTable(array("I"), array("I"), array("f")))
        for at, cell in enumerate(cells):
            table.add(i, at, costs.seconds(candidate, cell))
    sharing = None if with_rules is None else find_sharing(candidates, cells, costs, with_rules)
    return Plan(candidates=candidates, cells=cells, tasks=tables, n_merged=0, sharing=sharing)
