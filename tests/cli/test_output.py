"""Tables and errors fit the terminal and lose nothing that matters."""

import json

import pytest

from manyfit.cli.errors import report
from manyfit.cli.output import Output, plain, table_lines
from manyfit.model.errors import Refused, SweepMistakes
from manyfit.model.mistake import Mistake


def test_a_table_fits_and_cuts_only_the_widest_text() -> None:
    """A table as wide as the terminal keeps its numbers whole and says with a sign where text was cut."""
    rows = [("svc", "kernel=rbf " * 10, "1,240"), ("forest", "n=5", "3")]
    lines = table_lines(("pipeline", "parameters", "tasks"), rows, right=(2,), width=40)
    assert max(map(len, lines)) == 40
    assert lines[1].endswith("…  1,240")
    assert lines[1].startswith("svc       kernel=rbf")
    assert lines[2].endswith("    3")


def test_a_cell_of_several_lines_becomes_one() -> None:
    """A message with line breaks cannot break a table."""
    assert table_lines(("a",), [("one\ntwo",)]) == ["a", "one two"]


def test_json_has_no_nan() -> None:
    """What is no number is null, so that every parser reads the document."""
    assert plain({"a": float("nan"), "b": [float("inf"), 1.5], 3: ("x", None)}) == {
        "a": None,
        "b": [None, 1.5],
        "3": ["x", None],
    }


def test_json_output_keeps_stdout_for_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """With JSON, lines for people vanish and notes go to stderr."""
    out = Output(as_json=True)
    out.line("for people")
    out.note("progress")
    out.json({"a": 1})
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"a": 1}
    assert captured.err == "progress\n"


def test_all_mistakes_are_listed_in_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every mistake stands under its file, keys and messages in columns, long messages continued in theirs."""
    monkeypatch.setenv("COLUMNS", "60")
    mistakes = [
        Mistake(
            file="a.toml", key="pipelines.svc.grid.gama", message='no parameter "gama"; did you mean "gamma"?'
        ),
        Mistake(file="a.toml", key="name", message="is missing"),
    ]
    assert report(SweepMistakes(mistakes), as_json=False) == 2
    assert capsys.readouterr().err.splitlines() == [
        "a.toml has 2 mistakes:",
        '  pipelines.svc.grid.gama  no parameter "gama"; did you mean',
        '                           "gamma"?',
        "  name                     is missing",
        "nothing was queued",
    ]


def test_mistakes_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """A program gets file, key and message of each mistake."""
    report(SweepMistakes([Mistake(file="a.toml", key="name", message="is missing")]), as_json=True)
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["kind"] == "SweepMistakes"
    assert error["mistakes"] == [{"file": "a.toml", "key": "name", "message": "is missing"}]


def test_long_keys_do_not_push_messages_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A key longer than the column has a line of its own."""
    key = "pipelines." + "x" * 60
    mistakes = [
        Mistake(file="a.toml", key=key, message="is wrong"),
        Mistake(file="a.toml", key="b", message="bad"),
    ]
    report(SweepMistakes(mistakes), as_json=False)
    assert capsys.readouterr().err.splitlines()[1:4] == [f"  {key}", "     is wrong", "  b  bad"]


def test_an_error_of_manyfit_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    """Errors that say what to do are shown without a traceback, with exit code 2."""
    assert report(Refused("the sweep has no memory limit"), as_json=False) == 2
    assert capsys.readouterr().err == "manyfit: the sweep has no memory limit\n"


def test_an_unexpected_error_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A traceback comes only when asked for."""
    assert report(KeyError("x"), as_json=False) == 1
    first = capsys.readouterr().err
    assert "MANYFIT_DEBUG=1" in first
    assert "Traceback" not in first
    monkeypatch.setenv("MANYFIT_DEBUG", "1")
    assert report(KeyError("x"), as_json=False) == 1
    assert "KeyError" in capsys.readouterr().err
