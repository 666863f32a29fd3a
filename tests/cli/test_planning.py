"""Commands before anything runs: init, plan, submit, and mistakes."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.calls import N_TASKS, SWEEP

from manyfit.cli.documents import JSON_KEYS


def write(text: str, name: str = "sweep.toml") -> None:
    Path(name).write_text(text)


def test_init_writes_a_sweep_that_can_be_planned(here: Any) -> None:
    """The first three commands of a beginner work as they stand."""
    assert here("init").out.endswith("next: manyfit plan sweep.toml\n")
    said = here("plan", "sweep.toml")
    assert said.out.startswith("digits: ")
    assert said.out.endswith("next: manyfit run sweep.toml\n")
    assert not Path("digits.sweep").exists()


def test_init_does_not_replace_a_file(here: Any) -> None:
    """A sweep that somebody wrote is not lost by a repeated init."""
    write("mine")
    assert "--force" in here("init", check=2).err
    assert Path("sweep.toml").read_text() == "mine"
    here("init", "--force")
    assert Path("sweep.toml").read_text() != "mine"


def test_init_guesses_the_columns_of_a_table(here: Any) -> None:
    """Target, group, ids, gaps and kind of problem are seen in the table, told, and planned without a mistake."""
    rows = [f"{i},{i % 7}.5,{'' if i == 3 else i % 5},g{i % 4},{'ab'[i % 2]}" for i in range(40)]
    write("id,width,height,speaker,label\n" + "\n".join(rows), "voices.csv")
    facts = here("init", "voices.csv", "--json").json
    assert facts == {
        "file": "sweep.toml",
        "name": "voices",
        "source": "voices.csv",
        "target": "label",
        "group": "speaker",
        "encoded": [],
        "problem": "classification",
    }
    text = Path("sweep.toml").read_text()
    assert '"SimpleImputer", ' in text
    assert 'exclude = ["id"]' in text
    assert 'kind = "group", n = 4' in text
    here("plan", "sweep.toml")


def test_init_makes_features_of_texts(here: Any) -> None:
    """Texts with few values become columns; those with many are named, and left out."""
    rows = [f"{i % 7}.5,{'red' if i % 3 else 'blue'},note {i},{'ab'[i % 2]}" for i in range(40)]
    write("width,colour,remark,label\n" + "\n".join(rows), "things.csv")
    said = here("init", "things.csv").out
    assert "texts that become a column for each value: colour" in said
    assert "texts with too many values to be features: remark" in said
    assert 'onehot = ["colour"]' in Path("sweep.toml").read_text()
    planned = " ".join(here("plan", "sweep.toml").out.split())
    assert '"remark (text)"' in planned
    assert "colour (text)" not in planned


def test_init_sees_a_regression(here: Any) -> None:
    """A target of fractions is predicted as a quantity, by regressors."""
    write("a,b,y\n" + "\n".join(f"{i},{i * i % 11},{i * 0.5 + 0.1}" for i in range(40)), "t.csv")
    assert here("init", "t.csv", "--json").json["problem"] == "regression"
    here("plan", "sweep.toml")


def test_init_knows_what_scikit_learn_has(here: Any) -> None:
    """A misspelt data set gets a suggestion."""
    assert 'did you mean "digits"' in here("init", "sklearn:digit", check=2).err


def test_plan_shows_what_would_run(here: Any) -> None:
    """Tasks of each pipeline and the first tasks are shown within 80 columns; nothing is written."""
    write(SWEEP)
    said = here("plan", "sweep.toml")
    assert f"flowers: {N_TASKS} tasks" in said.out
    assert "first tasks" in said.out
    assert max(map(len, said.out.splitlines())) <= 80
    assert [path.name for path in Path().iterdir()] == ["sweep.toml"]


def test_plan_json(here: Any) -> None:
    """A program gets exactly the documented facts, and says what is new once there is a store."""
    write(SWEEP)
    facts = here("plan", "sweep.toml", "--json").json
    assert list(facts) == list(JSON_KEYS["plan"])
    assert facts["n_tasks"] == N_TASKS
    assert facts["difference"] is None
    assert {row["pipeline"]: row["n_tasks"] for row in facts["pipelines"]} == {"svc": 12, "knn": 6}


def test_lines_about_what_comes_next_fit_the_terminal(here: Any) -> None:
    """Also when there is nothing left to submit."""
    write(SWEEP)
    said = here("submit", "sweep.toml").out + here("plan", "sweep.toml").out
    assert "nothing to submit" in said
    assert max(map(len, said.splitlines())) <= 80


def test_plan_with_filters(here: Any) -> None:
    """Filters after --only and beside it all count."""
    write(SWEEP)
    facts = here("plan", "sweep.toml", "--only", "kernel=linear", "pipeline=svc", "--json").json
    assert facts["n_tasks"] == 6
    assert here("plan", "sweep.toml", "kernel=lnear", check=2).err.startswith(
        "manyfit: kernel=lnear matches no task"
    )


def test_estimators_beside_the_sweep_file_are_found(here: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the folder of the sweep file is found from any folder, whatever the data is."""
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    Path("apart").mkdir()
    write("from sklearn.dummy import DummyClassifier as Own\n", "apart/own_beside_the_file.py")
    write(
        SWEEP.replace('["KNeighborsClassifier"]', '["own_beside_the_file:Own"]')
        .replace("n_neighbors", "strategy")
        .replace("[1, 5]", '["prior"]'),
        "apart/sweep.toml",
    )
    assert here("plan", "apart/sweep.toml", "--only", "pipeline=knn", "--json").json["n_candidates"] == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [("raise SystemExit(3)", "SystemExit: 3"), ("return {'a': [object()] * 4, 'target': [0, 1] * 2}", '"a"')],
)
def test_a_data_function_that_fails_is_a_mistake(here: Any, body: str, said: str) -> None:
    """Leaving the program and returning what is no table are mistakes in the sweep, with exit code 2."""
    module = f"own_data_{len(said)}"
    write(f"def table():\n    print('hello')\n    {body}\n", f"{module}.py")
    write(SWEEP.replace("sklearn:iris", f"{module}:table"))
    (mistake,) = here("plan", "sweep.toml", "--json", check=2).json["error"]["mistakes"]
    assert said in mistake["message"]


