"""Sweep files as people write them become complete sweeps."""

import textwrap

import pytest

from manyfit.declare import from_mapping, load
from manyfit.model.sweep import (
    DataSpec,
    Distribution,
    FeatureSet,
    FoldKind,
    Folds,
    FuseSpec,
    Keep,
    Limits,
    Models,
    Retention,
    Split,
    SplitKind,
    StepSpec,
    WorkersSpec,
)
from manyfit.model.terms import Concurrency, Needs

WHOLE = """
name     = "vowels"
rank_by  = "f1_macro"
metrics  = ["accuracy", "f1_macro", "roc_auc_ovr"]
seeds    = [0, 1]
priority = "high"

[data]
source   = "features.csv"
metadata = "runs.csv"
index    = "Run"
target   = "Condition"
group    = "speaker"
[data.labels]
"0" = "hid"
[data.categories]
arc = ["arc_series", "arc_parallel"]

[features]
realistic = { exclude = ["oracle_*"] }
oracle    = { include = ["*"] }

[splits.A1]
train    = "Condition IN ('A', 'B') AND Run <= 10"
validate = "Condition IN ('A', 'B') AND Run BETWEEN 11 AND 14"
folds    = 5
[splits.held_out_speakers]
kind  = "groups"
test  = ["s13", "s14", "s15"]
folds = { kind = "group", n = 5 }

[prepare]
steps = ["Decimate", "Amplitude"]
grid  = { decimate__factor = [1, 2, 4], amplitude__method = ["none", "zscore"] }

[pipelines.svc]
steps = ["StandardScaler", "SVC"]
grid  = [
  { kernel = ["linear"], C = [0.1, 1, 10] },
  { kernel = "rbf", C = [0.1, 1, 10], gamma = ["scale", 0.01, 0.1] },
]
[pipelines.rf]
steps = [{ use = "RandomForestClassifier", random_state = 0 }]
grid  = { n_estimators = [50, 100, 200], max_depth = ["None", 5] }
[pipelines.enet]
steps = ["StandardScaler", { use = "SGDClassifier", penalty = "elasticnet" }]
draws = 50
space = { alpha = { loguniform = [1e-6, 1e-1] }, l1_ratio = { uniform = [0, 1] }, average = [true, false] }

[limits]
time = "1h"
memory = "2GiB"
memory_cap = "6GiB"
attempts = 2
[keep]
models = "best:3"
predictions = "all"
[workers]
count = 2
threads = 1
"""


