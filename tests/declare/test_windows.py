"""The table [data.windows]: lengths in samples or seconds, and every mistake with its key."""

import pytest

from manyfit.declare import from_json, from_mapping, to_json
from manyfit.model.sweep import Mixed, WindowsSpec


def read(**windows):
    """Return the declared windows and the mistakes, as key and message."""
    table = {"size": 100, "channels": ["x"], **windows}
    data = {"source": "a.csv", "windows": {key: value for key, value in table.items() if value is not None}}
    spec, mistakes = from_mapping({"name": "s", "data": data, "pipelines": {"p": {"steps": ["SVC"]}}})
    return spec, {mistake.key: mistake.message for mistake in mistakes}


def test_the_shortest_declaration():
    """A size and the channels are enough."""
    spec, mistakes = read()
    assert mistakes == {}
    assert spec.data.windows == WindowsSpec(sizes=(100,), channels=("x",))


def test_times_become_samples():
    """With the sampling rate, times are lengths; the stored form counts samples."""
    spec, _ = read(size=["2s", 50], step="250ms", rate=100, by="take", order="t", mixed="majority")
    assert spec.data.windows == WindowsSpec(
        sizes=(200, 50), channels=("x",), by="take", order="t", step=25, mixed=Mixed.MAJORITY
    )


def test_windows_survive_a_plan_segment():
    """The normal form is stored as JSON values and read back equal; without windows nothing is added."""
    spec, _ = read(size=[10, 20], overlap=0.5)
    assert from_json(to_json(spec)) == spec


@pytest.mark.parametrize(
    ("windows", "key", "part"),
    [
        ({"size": None}, "data.windows.size", "is missing"),
        ({"channels": None}, "data.windows.channels", "is missing"),
        ({"size": 0}, "data.windows.size", "a number of samples >= 1"),
        ({"size": []}, "data.windows.size", "empty list"),
        ({"size": [10, "x"]}, "data.windows.size[1]", "no time"),
        ({"size": [100, "1s"], "rate": 100}, "data.windows.size[1]", "100 samples, as a size before it"),
        ({"size": "2s"}, "data.windows.size", "give rate"),
        ({"size": "1ms", "rate": 10}, "data.windows.size", "less than one sample"),
        ({"step": 1.5}, "data.windows.step", "1.5 is a number"),
        ({"step": 10, "overlap": 0.5}, "data.windows.overlap", "leave out one of the two"),
        ({"overlap": 1}, "data.windows.overlap", "below 1"),
        ({"rate": 0}, "data.windows.rate", "above 0"),
        ({"mixed": "majorty"}, "data.windows.mixed", 'did you mean "majority"?'),
        ({"chanels": ["x"]}, "data.windows.chanels", 'did you mean "channels"?'),
    ],
)
def test_mistakes_have_their_keys(windows, key, part):
    """Every wrong value is reported at its key with what would be right."""
    spec, mistakes = read(**windows)
    assert spec is None
    assert part in mistakes[key]
