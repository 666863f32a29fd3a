"""The command `report`, as people and programs give it."""

import json
from pathlib import Path
from typing import Any

import pytest

from manyfit.cli.documents import JSON_KEYS
from manyfit.cli.main import main


@pytest.mark.slow
def test_report_says_what_it_wrote_and_where(finished: Any, tmp_path: Path) -> None:
    """For people in lines of 80 columns; the file is complete and has the best candidate in it."""
    said = finished("report", "sweep.toml", "--to", str(tmp_path / "flowers.html"), "--no-refit")
    first, *rest = said.out.splitlines()
    assert first.startswith(f"wrote {tmp_path}/flowers.html (")
    assert [line.split(":")[0] for line in rest] == ["predictions missing", "predictions missing"]
    text = (tmp_path / "flowers.html").read_text()
    assert text.endswith("</html>\n")
    assert "flowers" in text
    assert said.err == ""


@pytest.mark.slow
def test_report_for_programs(finished: Any, tmp_path: Path) -> None:
    """With --json one document names all files; asked for heat maps are the only ones."""
    arguments = (
        "report",
        "sweep.toml",
        "--to",
        str(tmp_path),
        "--plots",
        "svg",
        "--heatmap",
        "kernel,C",
        "--json",
    )
    found = finished(*arguments, "--no-refit").json
    assert list(found) == list(JSON_KEYS["report"])
    assert found["file"] == str(tmp_path / "report.html")
    assert found["n_bytes"] == (tmp_path / "report.html").stat().st_size
    assert set(found["predictions"].values()) == {"missing"}
    names = [Path(path).name for path in found["plots"]]
    assert sorted(names) == sorted(path.name for path in (tmp_path / "plots").iterdir())
    assert [name for name in names if name.startswith("heatmap")] == ["heatmap-1.svg"]


def test_wrong_words_are_told(finished: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A heat map of one name, an unknown format and an unknown metric end with exit code 2 and what is right."""
    to = ("--to", str(tmp_path / "out"))
    for wrong, message in (
        (("--heatmap", "C"), "no pair of parameters; write two names: --heatmap C,gamma"),
        (("--plots", "pdf"), 'plots cannot be written as "pdf"; formats: png, svg'),
        (("--metric", "acuracy"), 'did you mean "accuracy"'),
        (("--split", "thirds"), 'no result has the split "thirds"'),
    ):
        said = finished("report", "sweep.toml", *to, *wrong, check=2)
        assert message in " ".join(said.err.split())
    code = main(["report", "nowhere.toml", "--json"])
    assert code == 2
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "NotFound"
    assert not (tmp_path / "out").exists()
