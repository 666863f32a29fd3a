"""A sweep survives its way through a plan segment unchanged."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manyfit.declare import from_json, from_mapping, to_json
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
    PipelineSpec,
    Prepare,
    Problem,
    Retention,
    Split,
    SplitKind,
    StepSpec,
    SweepSpec,
    WorkersSpec,
)
from manyfit.model.terms import Concurrency, Needs

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.-]{0,5}", fullmatch=True)
texts = st.text(max_size=6)
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    plain | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
grids = st.dictionaries(names, st.lists(values, min_size=1, max_size=3).map(tuple), max_size=2)
optional = st.none() | texts
steps = st.builds(StepSpec, use=texts, name=names, params=st.dictionaries(names, values, max_size=2))
fractions = st.floats(0.01, 0.9)
sets = st.dictionaries(names, texts | fractions | st.lists(texts, max_size=2).map(tuple), max_size=2)
folds = st.builds(Folds, n=st.integers(2, 9), kind=st.sampled_from(FoldKind), shuffle=st.booleans())
splits = st.builds(
    Split,
    name=names,
    kind=st.sampled_from(SplitKind),
    train=optional,
    sets=sets,
    column=optional,
    seed=st.integers(0, 9),
    folds=st.none() | folds,
    validation=st.booleans(),
)
data = st.builds(
    DataSpec,
    source=texts,
    target=optional,
    problem=st.none() | st.sampled_from(Problem),
    labels=st.dictionaries(texts, texts, max_size=2),
    categories=st.dictionaries(texts, st.lists(texts, max_size=2).map(tuple), max_size=2),
    grid=grids,
)
pipelines = st.builds(
    PipelineSpec,
    name=names,
    steps=st.lists(steps, max_size=2).map(tuple),
    grids=st.lists(grids, max_size=2).map(tuple),
    space=st.dictionaries(
        names, st.builds(Distribution, kind=texts, args=st.lists(values, max_size=3).map(tuple)), max_size=2
    ),
    draws=st.integers(0, 9),
)
counts = st.integers(0, 2**40)
label_lists = st.lists(texts, max_size=2).map(tuple)
needs = st.builds(
    Needs,
    cores=counts,
    memory_bytes=counts,
    gpus=counts,
    gpu_memory_bytes=counts,
    hosts=label_lists,
    labels=label_lists,
)
concurrency = st.builds(
    Concurrency,
    sweep=st.none() | counts,
    tenant=st.none() | counts,
    pipelines=st.dictionaries(names, counts, max_size=2),
)
times = st.none() | st.floats(0.1, 1e9)
retention = st.builds(
    Retention, completed_seconds=times, failed_seconds=times, logs_seconds=times, artifacts_seconds=times
)
specs = st.builds(
    SweepSpec,
    name=names,
    data=data,
    pipelines=st.lists(pipelines, max_size=2).map(tuple),
    splits=st.lists(splits, max_size=2).map(tuple),
    features=st.lists(st.builds(FeatureSet, name=names, include=st.lists(texts).map(tuple)), max_size=2).map(
        tuple
    ),
    prepare=st.builds(Prepare, steps=st.lists(steps, max_size=1).map(tuple), grid=grids),
    metrics=st.lists(texts, max_size=2).map(tuple),
    seeds=st.lists(st.integers(0, 9), max_size=2).map(tuple),
    limits=st.builds(
        Limits,
        time_seconds=st.floats(0.1, 1e6),
        memory_bytes=st.none() | st.integers(1, 2**50),
        memory_cap_bytes=st.none() | st.integers(1, 2**50),
    ),
    keep=st.builds(Keep, models=st.sampled_from(Models), n_best=st.integers(0, 5), predictions=st.booleans()),
    workers=st.builds(WorkersSpec, count=st.none() | st.integers(1, 9)),
    store=texts,
    tenant=texts,
    concurrency=concurrency,
    needs=st.dictionaries(names | st.just(""), needs, max_size=2),
    retention=retention,
    fuse=st.builds(FuseSpec, exact=st.booleans(), also=label_lists),
)


@given(specs)
def test_round_trip_is_exact(spec):
    """Through JSON text and back, a sweep is equal, and so are the types inside of it."""
    back = from_json(json.loads(json.dumps(to_json(spec), allow_nan=False)))
    assert back == spec
    assert repr(back) == repr(spec)


def test_other_json_is_refused():
    """Values that are no sweep raise ValueError."""
    with pytest.raises(ValueError, match="pipelines"):
        from_json({"name": "x"})


SINCE_THE_FIRST_VERSION = ("store", "tenant", "concurrency", "needs", "retention", "fuse")


def test_a_sweep_that_an_earlier_version_stored_still_loads():
    """What it does not say has its default; what it says is kept."""
    now, _ = from_mapping(
        {
            "name": "s",
            "data": "sklearn:iris",
            "pipelines": {"p": {"steps": ["SVC"]}},
            "priority": "high",
            "limits": {"memory": "1GiB", "attempts": 2},
        }
    )
    stored = json.loads(json.dumps(to_json(now)))
    for key in SINCE_THE_FIRST_VERSION:
        del stored[key]
    del stored["limits"]["memory_cap_bytes"]

    assert from_json(stored) == now


def test_the_form_of_the_first_version_is_read():
    """The text of a sweep as the first version wrote it, to the letter."""
    spec = from_json(json.loads(FIRST_VERSION))

    assert spec.limits == Limits(time_seconds=60.0, memory_bytes=None, attempts=3, memory_cap_bytes=None)
    assert (spec.priority, spec.tenant, spec.store, spec.needs) == (10, "", "", {})
    assert (spec.concurrency, spec.retention) == (Concurrency(), Retention())


FIRST_VERSION = """
{"name": "s", "data": {"source": "sklearn:iris", "metadata": null, "index": null, "target": null, "group": null,
"time": null, "problem": null, "labels": {}, "categories": {}, "grid": {}}, "pipelines": [{"name": "p", "steps":
[{"use": "SVC", "name": "svc", "params": {}}], "grids": [{"C": [1, 2.5]}], "space": {}, "draws": 0}], "splits":
[{"name": "cv", "kind": "all", "train": null, "sets": {}, "column": null, "seed": 0, "folds": {"n": 5, "kind":
"stratified", "shuffle": true}, "validation": false}], "features": [{"name": "", "include": ["*"], "exclude": []}],
"prepare": {"steps": [], "grid": {}}, "metrics": ["accuracy"], "rank_by": "accuracy", "score_train": true, "seeds":
[0], "priority": 10, "limits": {"time_seconds": 60.0, "memory_bytes": null, "attempts": 3}, "keep": {"models":
"none", "n_best": 0, "predictions": false}, "workers": {"count": null, "threads": 1}}
"""
