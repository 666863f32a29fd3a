"""Reports of real sweeps: what the page says, where predictions come from, what no name can do to it."""

import json
import re
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.api.running import run_here
from tests.report.sweeps import candidate, cells, new_store, run, scored, segment

from manyfit import Sweep
from manyfit.api import answering, reporting
from manyfit.api.results import Results
from manyfit.model.errors import NotFound, UserError
from manyfit.report.texts import show_number

HOSTILE = {
    "a": "<script>alert('a')</script>",
    "b": '"><img src=x onerror=alert(1)>',
    "c": r"$\frac{1}{2}$ & Co ]]>",
}
_VOID = {"meta", "br", "img", "hr", "wbr"}
_SHAPES = {"path", "use", "g", "defs", "rect", "image", "style", "clippath", "svg"}


class Page(HTMLParser):
    """The parts of a page that tests look at; raises where an element is closed that is not open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, Mapping[str, str]]] = []
        self.tables: dict[str, list[list[list[str]]]] = {}
        self.texts: list[str] = []
        self.section = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "section":
            self.section = found["id"]
        if tag == "table":
            self.tables.setdefault(self.section, []).append([])
        if tag == "tr":
            self.tables[self.section][-1].append([])
        if tag in ("td", "th"):
            self.tables[self.section][-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.tables[self.section][-1][-1][-1] += data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def sections(self) -> list[str]:
        return [found["id"] for tag, found in self.tags if tag == "section"]


def page_of(results: Results, to: Path, **options: Any) -> tuple[Page, str, reporting.Report]:
    made = results.report(to, **options)
    text = made.file.read_text(encoding="utf-8")
    return Page(text), text, made


def write_table(folder: Path) -> None:
    random = np.random.default_rng(0)
    rows = [f"{random.normal() + k},{random.normal() - k},{'abc'[k]}" for k in np.arange(90) % 3]
    (folder / "table.csv").write_text("x,y,target\n" + "\n".join(rows) + "\n")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A sweep whose classes have names that would be code on a careless page, with a failing pipeline."""
    folder = tmp_path_factory.mktemp("hostile")
    write_table(folder)
    sweep = Sweep(
        folder=folder,
        name="hostile",
        data={
            "source": "table.csv",
            "target": "target",
            "labels": HOSTILE,
            "categories": {"<i>one</i>": ["a"], "two": ["b", "c"]},
        },
        metrics=["accuracy", "roc_auc_ovr", "average_precision"],
        rank_by="accuracy",
        splits={"s": {"folds": 3, "kind": "random", "test": 0.2}},
        pipelines={
            "svc": {"steps": ["SVC"], "grid": {"C": [0.1, 1, 10], "gamma": ["scale", 0.1]}},
            "broken": {"steps": [{"use": "PCA", "n_components": 99}, "GaussianNB"]},
        },
    )
    with pytest.MonkeyPatch.context() as patch:
        return run_here(sweep, patch)


@pytest.fixture(scope="module")
def made(hostile: Results, tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, str, reporting.Report]:
    return page_of(hostile, tmp_path_factory.mktemp("report"))


@pytest.mark.slow
def test_numbers_are_those_of_the_leaderboard(hostile: Results, made: Any) -> None:
    """The table of a split has the leaderboard's candidates in its order, with its scores and deviations."""
    page, _, _ = made
    table = page.tables["leaderboard"][0]
    board = hostile.leaderboard()
    assert len(table) == 1 + board.height
    for cells_, row in zip(table[1:], board.iter_rows(named=True), strict=True):
        named = dict(zip(table[0], cells_, strict=True))
        assert (named["rank"], named["pipeline"], named["parameters"]) == (
            str(row["rank"]),
            row["pipeline"],
            row["params"],
        )
        if row["score"] is not None:
            assert named["cv accuracy"] == show_number(row["score"])
            assert named["±"] == show_number(row["std"])
            assert named["test accuracy"] == show_number(row["test_accuracy"])
            assert named["roc_auc_ovr"] == show_number(row["roc_auc_ovr"])


@pytest.mark.slow
def test_every_part_is_there_once(made: Any) -> None:
    """The page has each section once, a link to each, and no id twice."""
    page, _, report = made
    wanted = ["summary", "leaderboard", "effects", "heatmaps", "parallel", "times", "confusion", "curves"]
    assert page.sections == [*wanted, "generalisation", "failures", "timings", "provenance"]
    assert report.sections == tuple(page.sections)
    links = [found["href"] for tag, found in page.tags if tag == "a"]
    assert links == [f"#{name}" for name in page.sections]
    ids = [found["id"] for _, found in page.tags if "id" in found]
    assert len(set(ids)) == len(ids)
    used = {found["href"][1:] for tag, found in page.tags if tag == "use"}
    assert used <= set(ids)


