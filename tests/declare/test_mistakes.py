"""Every mistake of a sweep file is reported at once, with its place and what would be right."""

import textwrap

import pytest

from manyfit.declare import from_mapping, load


def mistakes_in(**changes):
    """Return the mistakes of a small sweep with changes, as key and message."""
    mapping = {"name": "s", "data": "sklearn:iris", "pipelines": {"p": {"steps": ["SVC"]}}, **changes}
    spec, mistakes = from_mapping(mapping, file="f.toml")
    assert (spec is None) == bool(mistakes)
    assert all(mistake.file == "f.toml" for mistake in mistakes)
    return {mistake.key: mistake.message for mistake in mistakes}


def test_all_mistakes_come_at_once(tmp_path):
    """Mistakes in different tables are all in one list, with their keys in file order."""
    path = tmp_path / "s.toml"
    path.write_text(
        textwrap.dedent("""
        seeds = [1, 2, 1]
        metrcs = ["accuracy"]
        [data]
        source = "a.csv"
        taget = "x"
        [splits.A]
        test = 1.5
        folds = 1
        [pipelines.svc]
        steps = ["SVC", {name = "x"}]
        grid = [{ C = [] }, { kernel = ["rbf"] }]
        space = { gamma = { loguniform = [0, 1] }, degree = { itn = [1, 2] } }
        [limits]
        time = "soon"
        """)
    )
    spec, mistakes = load(path)
    assert spec is None
    assert sorted(mistake.key for mistake in mistakes) == sorted(
        [
            "seeds[2]",
            "metrcs",
            "data.taget",
            "splits.A.test",
            "splits.A.folds.n",
            "pipelines.svc.steps[1]",
            "pipelines.svc.grid[0].C",
            "pipelines.svc.space.gamma",
            "pipelines.svc.space.degree",
            "limits.time",
        ]
    )
    texts = {mistake.key: mistake.message for mistake in mistakes}
    assert 'did you mean "metrics"?' in texts["metrcs"]
    assert 'did you mean "target"?' in texts["data.taget"]
    assert 'did you mean "int"?' in texts["pipelines.svc.space.degree"]
    assert {mistake.file for mistake in mistakes} == {str(path)}


def test_toml_syntax_has_line_and_column(tmp_path):
    """A file that is no TOML is one mistake with its place."""
    path = tmp_path / "s.toml"
    path.write_text('name = "s"\nseeds = [1,, 2]\n')
    _, (mistake,) = load(path)
    assert mistake.key == "line 2, column 12"
    assert "TOML" in mistake.message


