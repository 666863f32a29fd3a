"""Windows: long tables of samples become tables of windows, by hand-made rules and at full size."""

import importlib.util
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyfit.data.findings import Findings
from manyfit.data.shaping import Shaping, carried, shaped
from manyfit.model.sweep import Mixed, WindowsSpec

WINDOWS = {"size": 4, "by": "take", "channels": ["x"]}


def samples(n_by_take, label=None):
    """A long table: takes with these numbers of samples; x counts all samples."""
    takes = [take for take, n in n_by_take.items() for _ in range(n)]
    n = len(takes)
    columns = {"take": takes, "tick": list(range(n)), "x": np.arange(n, dtype=float), "y": -np.arange(n)}
    return pl.DataFrame({**columns, "target": label if label is not None else [t.upper() for t in takes]})


def cut(frame, roles=None, **windows):
    """Return the windows of a table, and the findings."""
    declared = {"sizes": (4,), "channels": ("x",), "by": "take"} | windows
    findings = Findings(file="f")
    shaping = Shaping(windows=WindowsSpec(**declared), **(roles or {}))
    return shaped(frame, shaping, findings), findings


def plain_windows(frame, size, step, mixed):
    """The same windows in plain Python: lists of samples with labels, recording by recording."""
    takes = {}
    for row in frame.iter_rows(named=True):
        takes.setdefault(row["take"], []).append(row)
    found = []
    for rows in takes.values():
        for first in range(0, len(rows) - size + 1, step):
            part = rows[first : first + size]
            label = plain_label([row["target"] for row in part], mixed)
            if label is not None:
                found.append([part[0]["take"], label, *(row["x"] for row in part)])
    return found


def plain_label(labels, mixed):
    if mixed is Mixed.LAST:
        return labels[-1]
    if mixed is Mixed.DROP:
        return labels[0] if len(set(labels)) == 1 else None
    return max(sorted(set(labels), key=lambda label: (label is None, label or "")), key=labels.count)


def test_windows_are_consecutive_samples_of_one_recording():
    """Windows overlap by their step and never cross recordings; the incomplete rest is left out with a warning."""
    made, findings = cut(samples({"a": 10, "b": 5, "c": 3}), step=2)
    assert made.columns == ["take", "target", "x_0000", "x_0001", "x_0002", "x_0003"]
    assert made["x_0000"].to_list() == [0, 2, 4, 6, 10]
    assert made["x_0003"].to_list() == [3, 5, 7, 9, 13]
    assert made["take"].to_list() == ["a", "a", "a", "a", "b"]
    assert made["target"].to_list() == ["A", "A", "A", "A", "B"]
    (ends, left_out) = findings.warnings
    assert "2 of 3 recordings" in ends
    assert "4 samples" in ends
    assert "1 recordings have no window at all" in ends
    assert '"tick", "y"' in left_out


@settings(max_examples=60, deadline=None)
@given(
    takes=st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
    labels=st.lists(st.sampled_from(["u", "v", "w", None]), min_size=40, max_size=40),
    size=st.integers(1, 6),
    step=st.integers(1, 7),
    mixed=st.sampled_from(Mixed),
)
def test_windows_are_those_of_plain_python(takes, labels, size, step, mixed):
    """Mixed recordings, mixed labels, gaps, any size and step: the same windows as counted one by one."""
    frame = pl.DataFrame(
        {"take": takes, "x": np.arange(len(takes), dtype=float), "target": labels[: len(takes)]},
        schema_overrides={"target": pl.String},
    )
    made, findings = cut(frame, sizes=(size,), step=step, mixed=mixed)
    expected = plain_windows(frame, size, step, mixed)
    if made is None:
        assert expected == []
        assert findings.mistakes
    else:
        assert [list(row) for row in made.iter_rows()] == expected


def test_samples_are_sorted_by_the_order_column():
    """Shuffled samples of interleaved recordings give the same windows, in the order of the first rows."""
    frame = samples({"a": 8, "b": 8})
    straight, _ = cut(frame, order="tick")
    made, _ = cut(frame.sample(fraction=1.0, shuffle=True, seed=1), order="tick")
    assert made.sort("tick").equals(straight.sort("tick"))
    assert straight["tick"].to_list() == [0, 4, 8, 12]  # the value of the first sample