@pytest.fixture
def whole(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(WHOLE)
    spec, mistakes = load(path)
    assert mistakes == []
    return spec


def made(**changes):
    """Return a small sweep with changes."""
    mapping = {"name": "s", "data": "sklearn:iris", "pipelines": {"p": {"steps": ["SVC"]}}, **changes}
    spec, mistakes = from_mapping(mapping)
    assert mistakes == [], [str(mistake) for mistake in mistakes]
    return spec


def test_top_level_keys_are_read(whole):
    """Names, metrics, seeds and a priority by name."""
    assert (whole.name, whole.rank_by, whole.seeds, whole.priority) == ("vowels", "f1_macro", (0, 1), 20)
    assert whole.metrics == ("accuracy", "f1_macro", "roc_auc_ovr")


def test_data_table_is_read(whole):
    """Sources, roles, labels and categories."""
    assert whole.data == DataSpec(
        source="features.csv",
        metadata="runs.csv",
        index="Run",
        target="Condition",
        group="speaker",
        labels={"0": "hid"},
        categories={"arc": ("arc_series", "arc_parallel")},
    )


def test_feature_sets_are_named(whole):
    """Each table is a set; an include that is left out is everything."""
    assert whole.features == (
        FeatureSet(name="realistic", exclude=("oracle_*",)),
        FeatureSet(name="oracle", include=("*",)),
    )


def test_splits_with_and_without_kind(whole):
    """Texts are SQL conditions, lists with kind groups are held out; folds are a number or a table."""
    assert whole.splits == (
        Split(
            name="A1",
            kind=SplitKind.FILTER,
            train="Condition IN ('A', 'B') AND Run <= 10",
            sets={"validate": "Condition IN ('A', 'B') AND Run BETWEEN 11 AND 14"},
            folds=Folds(n=5, kind=FoldKind.STRATIFIED),
        ),
        Split(
            name="held_out_speakers",
            kind=SplitKind.GROUPS,
            sets={"test": ("s13", "s14", "s15")},
            folds=Folds(n=5, kind=FoldKind.GROUP),
        ),
    )


def test_pipelines_have_steps_grids_and_spaces(whole):
    """Scalars in a grid are lists of one, the text None is null, a bare list in a space is a choice."""
    svc, rf, enet = whole.pipelines
    assert [step.name for step in svc.steps] == ["standardscaler", "svc"]
    assert svc.grids[1] == {"kernel": ("rbf",), "C": (0.1, 1, 10), "gamma": ("scale", 0.01, 0.1)}
    assert rf.steps == (
        StepSpec(use="RandomForestClassifier", name="randomforestclassifier", params={"random_state": 0}),
    )
    assert rf.grids[0]["max_depth"] == (None, 5)
    assert enet.draws == 50
    assert enet.space == {
        "alpha": Distribution(kind="loguniform", args=(1e-6, 0.1)),
        "l1_ratio": Distribution(kind="uniform", args=(0.0, 1.0)),
        "average": Distribution(kind="choice", args=(True, False)),
    }


def test_limits_keep_and_workers(whole):
    """Times and memory with units; best:3 keeps three models per split."""
    assert whole.limits == Limits(
        time_seconds=3600.0, memory_bytes=2 * 2**30, attempts=2, memory_cap_bytes=6 * 2**30
    )
    assert whole.keep == Keep(models=Models.BEST, n_best=3, predictions=True)
    assert whole.workers == WorkersSpec(count=2, threads=1)


def test_yaml_means_the_same(tmp_path):
    """The same schema as YAML, where 1e-6 is a number and no is a text."""
    path = tmp_path / "sweep.yaml"
    path.write_text(
        textwrap.dedent("""
        data: {source: a.csv, labels: {0: no, 1: yes}}
        pipelines:
          p:
            steps: [{use: SGDClassifier, penalty: null}]
            draws: 3
            space: {alpha: {loguniform: [1e-6, 1e-1]}}
        """)
    )
    spec, mistakes = load(path)
    assert mistakes == []
    assert spec.name == "sweep"
    assert spec.data.labels == {"0": "no", "1": "yes"}
    assert spec.pipelines[0].space["alpha"].args == (1e-6, 0.1)
    assert spec.pipelines[0].steps[0].params == {"penalty": None}


def test_no_splits_means_five_folds_over_all_rows():
    """Without [splits] there is one split "cv"."""
    (split,) = made().splits
    assert split == Split(
        name="cv", kind=SplitKind.ALL, folds=Folds(n=5, kind=FoldKind.STRATIFIED), validation=False
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [("90s", 90.0), (3600, 3600.0), ("1h 30min", 5400.0), ("1h30m", 5400.0), ("0.5d", 43200.0), (0.5, 0.5)],
)
def test_times(value, expected):
    """A time is a number of seconds or a text with units."""
    assert made(limits={"time": value}).limits.time_seconds == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [("500MB", 500 * 10**6), ("1.5 GiB", 3 * 2**29), (4096, 4096), ("none", None), ("2gib", 2**31)],
)
def test_memory(value, expected):
    """Memory is a number of bytes or a text with units."""
    assert made(limits={"memory": value}).limits.memory_bytes == expected


