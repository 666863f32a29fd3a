"""Tables and errors fit the terminal and lose nothing that matters."""

import json

import pytest

from manyfit.cli.commands.outcome import show_failures
from manyfit.cli.commands.session import Ended
from manyfit.cli.errors import report
from manyfit.cli.output import Output, plain, table_lines, with_short_words
from manyfit.model.errors import Interrupted, Refused, SweepMistakes
from manyfit.model.mistake import Mistake
from manyfit.model.result import FailureClass
from manyfit.report.failures import FailureGroup


def test_a_table_fits_and_cuts_only_the_widest_text() -> None:
    """A table as wide as the terminal keeps its numbers whole and says with a sign where text was cut."""
    rows = [("svc", "kernel=rbf " * 10, "1,240"), ("forest", "n=5", "3")]
    lines = table_lines(("pipeline", "parameters", "tasks"), rows, right=(2,), width=40)
    assert max(map(len, lines)) == 40
    assert lines[1].endswith("…  1,240")
    assert lines[1].startswith("svc       kernel=rbf")
    assert lines[2].endswith("    3")


def test_cells_that_would_look_the_same_are_cut_in_the_middle() -> None:
    """Names that differ only at their ends stay apart where the end would be cut off."""
    rows = [(f"variant=windows.size={size}", "0.5") for size in (32, 64)]
    lines = table_lines(("parameters", "score"), rows, right=(1,), width=25)
    assert [line.split()[0][-7:] for line in lines[1:]] == ["size=32", "size=64"]
    assert max(map(len, lines)) <= 25


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


def test_messages_fit_the_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted, unexpected and expected errors and notes are continued on the next line."""
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.delenv("MANYFIT_DEBUG", raising=False)
    for error in (Interrupted("words " * 30), KeyError("words " * 30), Refused("words " * 30)):
        report(error, as_json=False)
    Output().note("warning: " + "words " * 30)
    captured = capsys.readouterr()
    lines = (captured.err + captured.out).splitlines()
    assert len(lines) > 12
    assert max(map(len, lines)) <= 60


def test_an_error_that_says_nothing_is_its_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No colon hangs behind the name of an exception without a text."""
    monkeypatch.delenv("MANYFIT_DEBUG", raising=False)
    report(MemoryError(), as_json=False)
    assert capsys.readouterr().err.splitlines()[0] == "manyfit: unexpected MemoryError"


def failure_group(error: str, message: str) -> FailureGroup:
    return FailureGroup(
        cls=FailureClass.OOM,
        fingerprint="ab",
        count=2,
        pipelines=("svc",),
        key="0123456789",
        label="svc, cv seed 0",
        error=error,
        message=message,
        do="manyfit retry --class oom --memory x2",
    )


@pytest.mark.parametrize("message", ["words " * 1000, "x" * 5000])
def test_a_long_message_of_a_failure_is_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    """A failure takes a few lines of the terminal, and says where the whole message is."""
    monkeypatch.setenv("COLUMNS", "80")
    show_failures(Output(), [failure_group("ValueError", message)], "s.toml")
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) < 12
    assert any("…" in line for line in lines)
    assert "  all of it: manyfit explain s.toml 01234567" in lines
    assert "  next: manyfit retry s.toml --class oom --memory x2" in lines


def test_a_short_message_of_a_failure_is_whole(capsys: pytest.CaptureFixture[str]) -> None:
    """What fits is shown as it is; an exception without a text is its name."""
    show_failures(Output(), [failure_group("MemoryError", "")], "s.toml")
    assert capsys.readouterr().out.splitlines()[1] == "  01234567 svc, cv seed 0: MemoryError"


def test_long_words_are_cut() -> None:
    """Only the word that has no room is cut."""
    assert with_short_words("one  xxxxxxxx two", 5) == "one  xxxx… two"


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


@pytest.mark.parametrize(
    ("state", "filtered", "obstacles", "stuck"),
    [
        ("waiting", False, (), True),
        ("waiting", True, (), False),
        ("waiting", True, ("nb is paused",), True),
        ("complete", False, ("worker 1 ended",), False),
        ("interrupted", False, (), False),
    ],
)
def test_a_run_is_stuck_when_tasks_are_left_that_it_was_to_do(state, filtered, obstacles, stuck):
    """Whether or not anybody could say why; what a filter left out was not asked for."""
    ended = Ended(
        out=None, results=None, snapshot=None, state=state, seconds=1.0, obstacles=obstacles, filtered=filtered
    )
    assert ended.stuck is stuck