@pytest.mark.parametrize(
    ("text", "key"),
    [("name: s\ndata: [1\n", "line 3, column 1"), ("name: a\nname: b\n", "line 2, column 1"), ("- 1\n", "file")],
)
def test_yaml_syntax_has_line_and_column(tmp_path, text, key):
    """A file that is no YAML, a key that stands twice, and a file that is no table."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    _, (mistake,) = load(path)
    assert mistake.key == key


def test_missing_file_and_unknown_suffix(tmp_path):
    """A file that is not there or not readable is one mistake."""
    assert "no file" in load(tmp_path / "s.toml")[1][0].message
    assert ".yaml" in load(tmp_path / "s.ini")[1][0].message


@pytest.mark.parametrize(
    ("changes", "key", "part"),
    [
        ({"name": "a b"}, "name", "no name"),
        ({"name": ".."}, "name", "no name"),
        ({"name": 3}, "name", "3 is an integer"),
        ({"splits": {"a/b": {"test": 0.2}}}, "splits.a/b", "no name"),
        ({"pipelines": {"a b": {"steps": ["SVC"]}}}, "pipelines.a b", "no name"),
        ({"pipelines": {}}, "pipelines", "no pipeline"),
        ({"pipelines": 3}, "pipelines", "table is wanted"),
        ({"pipelines": {"p": {}}}, "pipelines.p.steps", "missing"),
        ({"pipelines": {"p": {"steps": []}}}, "pipelines.p.steps", "empty list"),
        ({"pipelines": {"p": {"steps": ["SVC"], "stps": 1}}}, "pipelines.p.stps", 'did you mean "steps"?'),
        ({"pipelines": {"p": {"steps": [{"use": "A", "name": "a__b"}]}}}, "pipelines.p.steps[0].name", "__"),
        (
            {"pipelines": {"p": {"steps": [{"use": "A", "name": "x"}, {"use": "B", "name": "x"}]}}},
            "pipelines.p.steps[1].name",
            "two steps",
        ),
        ({"pipelines": {"p": {"steps": ["SVC"], "draws": 3}}}, "pipelines.p.draws", "need a space"),
        ({"pipelines": {"p": {"steps": ["SVC"], "space": {"C": [1]}}}}, "pipelines.p.space", "draws = ..."),
        ({"pipelines": {"p": {"steps": ["SVC"], "grid": {"C": [float("inf")]}}}}, "pipelines.p.grid.C", "finite"),
        ({"pipelines": {"p": {"steps": ["SVC"], "grid": {"C": object()}}}}, "pipelines.p.grid.C", "cannot store"),
        ({"pipelines": {"p": {"steps": ["SVC"], "grid": []}}}, "pipelines.p.grid", "empty list"),
        (
            {"pipelines": {"p": {"steps": ["SVC"], "draws": 1, "space": {"C": {"int": [1, 2.5]}}}}},
            "pipelines.p.space.C",
            "two integers",
        ),
        (
            {"pipelines": {"p": {"steps": ["SVC"], "draws": 1, "space": {"C": {"uniform": [2, 1]}}}}},
            "pipelines.p.space.C",
            "low is below high",
        ),
        (
            {"pipelines": {"p": {"steps": ["SVC"], "draws": 1, "space": {"C": {"uniform": [2, 1], "int": 1}}}}},
            "pipelines.p.space.C",
            "2 keys",
        ),
        ({"fuse": 1}, "fuse", "1 is an integer; true, false or a list of rules is wanted"),
        ({"fuse": []}, "fuse", "is empty; write true for the rules that keep every score, false for none"),
        ({"fuse": ["a", 2]}, "fuse[1]", "2 is an integer"),
        ({"fuse": ["a", "a"]}, "fuse[1]", "more than once"),
        ({"seeds": []}, "seeds", "empty list"),
        ({"seeds": [0, -1]}, "seeds[1]", "too small"),
        ({"seeds": [2**32]}, "seeds[0]", "too large"),
        ({"seeds": [True]}, "seeds[0]", "true is a truth value"),
        ({"metrics": []}, "metrics", "empty list"),
        ({"metrics": ["a", "a"]}, "metrics[1]", "more than once"),
        ({"priority": "hihg"}, "priority", 'did you mean "high"?'),
        ({"limits": {"memory": "2 elephants"}}, "limits.memory", '"2 elephants" is no amount of memory'),
        ({"limits": {"time": 0}}, "limits.time", "above 0"),
        ({"limits": {"attempts": 0}}, "limits.attempts", ">= 1"),
        ({"keep": {"models": "best:0"}}, "keep.models", "best:3"),
        ({"keep": {"predictions": "some"}}, "keep.predictions", '"some" is a text'),
        ({"workers": {"count": 0}}, "workers.count", ">= 1"),
        ({"score_train": 1}, "score_train", "true or false"),
        ({"data": {"source": "a.csv", "metadata": "b.csv"}}, "data.metadata", "index"),
        ({"data": {"source": "a.csv", "grid": {"n": [1]}}}, "data.grid", "no arguments"),
        ({"data": {"source": "sklearn:iris", "grid": {"n": [1]}}}, "data.grid", "no arguments"),
        ({"data": {"source": "a.csv", "problem": "regresion"}}, "data.problem", 'did you mean "regression"?'),
        ({"data": {"source": "a.csv", "labels": {"0": "x", "1": "x"}}}, "data.labels.1", "another class"),
        (
            {"data": {"source": "a.csv", "categories": {"a": ["x"], "b": ["y", "x"]}}},
            "data.categories.b[1]",
            'in category "a" already',
        ),
        ({"data": {"source": "a.csv", "categories": {"a": []}}}, "data.categories.a", "empty list"),
        ({"data": {}}, "data.source", "missing"),
        ({"features": {"a": {"inclde": ["x"]}}}, "features.a.inclde", 'did you mean "include"?'),
        ({"features": {"a": {"include": []}}}, "features.a.include", "empty list"),
        ({"features": {}}, "features", "empty table"),
        ({"splits": {}}, "splits", "no split"),
        ({"splits": {"a": {}}}, "splits.a", "no rows to select"),
        ({"splits": {"a": {"kind": "filtr"}}}, "splits.a.kind", 'did you mean "filter"?'),
        ({"splits": {"a": {"train": "x > 1"}}}, "splits.a", "scores nothing"),
        ({"splits": {"a": {"kind": "all"}}}, "splits.a", "folds = 5"),
        ({"splits": {"a": {"kind": "all", "test": "x"}}}, "splits.a.test", "no evaluation sets"),
        ({"splits": {"a": {"kind": "random"}}}, "splits.a", "no evaluation set"),
        ({"splits": {"a": {"kind": "random", "test": "x"}}}, "splits.a.test", "fraction"),
        ({"splits": {"a": {"kind": "random", "test": 0.2, "train": "x"}}}, "splits.a.train", "leave train out"),
        ({"splits": {"a": {"validate": 0.6, "test": 0.4}}}, "splits.a.test", "sum to 1"),
        ({"splits": {"a": {"kind": "groups", "test": []}}}, "splits.a.test", "empty list"),
        ({"splits": {"a": {"kind": "groups", "test": ["g", "g"]}}}, "splits.a.test", "twice"),
        ({"splits": {"a": {"kind": "column"}}}, "splits.a", 'column = "..."'),
        ({"splits": {"a": {"test": "x > 1", "flods": 5}}}, "splits.a.flods", 'did you mean "folds"?'),
        ({"splits": {"a": {"trian": "x > 1", "test": "x < 1"}}}, "splits.a.trian", 'did you mean "train"?'),
        ({"splits": {"a": {"test": "x > 1", "cv": "x > 2"}}}, "splits.a.cv", "manyfit makes itself"),
        ({"splits": {"a": {"test": "x > 1", "validation": False}}}, "splits.a.validation", "nothing to score"),
        ({"splits": {"a": {"folds": {"n": 5, "knd": "x"}}}}, "splits.a.folds.knd", 'did you mean "kind"?'),
        ({"splits": {"a": {"folds": {"n": 5, "kind": "grup"}}}}, "splits.a.folds.kind", 'did you mean "group"?'),
        (
            {"splits": {"a": {"folds": {"kind": "time", "n": 5, "shuffle": True}}}},
            "splits.a.folds.shuffle",
            "time",
        ),
        ({"splits": {"a": 1}}, "splits.a.folds.n", ">= 2"),
        ({"splits": {"a": "x > 1"}}, "splits.a", "table is wanted"),
        ({"prepare": {"grid": {"x": [1]}}}, "prepare.steps", "missing"),
        ({"nam": "x"}, "nam", 'did you mean "name"?'),
        ({"priority": 2_000_000}, "priority", "between -1000000 and 1000000"),
        ({"priority": ["high"]}, "priority", "or an integer"),
        ({"tenant": "lab a"}, "tenant", "no name"),
        ({"store": "postgersql://h/db"}, "store", 'did you mean "postgresql"?'),
        ({"store": "mysql://h/db"}, "store", "a path, sqlite:///FILE.db or postgresql://USER@HOST/DATABASE"),
        ({"store": "sqlite:f.db"}, "store", "write sqlite:///FILE.db"),
        ({"store": "postgresql://host"}, "store", "names no database"),
        ({"store": "postgresql://[::1/db"}, "store", "no URL"),
        ({"concurrency": {"sweep": 0}}, "concurrency.sweep", ">= 1"),
        ({"concurrency": {"swep": 1}}, "concurrency.swep", 'did you mean "sweep"?'),
        ({"concurrency": {"tenant": 4}}, "concurrency.tenant", 'tenant = "..."'),
        ({"concurrency": {"pipelines": {"p": True}}}, "concurrency.pipelines.p", "truth value"),
        ({"concurrency": {"pipelines": 2}}, "concurrency.pipelines", "{ svc = 2 }"),
        ({"concurrency": {"pipelines": {"q": 2}}}, "concurrency.pipelines.q", 'no pipeline "q"'),
        ({"needs": {"cors": 2}}, "needs.cors", 'did you mean "cores"?'),
        ({"splits": {"s": {"test": 0.2, "gap": 3}}}, "splits.s.gap", "needs the order of time"),
        ({"splits": {"s": {"kind": "time", "test": 0.2, "gap": -1}}}, "splits.s.gap", "a number of rows >= 0"),
        ({"needs": {"cores": -1}}, "needs.cores", ">= 0"),
        ({"needs": {"memory": "16 pigs"}}, "needs.memory", '"16 pigs" is no amount of memory'),
        ({"needs": {"labels": ["big disk"]}}, "needs.labels[0]", "is no label"),
        ({"needs": {"hosts": [3]}}, "needs.hosts[0]", "3 is an integer"),
        ({"needs": {"gpus": 0, "gpu_memory": "1GiB"}}, "needs.gpu_memory", "leave one of the two out"),
        (
            {"pipelines": {"p": {"steps": ["SVC"], "needs": {"gpu": 1}}}},
            "pipelines.p.needs.gpu",
            'did you mean "gpus"?',
        ),
        ({"limits": {"memory_cap": "1GiB"}}, "limits.memory_cap", "needs memory = ..."),
        ({"limits": {"memory": "2GiB", "memory_cap": "1GiB"}}, "limits.memory_cap", "below memory"),
        ({"limits": {"memory": "2GiB", "memory_cap": "none"}}, "limits.memory_cap", "four times memory"),
        ({"retention": {"completd": "90d"}}, "retention.completd", 'did you mean "completed"?'),
        ({"retention": {"logs": "a while"}}, "retention.logs", 'or "never"'),
    ],
)
def test_one_mistake(changes, key, part):
    """One mistake gives one message, at its key, with what is allowed."""
    found = mistakes_in(**changes)
    assert list(found) == [key]
    assert part in found[key]


def test_a_name_that_no_file_can_have_is_refused():
    """Names become names of folders and files, which have a limit."""
    assert mistakes_in(name="a" * 101) == {"name": "has 101 characters; a name has at most 100"}
    assert mistakes_in(name="a" * 100) == {}


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hush-hush@host/db",
        "postgres://me:hush/hush@host/db",
        "postgresql://me:hush#hush@host/db",
        "postgresql://host/db?user=me&password=hush-hush",
        "postgresql://:hush-hush@host/db",
    ],
)
def test_a_password_in_the_store_is_refused_and_never_shown(url):
    """The file is copied to where many can read it; the message says where a password belongs."""
    found = mistakes_in(store=url)
    assert list(found) == ["store"]
    assert "~/.pgpass" in found["store"]
    assert "PGPASSWORD" in found["store"]
    assert "hush" not in found["store"]


def test_pipelines_that_do_not_exist_are_found_beside_all_other_mistakes():
    """What two tables say against each other is told together with what is wrong inside of others."""
    found = mistakes_in(
        concurrency={"sweep": 0, "pipelines": {"pp": 1}}, needs={"cores": "many"}, retention={"failed": "soon"}
    )
    assert list(found) == ["concurrency.sweep", "needs.cores", "retention.failed", "concurrency.pipelines.pp"]
    assert 'did you mean "p"?' in found["concurrency.pipelines.pp"]