@pytest.mark.parametrize("command", ["plan", "submit", "run"])
def test_an_interrupted_data_function_ends_with_a_document(here: Any, command: str) -> None:
    """Ctrl-C while data is made is an error in JSON with exit code 130, whatever the command."""
    write("def table():\n    raise KeyboardInterrupt\n", "own_interrupted.py")
    write(SWEEP.replace("sklearn:iris", "own_interrupted:table"))
    said = here(command, "sweep.toml", "--json", check=130)
    assert said.json["error"]["kind"] == "Interrupted"


def test_what_own_code_prints_is_not_in_the_output(here: Any) -> None:
    """With --json stdout is JSON, whatever a data function or a module prints."""
    write(
        "print('imported')\ndef table():\n    print('called')\n    return {'a': range(20), 'target': [0, 1] * 10}",
        "own_loud.py",
    )
    write(SWEEP.replace("sklearn:iris", "own_loud:table"))
    said = here("plan", "sweep.toml", "--json")
    assert said.json["n_tasks"] == N_TASKS
    assert "called" in said.err


def test_three_mistakes_are_shown_at_once(here: Any) -> None:
    """Every mistake is listed with its key and what would be right; nothing is queued; the exit code is 2."""
    wrong = SWEEP.replace("kernel =", "kernal =").replace("folds = 2", "folds = 1")
    write(wrong.replace('["accuracy", "f1_macro"]', '["accuracy", "f1_makro"]'))
    said = here("plan", "sweep.toml", check=2)
    lines = said.err.splitlines()
    assert lines[0].startswith("sweep.toml has ")
    assert lines[-1] == "nothing was queued"
    assert said.out == ""
    here("submit", "sweep.toml", check=2)
    here("run", "sweep.toml", check=2)
    assert not Path("flowers.sweep").exists()


def test_mistakes_in_json(here: Any) -> None:
    """With --json the mistakes are on stdout as values."""
    write(SWEEP.replace("kernel =", "kernal ="))
    error = here("plan", "sweep.toml", "--json", check=2).json["error"]
    assert error["kind"] == "SweepMistakes"
    assert "kernal" in error["mistakes"][0]["key"]


def test_submit_queues_once(here: Any) -> None:
    """Tasks are queued without workers; the same again changes nothing."""
    write(SWEEP)
    facts = here("submit", "sweep.toml", "--json").json
    assert list(facts) == list(JSON_KEYS["submit"])
    assert facts["submitted"] == N_TASKS
    assert here("submit", "sweep.toml", "--json").json["submitted"] == 0
    assert "nothing changed" in here("submit", "sweep.toml").out
    assert here("status", "flowers", "--json").json["counts"]["pending"] == N_TASKS


def test_plan_shows_the_difference_to_the_store(here: Any) -> None:
    """After an edit the plan says what is new, what stays and what leaves."""
    write(SWEEP)
    here("submit", "sweep.toml")
    assert "nothing changes" in here("plan", "sweep.toml").out
    write(SWEEP.replace("n_neighbors = [1, 5]", "n_neighbors = [5, 9]"))
    change = here("plan", "sweep.toml", "--json").json["difference"]
    assert (change["new"], change["kept"], change["removed"]) == (3, 15, 3)
    text = here("plan", "sweep.toml").out
    assert "  new       3  will run" in text
    write(SWEEP.replace('"f1_macro"]', '"f1_macro", "balanced_accuracy"]'))
    change = here("plan", "sweep.toml", "--json").json["difference"]
    assert change["lacking_metrics"] == ["balanced_accuracy"]
    assert change["run_again"] == N_TASKS