@pytest.mark.parametrize(
    ("value", "models", "n_best"), [("all", Models.ALL, 0), ("none", Models.NONE, 0), ("best:12", Models.BEST, 12)]
)
def test_kept_models(value, models, n_best):
    """Models are kept all, none or the best k."""
    keep = made(keep={"models": value}).keep
    assert (keep.models, keep.n_best) == (models, n_best)


def test_steps_are_named_as_by_make_pipeline():
    """Repeated classes are numbered, import paths lose their module, given names stay."""
    steps = ["PCA", "my.module:Thing", {"use": "sklearn.svm.SVC", "name": "last"}, "PCA"]
    spec = made(pipelines={"p": {"steps": steps}})
    assert [step.name for step in spec.pipelines[0].steps] == ["pca-1", "thing", "last", "pca-2"]


def test_step_parameters_may_be_estimators():
    """A table with use inside a parameter is kept as it is."""
    step = {"use": "BaggingClassifier", "estimator": {"use": "SVC", "C": 2}, "sizes": (3, 4)}
    spec = made(pipelines={"p": {"steps": step}})
    assert spec.pipelines[0].steps[0].params == {"estimator": {"use": "SVC", "C": 2}, "sizes": [3, 4]}


@pytest.mark.parametrize(
    ("table", "kind", "sets"),
    [
        ({"validate": 0.2, "test": 0.1}, SplitKind.RANDOM, {"validate": 0.2, "test": 0.1}),
        ({"test": ["a", "b"]}, SplitKind.GROUPS, {"test": ("a", "b")}),
        ({"kind": "groups", "test": 0.3}, SplitKind.GROUPS, {"test": 0.3}),
        ({"kind": "time", "test": 0.3}, SplitKind.TIME, {"test": 0.3}),
        ({"column": "set"}, SplitKind.COLUMN, {"validate": "validate", "test": "test"}),
        ({"column": "set", "dev": "D"}, SplitKind.COLUMN, {"dev": "D"}),
        ({"test": "x > 1", "noisy": "x > 2"}, SplitKind.FILTER, {"test": "x > 1", "noisy": "x > 2"}),
        ({"folds": 3}, SplitKind.ALL, {}),
        (3, SplitKind.ALL, {}),
    ],
)
def test_kind_of_split_follows_its_values(table, kind, sets):
    """Fractions, lists, texts and columns tell the kind; other keys are further evaluation sets."""
    (split,) = made(splits={"s": table}).splits
    assert (split.kind, dict(split.sets)) == (kind, sets)
    assert split.validation == bool(sets)


@pytest.mark.parametrize(
    ("table", "kind", "shuffle"),
    [
        ({"kind": "groups", "test": 0.3, "folds": 3}, FoldKind.GROUP, True),
        ({"kind": "time", "test": 0.3, "folds": 3}, FoldKind.TIME, False),
        ({"folds": {"n": 3, "kind": "plain", "shuffle": False}}, FoldKind.PLAIN, False),
    ],
)
def test_kind_of_folds_follows_the_split(table, kind, shuffle):
    """Folds inside held-out groups keep groups whole, those inside a split by time keep its order."""
    (split,) = made(splits={"s": table}).splits
    assert split.folds == Folds(n=3, kind=kind, shuffle=shuffle)


def test_validation_can_be_left_out():
    """With folds the fit on all training rows may be unwanted."""
    (split,) = made(splits={"s": {"test": 0.2, "folds": 3, "validation": False}}).splits
    assert not split.validation


def test_short_forms():
    """A source, a metric, a seed and a list of patterns stand for themselves."""
    spec = made(metrics="accuracy", rank_by="f1_macro", seeds=7, features=["a*", "b"], priority=3)
    assert spec.data.source == "sklearn:iris"
    assert (spec.metrics, spec.rank_by) == (("accuracy",), "f1_macro")
    assert (spec.seeds, spec.priority) == ((7,), 3)
    assert spec.features == (FeatureSet(name="", include=("a*", "b")),)
    assert made(features={"exclude": "b"}).features == (FeatureSet(name="", exclude=("b",)),)


