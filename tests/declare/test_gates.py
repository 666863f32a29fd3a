"""Rules files of gates, and what is wrong with them."""

from pathlib import Path

import pytest

from manyfit.declare.gates import STARTER, load_gates
from manyfit.model.gates import ChampionGate, Gates, MetricGate, PairedTest, Regression

WHOLE = """
set = "test"
[[metrics]]
metric = "recall"
class = 3
at_least = 0.9
[[champion]]
metric = "f1_macro"
margin = 0.02
confidence = 0.9
by_group = true
[[champion]]
metric = "accuracy"
test = "mcnemar"
[latency]
rows = 10
p95_ms = 25
[size]
at_most = "5MB"
[schema]
names = ["a", "b"]
types = ["float", "int"]
[calibration]
ece_at_most = 0.05
"""


def read(tmp_path: Path, text: str) -> tuple[Gates | None, dict[str, str]]:
    path = tmp_path / "gates.toml"
    path.write_text(text, encoding="utf-8")
    gates, mistakes = load_gates(path)
    return gates, {mistake.key: mistake.message for mistake in mistakes}


def test_every_table_is_read(tmp_path: Path) -> None:
    """Values arrive in units of the program, classes as texts, and McNemar's test asks for what it can show."""
    gates, mistakes = read(tmp_path, WHOLE)
    assert not mistakes
    assert gates is not None
    assert gates.set == "test"
    assert gates.metrics == (MetricGate(key="metrics[0]", metric="recall", at_least=0.9, of_class="3"),)
    assert gates.champion[0] == ChampionGate(
        key="champion[0]", metric="f1_macro", margin=0.02, confidence=0.9, by_group=True
    )
    assert (gates.champion[1].test, gates.champion[1].regression) == (PairedTest.MCNEMAR, Regression.NOT_SHOWN)
    assert gates.latency is not None
    assert (gates.latency.rows, gates.latency.median_seconds, gates.latency.p95_seconds) == (10, None, 0.025)
    assert gates.size_bytes == 5_000_000
    assert gates.schema is not None
    assert gates.schema.types == ("float", "int")
    assert gates.calibration is not None
    assert (gates.calibration.ece_at_most, gates.calibration.bins) == (0.05, 15)


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("[[metrics]]\nmetric = 'accuracy'\nat_leest = 1", "metrics[0].at_leest", 'did you mean "at_least"'),
        ("[[metrics]]\nmetric = 'accuracy'\nclas = 1\nat_least = 1", "metrics[0].clas", 'did you mean "class"'),
        ("[[metrics]]\nat_least = 0.5", "metrics[0].metric", "is missing"),
        ("[[metrics]]\nmetric = 'accuracy'", "metrics[0]", "at_least or at_most"),
        ("[[metrics]]\nmetric = 'accuracy'\nat_least = 'high'", "metrics[0].at_least", "a number is wanted"),
        ("[[metrics]]\nmetric = 'mae'\nat_least = nan", "metrics[0].at_least", "a number is wanted"),
        ("[[metrics]]\nmetric = 'f1'\nat_least = 2\nat_most = 1", "metrics[0]", "nothing passes"),
        ("[[metrics]]\nmetric = 'f1'\nat_least = 1\nclass = 'a'\ngroup = 'b'", "metrics[0]", "two gates"),
        ("[[metrics]]\nmetric = 'f1'\nat_least = 1\nmin_rows = 3", "metrics[0]", "goes with group"),
        ("[[champion]]\nmetric = 'f1_macro'\ntest = 'mcnemar'", "champion[0]", "of accuracy"),
        ("[[champion]]\nmetric = 'accuracy'\ntest = 'mcnemar'\nmargin = 0.1", "champion[0]", "no margin"),
        (
            "[[champion]]\nmetric = 'accuracy'\ntest = 'mcnemar'\nregression = 'excluded'",
            "champion[0]",
            "not exclude",
        ),
        ("[[champion]]\nmetric = 'accuracy'\ntest = 'mcnemar'\nseed = 1", "champion[0]", "draws no rows"),
        ("[[champion]]\nmetric = 'accuracy'\nmargin = -0.1", "champion[0].margin", "negative"),
        ("[[champion]]\nmetric = 'accuracy'\nconfidence = 95", "champion[0].confidence", "0.95"),
        ("[[champion]]\nmetric = 'accuracy'\nresamples = 10", "champion[0].resamples", ">= 200"),
        ("[[champion]]\nmetric = 'accuracy'\ntest = 'bootstrp'", "champion[0].test", 'did you mean "bootstrap"'),
        ("[latency]\nrows = 2", "latency", "median_ms or p95_ms"),
        ("[latency]\np95_ms = 0", "latency.p95_ms", "above 0"),
        ("[size]\nat_most = '5 quux'", "size.at_most", "5MiB"),
        ("[schema]\nchampion = false", "schema", "asks for nothing"),
        ("[schema]\nnames = ['a']\ntypes = ['flot']", "schema.types[0]", 'did you mean "float"'),
        ("[schema]\nnames = ['a']\ntypes = ['int', 'int']", "schema", "1 names and 2 types"),
        ("[schema]\nname = ['a']", "schema.name", 'did you mean "names"'),
        ("[calibration]\nbins = 3", "calibration", "ece_at_most or brier_at_most"),
        ("sett = 'test'\n[size]\nat_most = 1", "sett", 'did you mean "set"'),
        ("", "file", "has no gates"),
        ("[size\n", "line 1, column 6", "TOML"),
    ],
)
def test_mistakes_name_the_key_and_what_is_right(tmp_path: Path, text: str, key: str, message: str) -> None:
    """Each mistake stands at its key, with what was found and what is wanted."""
    gates, mistakes = read(tmp_path, text)
    assert gates is None
    assert message in mistakes[key]


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """A file with three mistakes in three tables has three messages."""
    text = "[[metrics]]\nmetric = 'f1'\n[latency]\nrows = 0\np95_ms = 1\n[size]\nat_most = 'x'"
    assert set(read(tmp_path, text)[1]) == {"metrics[0]", "latency.rows", "size.at_most"}


def test_the_starter_is_right_with_and_without_its_comments(tmp_path: Path) -> None:
    """What `--init` writes can be read, and so can all that it shows in comments."""
    assert not read(tmp_path, STARTER)[1]
    lines = STARTER.splitlines()
    shown = [line[2:] if line.startswith("# ") and ("=" in line or "[" in line) else line for line in lines[2:]]
    gates, mistakes = read(tmp_path, "\n".join(line for line in shown if not line.startswith("Every")))
    assert not mistakes
    assert gates is not None
    assert gates.need_champion
    assert gates.latency is not None
    assert gates.calibration is not None