def test_several_channels_stand_one_after_the_other():
    """Patterns choose channels; all samples of a channel come before those of the next."""
    made, _ = cut(samples({"a": 8}), channels=("?",), sizes=(2,))
    assert made.columns == ["take", "target", "x_0000", "x_0001", "y_0000", "y_0001"]
    assert made["y_0001"].to_list() == [-1.0, -3.0, -5.0, -7.0]


def test_gaps_are_nan():
    """A missing sample is NaN in its window."""
    frame = samples({"a": 4}).with_columns(x=pl.Series([1, None, 3, 4]))
    made, _ = cut(frame)
    assert np.isnan(made["x_0001"][0])
    assert made["x_0002"].to_list() == [3.0]


def test_a_table_without_a_target_is_cut_as_well():
    """Tables to predict have no labels; no window is left out for that."""
    made, findings = cut(samples({"a": 8}).drop("target"))
    assert len(made) == 2
    assert not findings.mistakes


def test_only_samples_are_features_by_themselves():
    """What is carried along, numbers of recordings and times too, counts as metadata."""
    frame = samples({"a": 8}).with_columns(take=pl.lit(7))
    shaping = Shaping(windows=WindowsSpec(sizes=(4,), channels=("x",), by="take", order="tick"))
    made = shaped(frame, shaping, Findings(file="f"))
    assert carried(frame, made, shaping, ()) == ("take", "tick")


@pytest.mark.parametrize(
    ("windows", "key", "part"),
    [
        ({"by": "tak"}, "data.windows.by", 'did you mean "take"?'),
        ({"order": "tack"}, "data.windows.order", 'there is no column "tack"'),
        ({"by": "gap"}, "data.windows.by", '1 of 8 rows have no value in "gap"'),
        ({"channels": ["x", "xx"]}, "data.windows.channels[1]", 'did you mean "x"?'),
        ({"channels": ["target"]}, "data.windows.channels[0]", "another role"),
        ({"channels": ["text"]}, "data.windows.channels[0]", "holds no numbers"),
        ({"size": 9}, "data.windows.size", "the longest has 8"),
    ],
)
def test_mistakes_that_the_data_shows(bench, windows, key, part):
    """Columns and sizes that do not fit the table are mistakes with the key and what is there."""
    frame = samples({"a": 8}).with_columns(gap=pl.Series([None, *"bbbbbbb"]), text=pl.lit("t"))
    bench.write(frame, "a.parquet")
    found = bench.wrong({"source": "a.parquet", "windows": WINDOWS | windows})
    assert part in found[key]


def test_a_group_that_changes_inside_of_a_recording_is_a_mistake(bench):
    """A window is in one group, so that no group is in training and test."""
    bench.write(samples({"a": 8}).with_columns(who=pl.Series([*"ssssuuuu"])))
    found = bench.wrong({"source": "a.csv", "group": "who", "windows": WINDOWS})
    assert "changes inside" in found["data.group"]


def test_labels_missing_everywhere_are_a_mistake(bench):
    """When no window has a label, the table is of no use, and the message says so."""
    bench.write(samples({"a": 8}, label=["u", "v"] * 4))
    assert "none of 2 windows has a label" in bench.wrong({"source": "a.csv", "windows": WINDOWS})["data.windows"]


def test_names_of_samples_that_are_taken_are_a_mistake(bench):
    """A column called like a sample is not overwritten."""
    bench.write(samples({"a": 8, "b": 8}).with_columns(x_0001=pl.lit(1)))
    found = bench.wrong({"source": "a.csv", "windows": WINDOWS})
    assert '"x_0001"' in found["data.windows.channels"]


def test_sizes_are_data_variants(bench):
    """Each size of a list is a table of its own, with its own fingerprint and features."""
    bench.write(samples({"a": 48, "b": 48}))
    profiles, mistakes = bench.profile({"source": "a.csv", "windows": WINDOWS | {"size": [4, 8]}})
    assert mistakes == []
    assert list(profiles) == ["windows.size=4", "windows.size=8"]
    assert [found.n_rows for found in profiles.values()] == [24, 12]
    assert [len(found.columns[""]) for found in profiles.values()] == [4, 8]
    assert len({found.fingerprint for found in profiles.values()}) == 2


