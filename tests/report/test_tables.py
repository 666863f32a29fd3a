"""Frames for people and for files."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from tests.report.sweeps import candidate, cells, new_store, run, scored, segment

from manyfit.model.errors import UserError
from manyfit.report.html import table_html
from manyfit.report.results import WRITERS, export, raw_results
from manyfit.report.tables import rows
from manyfit.report.texts import show_bytes, show_duration, show_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.94204, "0.9420"),
        (1.0, "1.000"),
        (0.0, "0"),
        (-12.3456, "-12.35"),
        (12345.6, "12346"),
        (-123456.0, "-1.235e+05"),
        (0.00001234, "1.234e-05"),
        (0.0012344, "0.001234"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_four_digits(value: float, text: str) -> None:
    """Scores have four significant digits, plain where that is readable."""
    assert show_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.04, "40 ms"),
        (9.94, "9.9 s"),
        (28.4, "28 s"),
        (59.6, "1 m 00 s"),
        (130.2, "2 m 10 s"),
        (3599.7, "1 h 00 m"),
        (3900, "1 h 05 m"),
        (183_600, "2 d 03 h"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Durations have the units that matter, and never sixty of one."""
    assert show_duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0 B"), (210 << 20, "210 MiB"), (3 << 41, "6 TiB")])
def test_sizes(size: int, text: str) -> None:
    """Sizes are in binary units."""
    assert show_bytes(size) == text


def test_rows_are_formatted_by_column() -> None:
    """Each column has the format that its name and type ask for; what is missing is a dash."""
    frame = pl.DataFrame(
        {
            "key": ["0123456789abcdef"],
            "n_done": [1240],
            "seed": [2024],
            "score": [0.123456],
            "std": pl.Series([None], dtype=pl.Float64),
            "time_fit": [130.0],
            "peak_bytes": [2 << 30],
            "finished_at": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)],
        }
    )
    headers, cells = rows(frame)
    assert headers == frame.columns
    assert cells == [["01234567", "1,240", "2024", "0.1235", "-", "2 m 10 s", "2 GiB", "2026-01-02 03:04:05Z"]]


def test_html_is_escaped_and_says_what_it_leaves_out() -> None:
    """Texts cannot become markup, and a long table says how long it is."""
    frame = pl.DataFrame({"params": ["<b>&"] * 1500, "score": [0.5] * 1500})
    html = table_html(frame, caption="a < b", limit=2)
    assert html.count("&lt;b&gt;&amp;") == 2
    assert "<caption>a &lt; b</caption>" in html
    assert "2 of 1,500 rows" in html
    assert "rows" not in table_html(frame.head(2), limit=2)


def read(path: Path) -> pl.DataFrame:
    match path.suffix:
        case ".csv":
            return pl.read_csv(path)
        case ".parquet":
            return pl.read_parquet(path)
        case ".json":
            return pl.DataFrame(json.loads(path.read_text()))
        case _:
            return pl.read_ndjson(path)


@pytest.mark.parametrize("ending", list(WRITERS))
def test_export_keeps_every_digit(tmp_path: Path, ending: str) -> None:
    """Each format holds all rows in full precision, and nothing else is left in the folder."""
    store = new_store(tmp_path, segment([candidate("svc", C=1)], cells(3)))
    run(store, lambda _, on: scored(cv={"accuracy": (on.fold + 1) / 3 * 0.1}))
    folder = tmp_path / "out"
    folder.mkdir()
    path = export(raw_results(store), folder / f"results{ending}")
    found = read(path).sort("fold")
    assert found["cv_accuracy"].to_list() == [(n + 1) / 3 * 0.1 for n in range(3)]
    assert found["fold"].to_list() == [0, 1, 2]
    assert list(folder.iterdir()) == [path]


def test_export_refuses_unknown_endings_and_folders(tmp_path: Path) -> None:
    """An ending that is not known, or a place that is not there, is a mistake of the user with its name."""
    frame = pl.DataFrame({"a": [1]})
    with pytest.raises(UserError, match=r"endings: \.csv, \.parquet"):
        export(frame, tmp_path / "results.xlsx")
    with pytest.raises(UserError, match="cannot be written"):
        export(frame, tmp_path / "missing" / "results.csv")
