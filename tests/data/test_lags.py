"""Rows of series know their past and nothing else, and no training target lies where rows are evaluated."""

from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manyfit.data.findings import Findings
from manyfit.data.lags import Series, lagged
from manyfit.declare import from_mapping
from manyfit.model.sweep import LAG_CALENDAR, LAG_STATISTICS, LagsSpec

START = datetime(2024, 1, 1, tzinfo=UTC)
WIDE = LagsSpec(
    lags=(0, 1, 5), windows=(3, 6), statistics=LAG_STATISTICS, calendar=LAG_CALENDAR, horizon=4, by="place"
)
TWO = Series(target="flow", time="time", by="place")
DATA = {"source": "a.csv", "target": "flow", "time": "time"}
TIME = {"last": {"kind": "time", "test": 0.3, "validate": 0.2, "folds": 3}}


def hourly(n, places=("a", "b"), seed=0):
    """Series of n hours each, their rows in a mixed order."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "time": START + timedelta(hours=i),
            "place": place,
            "flow": float(rng.normal()),
            "heat": float(rng.normal()),
        }
        for place in places
        for i in range(n)
    ]
    return pl.DataFrame([rows[i] for i in rng.permutation(len(rows))])


def shaped(frame, lags, series=TWO):
    """The shaped table, and what was said."""
    findings = Findings(file="f.toml")
    return lagged(frame, lags, series, findings), findings


def one(frame, **lags):
    """The shaped table of one series without ids."""
    found, findings = shaped(frame, LagsSpec(**lags), Series(target="flow", time="time"))
    assert findings.mistakes == []
    return found


def features(frame):
    return frame.drop("flow", "time_of_target").sort("place", "time")


@settings(max_examples=25)
@given(st.integers(8, 30), st.integers(0, 29), st.booleans())
def test_the_future_changes_no_feature(n, cut, on_a_grid):
    """Whatever is changed in rows after a moment, no feature of a row up to that moment changes."""
    lags = LagsSpec(
        **{**{k: getattr(WIDE, k) for k in WIDE.__slots__}, "every_seconds": 3600 if on_a_grid else None}
    )
    frame, moment = hourly(n), START + timedelta(hours=cut)
    later = pl.col("time") > moment
    changed = frame.with_columns(
        pl.when(later).then(pl.col(name) * 1000 - 7).otherwise(pl.col(name)) for name in ("flow", "heat")
    )
    gone = frame.filter(~later)
    lags = LagsSpec(**{**{k: getattr(lags, k) for k in lags.__slots__}, "columns": ("flow", "heat")})
    before = features(shaped(frame, lags)[0]).filter(pl.col("time") <= moment)
    assert features(shaped(changed, lags)[0]).filter(pl.col("time") <= moment).equals(before)
    cut_off, findings = shaped(gone, lags)
    assert (cut_off is None and len(before) == 0 and findings.mistakes) or features(cut_off).equals(before)


@pytest.mark.parametrize("every_seconds", [None, 3600])
def test_the_distant_past_changes_no_feature(every_seconds):
    """The end of a file gives the same bits as the whole: statistics know their window and nothing before."""
    frame = hourly(200).with_columns(pl.col("flow") * 1e3)
    lags = LagsSpec(**{**{k: getattr(WIDE, k) for k in WIDE.__slots__}, "every_seconds": every_seconds})
    whole = features(shaped(frame, lags)[0])
    for begin in (1, 50, 190):
        part = features(shaped(frame.filter(pl.col("time") >= START + timedelta(hours=begin)), lags)[0])
        assert len(part) == 2 * (200 - begin - 5)
        assert part.equals(whole.join(part.select("place", "time"), on=["place", "time"], maintain_order="right"))


def test_every_column_is_what_it_says():
    """Lags, statistics, calendar and target, series by series, are those of a loop over the rows."""
    frame = hourly(20)
    found, _ = shaped(frame, WIDE)
    assert len(found) == 2 * (20 - 5)
    for row in found.iter_rows(named=True):
        own = frame.filter(pl.col("place") == row["place"]).sort("time")
        times, flow = own["time"].to_list(), own["flow"].to_numpy()
        i = times.index(row["time"])
        for n in (0, 1, 5):
            assert row[f"flow_lag_{n}"] == flow[i - n]
        for window in (3, 6):
            past = flow[i - window + 1 : i + 1]
            assert row[f"flow_mean_{window}"] == pytest.approx(past.mean())
            assert row[f"flow_std_{window}"] == pytest.approx(past.std(ddof=1))
            assert (row[f"flow_min_{window}"], row[f"flow_max_{window}"]) == (past.min(), past.max())
        assert (row["time_hour"], row["time_weekday"]) == (row["time"].hour, row["time"].isoweekday())
        assert (row["time_day"], row["time_month"]) == (row["time"].day, row["time"].month)
        assert row["time_yearday"] == row["time"].timetuple().tm_yday
        ahead = i + 4 < 20
        assert row["flow"] == (flow[i + 4] if ahead else None)
        assert row["time_of_target"] == (times[i + 4] if ahead else None)


def test_steps_of_time_see_gaps():
    """With a step, a lag that falls into a gap is missing, and so is a target; without one, rows are counted."""
    frame = hourly(12, places=("a",)).sort("time")
    torn = frame.filter(~pl.col("time").is_in([START + timedelta(hours=h) for h in (5, 6)]))
    timed = one(torn, lags=(0, 1), horizon=2, every_seconds=3600.0)
    by_time = {row["time"]: row for row in timed.iter_rows(named=True)}
    assert START + timedelta(hours=5) not in by_time
    after = by_time[START + timedelta(hours=7)]
    assert after["flow_lag_1"] is None
    assert after["flow"] == by_time[START + timedelta(hours=9)]["flow_lag_0"]
    assert by_time[START + timedelta(hours=4)]["flow"] is None
    counted, findings = shaped(torn, LagsSpec(lags=(1,)), Series(target="flow", time="time"))
    assert counted.filter(pl.col("time") == START + timedelta(hours=7))["flow_lag_1"].null_count() == 0
    assert "1 of 9 steps" in findings.warnings[0]
    assert 'every = "3600s"' in findings.warnings[0]


def test_what_cannot_be_is_said():
    """Missing columns, texts, repeated times and times between steps are mistakes with their names."""
    frame = hourly(8)

    def said(table=frame, series=TWO, **lags):
        found, findings = shaped(table, LagsSpec(**{"lags": (1,), "by": series.by, **lags}), series)
        assert found is None
        return findings.mistakes[0].key, findings.mistakes[0].message

    assert said(columns=("flwo",)) == ("data.lags.columns", 'there is no column "flwo"; did you mean "flow"?')
    assert "holds no numbers" in said(columns=("place",))[1]
    key, message = said(series=Series(target="flow", time="time"))
    assert key == "data.lags"
    assert 'by = "..."' in message
    assert "longer than the 50 steps" in said(lags=(50,))[1]
    assert "already has" in said(frame.with_columns(flow_lag_1=1.0))[1]
    assert said(frame.with_columns(time=pl.lit("x") + pl.col("time").cast(pl.String)), calendar=("hour",))[0] == (
        "data.lags.calendar"
    )
    between = frame.with_columns(time=pl.col("time") + pl.duration(minutes=pl.col("time").dt.hour()))
    assert "between the steps" in said(between, every_seconds=3600.0)[1]


def test_a_table_to_predict_needs_no_target():
    """The last rows stay, with their features; where the target is no lag, the table may lack it."""
    frame = hourly(10, places=("a",))
    whole = one(frame, lags=(0,), horizon=3)
    assert whole["flow"].null_count() == 3
    bare = one(frame.drop("flow"), lags=(0,), columns=("heat",))
    assert bare.columns == ["time", "place", "heat", "heat_lag_0", "time_of_target"]


def split_of(bench, frame, horizon, **changes):
    """The rows of a sweep over lags: times and target times of each set, and the folds of its training rows."""
    bench.write(frame)
    data = {**DATA, "lags": {"lags": [0, 1], "horizon": horizon, "by": "place"}}
    changes = {"splits": TIME, **changes}
    found = bench.good(data, **changes)
    rows = bench.rows(found.fingerprint, data, **changes)
    return found, rows, rows.frame()


@pytest.mark.parametrize("horizon", [1, 5])
def test_no_training_target_lies_where_rows_are_evaluated(bench, horizon):
    """In splits and folds by time, and between sets, targets end before the next rows begin."""
    found, rows, table = split_of(bench, hourly(60), horizon)
    times, ends = table["time"].to_numpy(), table["time_of_target"].to_numpy()
    sets = rows.sets("last", None, 0)
    for earlier, later in (("train", "test"), ("train", "validate")):
        first, second = sorted((earlier, later), key=lambda name: times[sets[name]].min())
        assert ends[sets[first]].max() < times[sets[second]].min()
    assert len(sets["train"]) == found.splits["last"].n_train
    lost = len(table) - sum(len(part) for part in sets.values())
    whole = 2 * horizon * 3  # of two series: the end of the table, and before each of the two evaluation sets
    assert whole <= lost <= whole + 2  # a set may begin between two rows of one time
    for fold in range(3):
        parts = rows.sets("last", fold, 0)
        assert ends[parts["train"]].max() < times[parts["cv"]].min()
        assert len(parts["train"])


def test_targets_are_those_ahead_and_features_are_the_lags(bench):
    """The target of a cell is the value to come; the time of the target and the series' ids are no features."""
    found, rows, table = split_of(bench, hourly(60), 2)
    assert found.columns[""] == ("heat", "flow_lag_0", "flow_lag_1")
    selected = rows.select("last", None, 0, found.columns[""], False)
    own = table[selected.rows["test"]]
    assert np.array_equal(selected.y["test"], own["flow"].to_numpy())
    assert found.warnings == ()


