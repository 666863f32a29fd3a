"""Units: every task in exactly one, of bounded work, long ones early, all pipelines explored early."""

from array import array

from hypothesis import given
from hypothesis import strategies as st

from manyfit.model.candidate import Candidate, Cell
from manyfit.model.keys import CandidateKey, CellKey, task_key
from manyfit.model.segment import SegmentHeader
from manyfit.plan import units as planning
from manyfit.plan.tasks import Plan, TaskTable
from manyfit.plan.units import Draft, unit_seconds

HEADER = SegmentHeader(sweep="s", executor="nowhere:none", spec={})


def plan_with(costs: dict[str, list[float]], n_cells: int = 3) -> Plan:
    """Return a plan with one candidate for each cost, on every cell."""
    candidates, tables = [], {}
    for name, seconds in costs.items():
        table = tables.setdefault(name, TaskTable(array("I"), array("I"), array("f")))
        for cost in seconds:
            key = CandidateKey(f"{name}{len(candidates)}")
            candidates.append(Candidate(key=key, pipeline=name, steps=(), shown={}))
            for cell in range(n_cells):
                table.add(len(candidates) - 1, cell, cost)
    cells = [Cell(key=CellKey(f"cell{i}"), split="cv", fold=i, seed=0) for i in range(n_cells)]
    return Plan(candidates=candidates, cells=cells, tasks=tables, n_merged=0)


def tasks_of(segment):
    for unit in segment.units:
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True):
            yield segment.candidates[candidate].key, segment.cells[cell].key


def keys_of(segment, unit):
    """Return the keys of the tasks of *unit*, in their order."""
    return [
        task_key(segment.candidates[candidate].key, segment.cells[cell].key)
        for candidate, cell in zip(unit.candidates, unit.cells, strict=True)
    ]


COSTS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]),
    st.lists(st.floats(2**-12, 200, width=32), min_size=1, max_size=30),
    min_size=1,
)


@given(COSTS, st.integers(1, 16))
def test_every_task_is_in_exactly_one_unit(costs, n_workers):
    """Nothing is lost and nothing runs twice, however tasks are grouped."""
    plan = plan_with(costs)

    found = [
        task for segment in Draft(header=HEADER, n_workers=n_workers).segments(plan) for task in tasks_of(segment)
    ]

    assert sorted(found) == sorted(
        (candidate.key, cell.key) for candidate in plan.candidates for cell in plan.cells
    )


@given(COSTS, st.integers(1, 16))
def test_units_are_bounded_and_of_one_pipeline(costs, n_workers):
    """A unit with several tasks never exceeds the target, and its cost is the sum of its tasks."""
    plan = plan_with(costs)
    target = unit_seconds(plan.cost_seconds, n_workers)

    for segment in Draft(header=HEADER, n_workers=n_workers).segments(plan):
        for unit in segment.units:
            assert {segment.candidates[i].pipeline for i in unit.candidates} == {unit.pipeline}
            assert len(unit) == 1 or unit.cost_seconds <= target * 1.001


def test_overlong_tasks_start_first():
    """A task longer than a unit would otherwise be the straggler at the end."""
    plan = plan_with({"quick": [0.1] * 50, "slow": [0.1, 300.0]}, n_cells=1)

    [segment] = Draft(header=HEADER, n_workers=2).segments(plan)

    assert (segment.units[0].pipeline, round(segment.units[0].cost_seconds)) == ("slow", 300)


def test_every_pipeline_is_explored_early():
    """The first units come from different pipelines."""
    plan = plan_with({name: [1.0] * 40 for name in ("a", "b", "c")})

    [segment] = Draft(header=HEADER, n_workers=2).segments(plan)

    assert {unit.pipeline for unit in segment.units[:3]} == {"a", "b", "c"}


def test_the_last_units_are_small():
    """Workers end together."""
    plan = plan_with({"a": [0.5] * 200})

    [segment] = Draft(header=HEADER, n_workers=2).segments(plan)

    assert segment.units[-1].cost_seconds < segment.units[0].cost_seconds / 4


def test_a_large_plan_comes_in_parts_that_share_nothing(monkeypatch):
    """Segments hold whole candidates, of every pipeline."""
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 30)
    plan = plan_with({"a": [0.1] * 20, "b": [0.1] * 10})

    segments = list(Draft(header=HEADER, n_workers=2).segments(plan))

    assert len(segments) == 3
    keys = [{candidate.key for candidate in segment.candidates} for segment in segments]
    assert not keys[0] & keys[1]
    assert all({unit.pipeline for unit in segment.units} == {"a", "b"} for segment in segments)


def test_the_same_plan_has_the_same_ids():
    """Submitting twice is harmless, because names are content."""
    first = next(Draft(header=HEADER, n_workers=2).segments(plan_with({"a": [1.0, 2.0]})))
    again = next(Draft(header=HEADER, n_workers=2).segments(plan_with({"a": [1.0, 2.0]})))
    other = next(Draft(header=HEADER, n_workers=2).segments(plan_with({"a": [1.0, 2.0, 3.0]})))

    assert first.id == again.id
    assert [unit.id for unit in first.units] == [unit.id for unit in again.units]
    assert first.id != other.id


def test_a_unit_has_a_limit_of_tasks(monkeypatch):
    """Tasks that take next to no time still come in units of bounded length."""
    monkeypatch.setattr(planning, "MAX_UNIT_TASKS", 16)

    [segment] = Draft(header=HEADER, n_workers=1).segments(plan_with({"a": [1e-6] * 40}, n_cells=2))

    assert [len(unit) for unit in segment.units] == [16] * 5


@given(st.integers(1, 12), st.integers(1, 40), st.randoms(use_true_random=False))
def test_given_portions_stay_whole(n_portions, n_tasks, random):
    """Who divides the tasks itself finds every portion as one unit, each task once, whatever the order."""
    plan = plan_with({"a": [1.0] * n_tasks})
    rows = list(range(plan.n_tasks))
    random.shuffle(rows)
    portions = [tuple(rows[start::n_portions]) for start in range(n_portions) if rows[start::n_portions]]
    plan.portions = {"a": portions}
    (segment,) = Draft(header=HEADER, n_workers=2).segments(plan)
    table = plan.tasks["a"]
    wanted = {tuple(plan.key(table.candidates[row], table.cells[row]) for row in portion) for portion in portions}
    assert {tuple(keys_of(segment, unit)) for unit in segment.units} == wanted


def test_long_portions_are_cut_at_the_limits(monkeypatch):
    """A portion that is too long for a unit is cut, and segments end between units."""
    monkeypatch.setattr(planning, "MAX_UNIT_TASKS", 4)
    monkeypatch.setattr(planning, "SEGMENT_TASKS", 10)
    plan = plan_with({"a": [1.0] * 7})
    plan.portions = {"a": [tuple(range(10)), tuple(range(10, 21))]}
    segments = list(Draft(header=HEADER, n_workers=2).segments(plan))
    units = [keys_of(segment, unit) for segment in segments for unit in segment.units]
    assert len(segments) > 1
    assert sorted(map(len, units)) == [2, 3, 4, 4, 4, 4]
    assert sorted(key for keys in units for key in keys) == sorted(plan.keys())


def test_portions_are_forgotten_with_part_of_the_tasks():
    """Portions name rows of all tasks: a plan of some of them has none."""
    plan = plan_with({"a": [1.0] * 3})
    plan.portions = {"a": [tuple(range(9))]}
    assert plan.where(lambda candidate, cell: candidate != 1).portions is None
    assert plan.where(lambda candidate, cell: True).portions == plan.portions