def test_a_missing_file_is_named(here: Any) -> None:
    """A sweep file that is not there gets a message that names it."""
    assert "there is no sweep file nothing.toml" in here("plan", "nothing.toml", check=2).err


@pytest.mark.parametrize("command", ["status", "results", "failures", "watch", "pause", "logs", "warnings"])
def test_commands_on_a_sweep_that_was_not_submitted(here: Any, command: str) -> None:
    """A command that needs a store says how to get one."""
    write(SWEEP)
    assert "next: manyfit run sweep.toml" in here(command, "sweep.toml", check=2).err.replace("\n ", "")
    error = json.loads(here(command, "flowers", "--json", check=2).out)["error"]
    assert error["kind"] == "NotFound"


FUSED = """
name = "fused"
data = "sklearn:digits"
splits = { cv = { folds = 3 } }
[pipelines.trees]
steps = ["StandardScaler", "RandomForestClassifier"]
grid = { n_estimators = [20, 40, 80, 160], max_features = [0.2, 0.4] }
[pipelines.threads]
steps = ["RandomForestClassifier"]
grid = { n_estimators = [20, 40], n_jobs = [2] }
[pipelines.logistic]
steps = ["StandardScaler", "LogisticRegression"]
grid = { C = [0.1, 1] }
[workers]
count = 2
"""


def test_plan_explains_what_is_fused(here: Any) -> None:
    """Rule, guarantee, both predictions, what is shared, and the reason where nothing is; in 80 columns."""
    write(FUSED)
    said = here("plan", "sweep.toml", "--explain").out
    assert max(map(len, said.splitlines())) <= 80
    assert re.search(r"^fused: .* alone, .* together$", said, re.MULTILINE)
    assert re.search(r"^trees +forests +8 +24 .* exact$", said, re.MULTILINE)
    assert re.search(r"^  RandomForestClassifier: shares \w+", said, re.MULTILINE)
    assert re.search(r"^trees +shared-steps +8 +24 .* exact$", said, re.MULTILINE)
    assert "3 fits of them instead of 24" in said
    assert "RandomForestClassifier: alone, n_jobs=2" in said
    assert re.search(r"^logistic +- +2 +6 ", said, re.MULTILINE)


def test_plan_says_in_one_line_what_fusion_saves(here: Any) -> None:
    """Without --explain there is no table; the prediction is that of fused tasks."""
    write(FUSED)
    said = here("plan", "sweep.toml").out
    assert "fused: " in said
    assert "what is fused" not in said
    facts = here("plan", "sweep.toml", "--json").json
    assert facts["cost_seconds"] < 0.7 * facts["alone_seconds"]
    rows = {(row["pipeline"], row["rule"]): row for row in facts["fusion"]}
    assert rows["trees", "forests"]["guarantee"] == "exact"
    assert rows["trees", "forests"]["seconds"] < 0.6 * rows["trees", "forests"]["alone_seconds"]
    assert rows["threads", ""]["reason"].startswith("n_jobs=2")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("fuse = false", 'nothing is fused: the sweep says "fuse = false"'),
        ('[keep]\nmodels = "all"', "kept model"),
    ],
)
def test_plan_says_why_nothing_is_fused(here: Any, more: str, why: str) -> None:
    """Switched off, or because every model is kept: the prediction is that of tasks alone."""
    write(f"{more}\n{FUSED}" if more.startswith("fuse") else f"{FUSED}\n{more}\n")
    assert why in " ".join(here("plan", "sweep.toml", "--explain").out.split())
    facts = here("plan", "sweep.toml", "--json").json
    assert facts["cost_seconds"] == facts["alone_seconds"]
    assert facts["fusion"] == []


def test_an_unknown_rule_is_a_mistake(here: Any) -> None:
    """With a suggestion, beside every other mistake; a rule that needs no asking may be named as well."""
    write('fuse = ["forests", "forrests"]\n' + FUSED.replace("max_features", "max_featurs"))
    found = here("plan", "sweep.toml", "--json", check=2).json["error"]["mistakes"]
    keys = {mistake["key"]: mistake["message"] for mistake in found}
    assert 'no rule "forrests"; did you mean "forests"?' in keys["fuse[1]"]
    assert set(keys) == {"fuse[1]", "pipelines.trees.grid.max_featurs"}
    write('fuse = ["forests"]\n' + FUSED)
    assert here("plan", "sweep.toml", "--json").json["fusion"]


def test_another_fuse_is_no_other_task(here: Any) -> None:
    """What is fused is how tasks are run, not what they are: a store has all of them."""
    write(FUSED)
    here("submit", "sweep.toml")
    write("fuse = false\n" + FUSED)
    change = here("plan", "sweep.toml", "--json").json["difference"]
    assert (change["new"], change["removed"], change["kept"]) == (0, 0, 36)