@pytest.mark.slow
def test_names_are_text_and_nothing_else(made: Any) -> None:
    """Names that look like code are shown as they are; the page has no script, no handler, no foreign address."""
    page, text, _ = made
    for name in HOSTILE.values():
        assert name in page.text
        assert name not in text
    assert "<i>one</i>" in page.text
    assert "<i>" not in text
    assert not [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "link", "i")]
    assert not [name for _, found in page.tags for name in found if name.startswith("on")]
    addresses = [found[name] for _, found in page.tags for name in ("src", "href") if name in found]
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    assert not re.search(r"url\((?!#)|@import|https?://", text)
    policies = [
        found["content"] for tag, found in page.tags if found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policies == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]


@pytest.mark.slow
def test_confusion_is_the_sum_of_the_stored_matrices(hostile: Results, made: Any) -> None:
    """What was confused most often is counted over all folds, with the shown names of the classes."""
    page, _, _ = made
    best = hostile.best()
    tasks = hostile.tasks()
    mine = tasks.filter((tasks["candidate_key"] == best.candidate_key) & tasks["fold"].is_not_null())
    counts = sum(np.array(json.loads(text)["cv"]["confusion_matrix"]) for text in mine["details"])
    names = list(HOSTILE.values())
    expected = {
        (names[i], names[j], str(counts[i, j])) for i in range(3) for j in range(3) if i != j and counts[i, j]
    }
    shown = {tuple(row) for row in page.tables["confusion"][0][1:]}
    assert shown == expected
    assert expected


@pytest.mark.slow
def test_fits_made_again_have_the_stored_scores(made: Any) -> None:
    """Without kept predictions the best candidate is fitted again, and the page says that scores are equal."""
    page, _, report = made
    assert set(report.predictions.values()) == {"fitted again"}
    assert "made again for this report; their 18 scores are those that are stored." in page.text


@pytest.mark.slow
def test_failures_say_what_to_do(made: Any) -> None:
    """Failed tasks stand on the page by cause, and the summary says how many there are."""
    page, _, _ = made
    (row,) = page.tables["failures"][0][1:]
    assert row[:3] == ["4", "user", "broken"]
    assert "n_components=99" in row[3]
    assert "4 tasks failed: see Failures" in page.text


@pytest.mark.slow
def test_the_page_is_the_same_each_time(hostile: Results, made: Any, tmp_path: Path) -> None:
    """Two reports of one store have the same bytes."""
    _, text, _ = made
    assert page_of(hostile, tmp_path)[1] == text