def test_numpy_values_become_plain_ones():
    """Grids from Python may hold NumPy arrays and numbers."""
    np = pytest.importorskip("numpy")
    spec = made(pipelines={"p": {"steps": "SVC", "grid": {"C": np.logspace(0, 1, 2), "degree": [np.int64(2)]}}})
    grid = spec.pipelines[0].grids[0]
    assert grid == {"C": (1.0, 10.0), "degree": (2,)}
    assert [type(value) for value in grid["C"] + grid["degree"]] == [float, float, int]


TERMS = """
tenant = "lab-a"
store = "postgresql://me@db.example.org/fits"

[concurrency]
sweep = 20
tenant = 40
pipelines = { svc = 2 }

[needs]
cores = 4
memory = "16GiB"
gpus = 1
gpu_memory = "16GiB"
hosts = ["gpu*", "node-7"]
labels = ["licence", "disk=fast"]

[retention]
completed = "90d"
failed = "never"
logs = "12h"
artifacts = 3600

[data]
source = "sklearn:iris"

[pipelines.svc]
steps = ["SVC"]
[pipelines.svc.needs]
gpus = 0
memory = "none"
hosts = []

[pipelines.rf]
steps = ["RandomForestClassifier"]
"""


def test_terms_are_read(tmp_path):
    """Tenant, store, concurrency, needs and retention, with units."""
    path = tmp_path / "s.toml"
    path.write_text(TERMS)
    spec, mistakes = load(path)
    assert mistakes == []
    assert (spec.tenant, spec.store) == ("lab-a", "postgresql://me@db.example.org/fits")
    assert spec.concurrency == Concurrency(sweep=20, tenant=40, pipelines={"svc": 2})
    assert spec.retention == Retention(
        completed_seconds=90 * 86400.0, failed_seconds=None, logs_seconds=43200.0, artifacts_seconds=3600.0
    )


def test_needs_of_a_pipeline_replace_the_general_ones_key_by_key(tmp_path):
    """No GPU means no memory of one either; pipelines without a table have the general needs."""
    path = tmp_path / "s.toml"
    path.write_text(TERMS)
    needs = load(path)[0].needs
    assert set(needs) == {"", "svc"}
    assert needs[""] == Needs(
        cores=4,
        memory_bytes=16 * 2**30,
        gpus=1,
        gpu_memory_bytes=16 * 2**30,
        hosts=("gpu*", "node-7"),
        labels=("licence", "disk=fast"),
    )
    assert needs["svc"] == Needs(cores=4, labels=("licence", "disk=fast"))


def test_a_sweep_without_needs_has_none():
    """Tables that ask for nothing are as good as no tables."""
    assert made().needs == {}
    assert made(pipelines={"p": {"steps": ["SVC"], "needs": {"gpus": 0}}}).needs == {}


@pytest.mark.parametrize(
    "store",
    ["../fits", "C:\\fits", "fits.db", "sqlite:///fits.db", "sqlite:////data/fits.db#s", "postgresql:///fits"],
)
def test_stores(store):
    """Paths of any form, and URLs of the kinds that there are; a sweep may be named behind a #."""
    assert made(store=store).store == store


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (True, FuseSpec()),
        (False, FuseSpec(exact=False)),
        (["nets-batched", "svm-interior"], FuseSpec(also=("nets-batched", "svm-interior"))),
        ("svm-interior", FuseSpec(also=("svm-interior",))),
    ],
)
def test_fuse_is_a_truth_value_or_names_rules(said, meant):
    """Named rules are used beside those that keep every score."""
    assert made(fuse=said).fuse == meant


def test_fits_are_fused_unless_a_sweep_says_otherwise():
    """Rules that keep every score need no asking."""
    assert made().fuse == FuseSpec(exact=True, also=())
