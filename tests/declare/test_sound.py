"""What is left of a broken file is checked too, without mistakes that the file does not have."""

import pytest

from manyfit.declare import sound_part

GOOD = {
    "name": "s",
    "data": {"source": "sklearn:iris"},
    "pipelines": {
        "svc": {"steps": ["SVC"], "grid": {"C": [1, 10], "gamma": [0.1]}},
        "knn": {"steps": ["KNeighborsClassifier"]},
    },
}


def broken(**parts):
    return {**GOOD, **parts}


def test_a_broken_value_costs_its_parameter_alone():
    """The other parameters of the pipeline are still checked."""
    sweep = broken(pipelines={"svc": {"steps": ["SVC"], "grid": {"C": [float("inf")], "gama": [1]}}})

    sound = sound_part(sweep)

    assert sound is not None
    assert [dict(grid) for grid in sound.spec.pipelines[0].grids] == [{"gama": (1,)}]


def test_a_broken_pipeline_or_split_is_left_out_as_a_whole():
    """Half a split would select other rows than were meant."""
    sweep = broken(
        pipelines={**GOOD["pipelines"], "rf": {"steps": ["RandomForestClassifier"], "draws": 3}},
        splits={"a": {"train": "x > 1", "test": 1.5}, "b": 5},
    )

    sound = sound_part(sweep)

    assert sound is not None
    assert [pipeline.name for pipeline in sound.spec.pipelines] == ["svc", "knn"]
    assert [split.name for split in sound.spec.splits] == ["b"]


def test_broken_data_is_not_stood_in_for():
    """The pipelines are checked; what the data would say is left open."""
    sound = sound_part(broken(data={"source": 7}))

    assert sound is not None
    assert not sound.data
    assert len(sound.spec.pipelines) == 2


@pytest.mark.parametrize("pipelines", [{}, {"svc": {"steps": 3}}, 5])
def test_without_a_pipeline_there_is_nothing_to_check(pipelines):
    """And no mistake is made up."""
    assert sound_part(broken(pipelines=pipelines)) is None


def test_the_mapping_is_left_alone():
    """It belongs to the caller."""
    sweep = broken(limits={"time": "soon"})

    sound_part(sweep)

    assert sweep["limits"] == {"time": "soon"}


def test_broken_needs_of_a_pipeline_cost_nothing_else():
    """Its steps and grid are still checked, and so is the rest of the file."""
    sweep = broken(
        pipelines={"svc": {"steps": ["SVC"], "grid": {"gama": [1]}, "needs": {"gpus": "many"}}},
        concurrency={"sweep": 0},
        needs={"cores": -1},
        retention={"logs": "soon"},
        store="mysql://x",
    )

    sound = sound_part(sweep)

    assert sound is not None
    assert [dict(grid) for grid in sound.spec.pipelines[0].grids] == [{"gama": (1,)}]
    assert sound.spec.needs == {}