@pytest.mark.slow
def test_nothing_is_fitted_when_not_asked(
    hostile: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With refit=False the report has no curves, says why, and runs no fit."""
    monkeypatch.setattr(answering, "_again", lambda *_: pytest.fail("fitted again"))
    page, _, report = page_of(hostile, tmp_path, refit=False)
    assert set(report.predictions.values()) == {"missing"}
    assert "asked not to fit again" in page.text
    assert not [found for tag, found in page.tags if found.get("id", "").startswith("plot-curves")]


@pytest.mark.slow
def test_other_scores_are_told(hostile: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fit that does not give the stored scores is said to differ, by how much."""
    from manyfit.fit import again

    def off(header: Any, candidate_: Any, cells_: Any) -> Any:
        from dataclasses import replace

        found = again_before(header, candidate_, cells_)
        worse = {place: None if value is None else value - 0.25 for place, value in found[0].scores.items()}
        return [replace(found[0], scores=worse), *found[1:]]

    again_before = again.run_again
    monkeypatch.setattr(again, "run_again", off)
    page, _, _ = page_of(hostile, tmp_path)
    assert "their scores differ from those that are stored, by up to 2.5e-01" in page.text


@pytest.mark.slow
def test_data_that_is_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the data cannot be read any more, the report is written without what needs it, and says so."""
    write_table(tmp_path)
    sweep = Sweep(
        folder=tmp_path,
        name="gone",
        data={"source": "table.csv", "target": "target"},
        splits={"s": {"folds": 2}},
        pipelines={"bayes": {"steps": ["GaussianNB"]}},
    )
    results = run_here(sweep, monkeypatch)
    write_table(tmp_path)
    (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text().replace(",a\n", ",b\n"))
    page, _, report = page_of(results, tmp_path / "out")
    assert report.predictions == {"bayes": "missing"}
    assert "The names of the classes are not known" in page.text
    assert "could not be fitted again" in page.text


@pytest.mark.slow
def test_kept_predictions_are_used(tmp_path: Path) -> None:
    """Predictions that the sweep kept give the curves, whose areas are the scores; in a database, too."""
    sweep = Sweep(
        folder=tmp_path,
        name="kept",
        store=f"sqlite:///{tmp_path}/lab.db",
        data="sklearn:wine",
        metrics=["accuracy", "roc_auc_ovr", "average_precision"],
        rank_by="roc_auc_ovr",
        splits={"s": {"folds": 3}},
        pipelines={"bayes": {"steps": ["GaussianNB"]}, "svc": {"steps": ["StandardScaler", "SVC"]}},
        keep={"predictions": True},
    )
    results = sweep.run(workers=1)
    contents = reporting.contents_of(results.store)
    board = {row["pipeline"]: row for row in results.leaderboard().iter_rows(named=True)}
    assert [lead.predictions.value for lead in contents.leads] == ["kept", "kept"]
    for lead in contents.leads:
        assert lead.curves is not None
        assert lead.curves.roc[-1].area == pytest.approx(board[lead.row["pipeline"]]["score"])
        average = lead.curves.precision[-1].area
        assert average == pytest.approx(board[lead.row["pipeline"]]["average_precision"])
    _, _, report = page_of(results, tmp_path / "r.html", plots=("png", "svg"))
    assert report.file == tmp_path / "r.html"
    names = sorted(path.name for path in (tmp_path / "r-plots").iterdir())
    assert names == sorted(path.name for path in report.plots)
    assert (tmp_path / "r-plots" / "curves-1.png").read_bytes().startswith(b"\x89PNG")
    assert b"<svg" in (tmp_path / "r-plots" / "curves-1.svg").read_bytes()


@pytest.mark.slow
def test_a_regression_has_residuals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A regression has predicted against true values instead of confusion matrices and curves."""
    sweep = Sweep(
        folder=tmp_path,
        name="numbers",
        data="sklearn:diabetes",
        seeds=[0, 1],
        splits={"s": {"folds": 2}},
        pipelines={"ridge": {"steps": ["Ridge"], "grid": {"alpha": [0.1, 1]}}},
    )
    results = run_here(sweep, monkeypatch)
    contents = reporting.contents_of(results.store, metric="rmse")
    (lead,) = contents.leads
    assert lead.residuals is not None
    assert len(lead.residuals.true) == 442
    assert contents.standing is not None
    assert contents.standing.scored["score"].is_sorted()
    page, _, _ = page_of(results, tmp_path / "out", metric="rmse")
    assert "predictions" in page.sections
    assert not {"confusion", "curves"} & set(page.sections)
    assert "smaller is better" in page.text


def _store(folder: Path, outcome: Any, n: int = 2) -> Results:
    store = new_store(folder, segment([candidate("svc", C=i) for i in range(n)], cells(2)))
    if outcome is not None:
        run(store, outcome)
    return Results(store)


def _results() -> Iterator[tuple[str, Any, int]]:
    yield "nothing", None, 2
    yield (
        "all failed",
        lambda of, on: {"outcome": "failed", "failure": {"cls": "user", "error": "E", "message": "<b>"}},
        2,
    )
    yield "one candidate", lambda of, on: scored(cv={"accuracy": 0.5}), 1
    yield "equal scores", lambda of, on: scored(cv={"accuracy": 0.5}), 9
    yield "no score", lambda of, on: scored(cv={"accuracy": None}), 2


@pytest.mark.parametrize(("outcome", "n"), [pytest.param(*case[1:], id=case[0]) for case in _results()])
def test_any_state_has_a_report(tmp_path: Path, outcome: Any, n: int) -> None:
    """A sweep without results, with failures alone or with one candidate has a page that says so."""
    page, _, report = page_of(_store(tmp_path, outcome, n), tmp_path / "out")
    assert {"summary", "failures", "provenance"} <= set(page.sections)
    assert report.n_bytes == report.file.stat().st_size
    if "leaderboard" not in page.sections:
        assert "No task has a score yet." in page.text


def test_wrong_names_are_told(tmp_path: Path) -> None:
    """A parameter, a format or a place that is not there is named, with what there is."""
    results = _store(tmp_path, lambda of, on: scored(cv={"accuracy": 0.5}))
    with pytest.raises(NotFound, match='varies both of "C, gama"; parameters that vary: C'):
        results.report(tmp_path / "out", heatmaps=[("C", "gama")])
    with pytest.raises(UserError, match='written as "pdf"; formats: png, svg'):
        results.report(tmp_path / "out", plots=["pdf"])
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(UserError, match=r"notes.txt is a file and no .html"):
        results.report(tmp_path / "notes.txt")
    with pytest.raises(UserError, match="cannot be written"):
        results.report(tmp_path / "notes.txt" / "out.html")
    assert not (tmp_path / "out").exists()


def test_missing_matplotlib_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without matplotlib the error names the extra, before anything is read or written."""
    import sys

    from manyfit.model.errors import MissingExtra

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"pip install 'manyfit\[plots\]'"):
        _store(tmp_path, None).report(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that cannot be finished leaves the one before it as it was, and nothing beside it."""
    results = _store(tmp_path, lambda of, on: scored(cv={"accuracy": 0.5}))
    before = results.report(tmp_path / "out").file.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="No space left"):
        results.report(tmp_path / "out")
    monkeypatch.undo()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
    assert (tmp_path / "out" / "report.html").read_bytes() == before


@pytest.mark.slow
def test_a_large_sweep_has_a_small_report(tmp_path: Path) -> None:
    """Ten thousand results are a page below 5 MB."""
    people = [candidate("svc", C=0.001 * 1.002**i, gamma=i % 13, kernel="abc"[i % 3]) for i in range(2500)]
    store = new_store(tmp_path, segment(people, cells(4), unit_size=2500))
    run(store, lambda of, on: scored(cv={"accuracy": of.shown["gamma"] / 13}, train={"accuracy": 1.0}))
    made = Results(store).report(tmp_path / "out")
    assert made.n_bytes < 5_000_000
    assert made.seconds < 60