def test_splits_out_of_order_are_warned_of(bench):
    """A random split of a series lets neighbours of test rows train, and the plan says so."""
    found, _, _ = split_of(bench, hourly(60), 2, splits={"mixed": {"kind": "random", "test": 0.2}})
    assert "not in the order of time" in found.warnings[0]


def test_real_flow_of_water(bench):
    """1,268 hours of a river of pipes with gaps: a day ahead, no missing hour is bridged."""
    spec = find_spec("river")
    if spec is None:
        pytest.skip("river is not installed")
    file = Path(spec.submodule_search_locations[0]) / "datasets" / "water-flow.csv"
    frame = pl.read_csv(file, try_parse_dates=True).rename({"Time": "time", "Water flow [l/s]": "flow"})
    found = one(frame, lags=(0, 23), windows=(24,), horizon=24, every_seconds=3600.0)
    known = dict(zip(frame["time"], frame["flow"], strict=True))
    assert len(frame) == 1268
    for row in found.iter_rows(named=True):
        assert row["flow"] == known.get(row["time"] + timedelta(hours=24))
        assert row["flow_lag_23"] == known.get(row["time"] - timedelta(hours=23))


def test_the_table_is_checked_as_it_is_read():
    """Lags need a time, and something to look back at; slips are named with what is known."""
    base = {"name": "s", "pipelines": {"p": {"steps": ["Ridge"]}}}

    def said(lags, **data):
        _, mistakes = from_mapping({**base, "data": {**DATA, **data, "lags": lags}})
        return {mistake.key: mistake.message for mistake in mistakes}

    _, mistakes = from_mapping({**base, "data": {"source": "a.csv", "lags": {"lags": [1]}}})
    assert "data.lags" in {mistake.key for mistake in mistakes}
    assert "nothing of their past" in said({"horizon": 2})["data.lags"]
    assert "of windows" in said({"lags": [1], "statistics": ["mean"]})["data.lags.statistics"]
    assert 'did you mean "mean"' in said({"windows": [3], "statistics": ["men"]})["data.lags.statistics"]
    assert said({"lags": [-1]})
    assert "twice" in said({"lags": [1, 1]})["data.lags.lags[1]"]
    assert said({"lags": [1], "horizon": 0})