def test_a_shaped_table_is_opened_without_reading(bench):
    """Planning and runners find the cached windows with their warnings, and not the table as it was read."""
    path = bench.write(samples({"a": 21, "b": 20}))
    data = {"source": "a.csv", "group": "take", "windows": WINDOWS}
    first = bench.good(data)
    assert any("incomplete" in warning for warning in first.warnings)
    assert bench.good(data).warnings == first.warnings
    rows = bench.rows(first.fingerprint, data)
    columns = rows.columns("")
    assert columns == ("x_0000", "x_0001", "x_0002", "x_0003")
    found = rows.select("cv", 0, 0, columns, score_train=False)
    assert found.X["train"].shape[1] == 4
    path.unlink()
    assert bench.rows(first.fingerprint, data).columns("") == columns  # the host's copy is enough


def test_another_shape_of_one_file_is_another_table(bench):
    """The cache keeps shapes apart: with, without and with other windows."""
    bench.write(samples({"a": 24, "b": 24}))
    bench.good({"source": "a.csv", "windows": WINDOWS})
    assert bench.good("a.csv").n_rows == 48
    assert bench.good({"source": "a.csv", "windows": WINDOWS | {"overlap": 0.5}}).n_rows == 22
    assert bench.good({"source": "a.csv", "windows": WINDOWS}).n_rows == 12


def test_a_million_samples():
    """10^6 samples of 200 interleaved recordings: every window is right, and no loop over samples is needed."""
    n, size = 10**6, 100
    draw = np.random.default_rng(0)
    take = draw.integers(0, 200, n)
    frame = pl.DataFrame({"take": take, "x": draw.normal(size=n), "target": np.where(take % 2 == 0, "e", "o")})
    made, findings = cut(frame, sizes=(size,), step=50, mixed=Mixed.MAJORITY)
    assert not findings.mistakes
    counts = np.bincount(take)
    assert len(made) == ((counts - size) // 50 + 1).sum()
    own = frame.filter(pl.col("take") == 17)["x"].to_numpy()
    mine = made.filter(pl.col("take") == 17)
    np.testing.assert_array_equal(mine[:, 2:].to_numpy()[3], own[150:250])
    assert mine["target"].unique().to_list() == ["o"]


def watch():
    """Return the recordings of a watch (seglearn): samples by channel, exercises and people."""
    folder = importlib.util.find_spec("seglearn")
    if folder is None:
        pytest.skip("seglearn, whose data this test reads, is not installed")
    file = Path(folder.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    return np.load(file, allow_pickle=True).item()


def test_real_recordings_of_a_watch():
    """244,102 samples of 140 recordings: every window is the slice of its recording, with its people and label."""
    found = watch()
    lengths = [len(part) for part in found["X"]]
    columns = dict(zip(found["X_labels"], np.concatenate(found["X"]).T, strict=True))
    labels = {"take": np.arange(140), "subject": found["subject"], "target": found["y"].astype(int)}
    frame = pl.DataFrame({**columns, **{name: np.repeat(part, lengths) for name, part in labels.items()}})

    made, findings = cut(frame, sizes=(200,), step=100, channels=("a?", "w?"))

    assert not findings.mistakes
    expected = [
        (take, number, part[100 * number : 100 * number + 200])
        for take, part in enumerate(found["X"])
        for number in range((len(part) - 200) // 100 + 1)
    ]
    assert made["take"].to_list() == [take for take, _, _ in expected]
    assert made["subject"].to_list() == [found["subject"][take] for take, _, _ in expected]
    assert made["target"].to_list() == [found["y"][take] for take, _, _ in expected]
    samples = made.select(pl.col("^[aw][xyz]_.*$")).to_numpy().reshape(len(made), 6, 200)
    np.testing.assert_array_equal(samples, np.stack([part.T for _, _, part in expected]))


def test_what_is_carried_is_not_forgotten_with_the_note(bench):
    """Without its note the table of a function is made again, so that numbers of recordings are no features."""
    code = 'def f():\n    return {"take": [1] * 24 + [2] * 24, "x": list(range(48)), "target": ["a", "b"] * 24}\n'
    (bench.folder / "made_for_windows.py").write_text(code)
    data = {"source": "made_for_windows:f", "windows": WINDOWS | {"mixed": "last", "size": 3}}
    fingerprint = bench.good(data).fingerprint
    for note in (bench.cache / "sources").glob("*.json"):
        note.unlink()
    assert bench.rows(fingerprint, data).columns("") == ("x_0000", "x_0001", "x_0002")
