"""Bundles bring every kind of model back bit by bit, in any process, and nothing else."""

import io
import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from tests.fit.bundled import (
    CLASSIFIERS,
    DIABETES,
    IRIS,
    NAMES,
    REGRESSORS,
    answers,
    fitted,
    manifest,
    packed,
)

from manyfit.fit.bundles import JOBLIB, MANIFEST, SKOPS, load_bundle, open_bundle, pack
from manyfit.fit.layout import write_entries
from manyfit.model.errors import Refused
from manyfit.model.keys import canonical_json
from manyfit.model.schema import FeatureSchema
from manyfit.model.sweep import ModelFormat

QUIET = pytest.mark.filterwarnings("ignore")
TREE = CLASSIFIERS["tree"]


def same(before, after):
    return before.keys() == after.keys() and all(
        before[name].dtype == after[name].dtype and np.array_equal(before[name], after[name]) for name in before
    )


@QUIET
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_come_back_bit_by_bit(kind):
    """Classes, probabilities and decision values are the same numbers, and nothing had to be trusted."""
    estimator = fitted(CLASSIFIERS[kind])
    made = pack(estimator, manifest(CLASSIFIERS[kind]))

    loaded = load_bundle(made.content, kind)

    assert same(answers(estimator, IRIS), answers(loaded.estimator, IRIS))
    assert loaded.classes == NAMES
    assert made.model["trusted"] is True
    assert type(loaded.estimator) is type(estimator)


@QUIET
@pytest.mark.parametrize("kind", REGRESSORS)
def test_regressors_come_back_bit_by_bit(kind):
    """Numbers are the same numbers."""
    estimator = fitted(REGRESSORS[kind], regression=True)
    made = pack(estimator, manifest(REGRESSORS[kind], regression=True))
    loaded = load_bundle(made.content, kind)
    assert same(answers(estimator, DIABETES), answers(loaded.estimator, DIABETES))


FORMATS = {
    "xgboost": {"booster-0.ubj", SKOPS},
    "lightgbm": {"booster-0.txt", SKOPS},
    "forest": {SKOPS},
}


@QUIET
@pytest.mark.parametrize("kind", FORMATS)
def test_boosters_are_written_in_the_formats_of_their_libraries(kind):
    """XGBoost's binary JSON, LightGBM's text; their libraries read the parts alone."""
    steps = CLASSIFIERS[kind]
    bundle = open_bundle(packed(steps).content, kind)
    assert set(bundle.parts) == FORMATS[kind]
    if kind == "xgboost":
        import xgboost

        xgboost.Booster().load_model(bytearray(bundle.parts["booster-0.ubj"]))
    if kind == "lightgbm":
        import lightgbm

        assert lightgbm.Booster(model_str=bundle.parts["booster-0.txt"].decode()).num_trees() == 21


@QUIET
def test_packing_leaves_the_estimator_as_it_was():
    """Boosters are put back: the estimator goes on predicting."""
    estimator = fitted(CLASSIFIERS["xgboost"])
    before = answers(estimator, IRIS)
    pack(estimator, manifest())
    assert same(before, answers(estimator, IRIS))


@QUIET
def test_any_zip_program_opens_a_bundle():
    """The parts stand under their names, the manifest first, none of them dated."""
    content = packed(CLASSIFIERS["lightgbm"]).content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [MANIFEST, "booster-0.txt", SKOPS]
        found = json.loads(archive.read(MANIFEST))
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert {"task", "sweep", "candidate", "cell", "schema", "classes", "labels", "scores", "environment"} <= set(
        found
    )


# -- the same bytes for the same fit ---------------------------------------------------------------------

AGAIN = """
import hashlib, sys, warnings
warnings.simplefilter("ignore")
from tests.fit.bundled import CLASSIFIERS, packed
for kind in sys.argv[1:]:
    print(hashlib.sha256(packed(CLASSIFIERS[kind]).content).hexdigest())
"""
KINDS = ("svc", "forest", "histogram boosting", "network", "selector", "bagging", "xgboost", "lightgbm")


@QUIET
@pytest.mark.slow
def test_equal_fits_are_equal_bytes_in_every_process(python_path):
    """Another process with another hash seed and other addresses in memory makes the same file."""
    # histograms are added up in the order in which threads come: there are as many as in this process
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environment = {**os.environ, **threads, "PYTHONPATH": python_path, "PYTHONHASHSEED": "4711"}
    done = subprocess.run(
        [sys.executable, "-c", AGAIN, *KINDS], env=environment, capture_output=True, text=True, check=True
    )
    here = [open_bundle(packed(CLASSIFIERS[kind]).content, kind).sha256 for kind in KINDS]
    assert [line for line in done.stdout.splitlines() if len(line) == 64] == here


def test_another_fit_is_another_bundle():
    """The id covers model and manifest."""
    first = packed(TREE).content
    assert packed(TREE).content == first
    assert pack(fitted(TREE), manifest(TREE, fingerprint="0" * 32)).content != first
    assert packed([(TREE[0][0], {"max_depth": 1})]).content != first


LOADING = """
import sys
sys.modules["xgboost"] = sys.modules["lightgbm"] = None  # not installed
import manyfit, polars as pl
trained = manyfit.load(sys.argv[1])
frame = pl.read_csv(sys.argv[2])
print(",".join(trained.predict(frame)["predicted"]))
print(sorted(name for name in sys.modules if name.startswith(("manyfit.data", "manyfit.plan", "tests"))))
"""


def test_a_process_that_never_saw_the_sweep_loads_the_model(tmp_path, python_path):
    """One file is enough: no store, no sweep, no data module, and boosters of no library."""
    import polars as pl

    (tmp_path / "m").write_bytes(packed(CLASSIFIERS["svc"]).content)
    pl.DataFrame({f"f{i}": IRIS[::30, i] for i in range(4)}).write_csv(tmp_path / "d.csv")
    done = subprocess.run(
        [sys.executable, "-c", LOADING, "m", "d.csv"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": python_path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[0].split(",") == ["setosa"] * 2 + ["versicolor"] * 2 + ["virginica"]
    assert done.stdout.splitlines()[1] == "[]"


# -- what needs trust ------------------------------------------------------------------------------------


class Own(ClassifierMixin, BaseEstimator):
    """A class of a user."""

    def fit(self, X, y):
        self.classes_, self.n_features_in_ = np.unique(y), X.shape[1]
        return self

    def predict(self, X):
        return np.zeros(len(X), dtype=int)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_class_of_a_user_needs_trust():
    """The message names the type and says how to load it."""
    made = pack(Own().fit(IRIS, np.arange(150) % 3), manifest())
    assert made.model["trusted"] is False
    with pytest.raises(Refused, match=r"Own.*trust=True"):
        load_bundle(made.content, "own")
    assert type(load_bundle(made.content, "own", trust=True).estimator).__name__ == "Own"


def test_a_pickle_is_made_only_on_request_and_marked():
    """It needs trust, and comes back as it was."""
    made = packed(TREE, format=ModelFormat.JOBLIB)
    bundle = open_bundle(made.content, "pickle")
    assert (set(bundle.parts), bundle.manifest["model"]["trusted"], bundle.trusted) == ({JOBLIB}, False, False)
    with pytest.raises(Refused, match="is a pickle, which can run any program"):
        load_bundle(made.content, "pickle")
    loaded = load_bundle(made.content, "pickle", trust=True)
    assert same(answers(fitted(TREE), IRIS), answers(loaded.estimator, IRIS))


@pytest.mark.parametrize("name", [JOBLIB, SKOPS, "booster-0.txt", "model.pkl"])
def test_a_pickle_never_runs_without_trust(name, tmp_path):
    """Neither a manifest that calls it trusted nor another name makes a difference."""
    path = tmp_path / "ran"
    content = pickle.dumps(Bomb(path))
    good = open_bundle(packed(TREE).content, "good")
    parts = {name: content} if name != "booster-0.txt" else {SKOPS: good.parts[SKOPS], name: content}
    for said in ("skops", "joblib"):
        made = bundle_of(good.manifest, parts, format=said)
        with pytest.raises(Refused):
            load_bundle(made, "hostile")
    assert not path.exists()


# -- what is no bundle -----------------------------------------------------------------------------------


def bundle_of(found, parts, **model):
    """Return an archive of *parts* with a manifest that lists them with the right checksums."""
    import hashlib

    listed = [
        {"name": name, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        for name, body in sorted(parts.items())
    ]
    told = {**found, "model": {**found["model"], "trusted": True, "foreign_types": [], "parts": listed, **model}}
    return write_entries({MANIFEST: canonical_json(told), **parts})


@pytest.fixture(scope="module")
def good():
    return packed(TREE).content


@pytest.fixture(scope="module")
def parsed(good):
    return open_bundle(good, "good")


def zipped(entries, **attributes):
    """Return a zip file made by another program."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", attributes.pop("compression", zipfile.ZIP_STORED)) as archive:
        for name, body in entries:
            info = zipfile.ZipInfo(name)
            info.external_attr = attributes.get("external_attr", 0o100600 << 16)
            info.create_system = attributes.get("system", 3)
            info.compress_type = archive.compression
            archive.writestr(info, body)
    return out.getvalue()


def entries_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return [(name, archive.read(name)) for name in archive.namelist()]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../../evil", "names of entries"),
        ("/etc/passwd", "names of entries"),
        ("a\\b", "names of entries"),
        ("dir/", "names of entries"),
        (SKOPS, "two entries"),
        ("more.bin", "does not list"),
    ],
)
def test_entries_that_do_not_belong_are_refused(name, reason, good):
    """Paths that lead elsewhere, a second entry of the same name, one that the manifest does not list."""
    with pytest.raises(Refused, match=reason):
        open_bundle(zipped([*entries_of(good), (name, b"x")]), "hostile")


def test_links_are_refused(good):
    """An entry is a plain file, whatever its name."""
    with pytest.raises(Refused, match="no plain file"):
        open_bundle(zipped(entries_of(good), external_attr=0o120777 << 16), "hostile")


def test_a_bomb_is_refused_before_it_is_unpacked():
    """A gigabyte of zeros in a megabyte: nothing compressed is ever unpacked."""
    bomb = zipped([(MANIFEST, b"\0" * 2**28)], compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    with pytest.raises(Refused, match="compressed"):
        open_bundle(bomb, "bomb")


def test_entries_that_overlap_are_refused(good):
    """The same bytes promised many times are more than the file has."""
    [(_, body), *_] = entries_of(good)
    plain = write_entries({"a": body * 4})
    directory = plain.index(b"PK\x01\x02")
    record = plain[directory : plain.index(b"PK\x05\x06")]
    records = b"".join(
        record.replace(b"\x01\x00\x00\x00", b"\x01\x00\x00\x00")[:-1] + bytes([97 + i]) for i in range(9)
    )
    end = bytearray(plain[plain.index(b"PK\x05\x06") :])
    end[8:12] = (9).to_bytes(2, "little") * 2
    end[12:16] = len(records).to_bytes(4, "little")
    with pytest.raises(Refused, match=r"promises more bytes|no bundle"):
        open_bundle(plain[:directory] + records + bytes(end), "overlapping")


def changed(content, change):
    body = bytearray(content)
    change(body)
    return bytes(body)


ANOTHER_LAYOUT = {
    "bytes before it": lambda good: b"#!/bin/sh\n" + good,
    "bytes behind it": lambda good: good + b"more",
    "a comment": lambda good: changed(good, lambda body: body.__setitem__(slice(-2, None), b"\x01\x00")) + b"x",
    "cut short": lambda good: good[: len(good) // 2],
    "one byte changed": lambda good: changed(
        good, lambda body: body.__setitem__(len(body) // 2, body[len(body) // 2] ^ 1)
    ),
    "another order": lambda good: zipped(list(reversed(entries_of(good)))),
    "packed on another system": lambda good: zipped(entries_of(good), system=0),
    "nothing": lambda good: b"",
    "text": lambda good: b"no archive at all",
    "an empty archive": lambda good: zipped([]),
}


@pytest.mark.parametrize("change", ANOTHER_LAYOUT)
def test_only_one_layout_is_a_bundle(change, good):
    """Whatever another program makes of it, even with the same entries, is refused."""
    content = ANOTHER_LAYOUT[change](good)
    with pytest.raises(Refused):
        open_bundle(content, "changed")


def test_a_bundle_is_what_it_was_when_it_was_kept(good):
    """A checksum from a result holds the whole file to it."""
    assert open_bundle(good, "good", sha256=open_bundle(good, "good").sha256)
    with pytest.raises(Refused, match="checksum"):
        open_bundle(good, "good", sha256="0" * 64)


def forged(manifest, **changes):
    return {**manifest, **changes}


SCHEMA = FeatureSchema(names=("f0", "f1", "f2", "evil"), types=("float",) * 4).as_json()
FORGED = {
    "another feature under the same key": lambda found: forged(
        found, schema={**found["schema"], "names": list("abcd")}
    ),
    "a schema without a key": lambda found: forged(found, schema={"names": [], "types": [], "mode": ""}),
    "no schema": lambda found: {name: value for name, value in found.items() if name != "schema"},
    "fewer features than the model has": lambda found: forged(
        found, schema=FeatureSchema(names=("f0",), types=("float",)).as_json()
    ),
    "fewer classes than the model has": lambda found: forged(found, classes=["setosa"]),
    "the task of another": lambda found: forged(found, task="0" * 32),
    "another problem": lambda found: forged(found, problem="guessing"),
    "classes that are no texts": lambda found: forged(found, classes=[1, 2, 3]),
    "a table that is none": lambda found: forged(found, table=7),
    "columns of a table that are no texts": lambda found: forged(found, table={"include": 3}),
    "versions that are none": lambda found: forged(found, environment=[1]),
    "a pipeline that is no text": lambda found: forged(found, candidate={**found["candidate"], "pipeline": 7}),
    "steps that are none": lambda found: forged(found, candidate={**found["candidate"], "steps": ["x"]}),
    "another format": lambda found: forged(found, format=2),
    "no model": lambda found: {name: value for name, value in found.items() if name != "model"},
}


@pytest.mark.parametrize("change", FORGED)
def test_a_forged_manifest_is_refused(change, parsed):
    """Checksums that fit do not help: what the manifest says is held against itself and against the model."""
    found = FORGED[change](parsed.manifest)
    content = (
        bundle_of(found, parsed.parts)
        if "model" in found
        else write_entries({MANIFEST: canonical_json(found), **parsed.parts})
    )
    with pytest.raises(Refused):
        load_bundle(content, "forged")


def test_a_well_made_manifest_with_other_features_is_the_business_of_its_reader(parsed):
    """Names with a key of their own are a schema: data with other names is then refused, not predicted."""
    import polars as pl

    trained = load_bundle(bundle_of(forged(parsed.manifest, schema=SCHEMA), parsed.parts), "renamed")
    with pytest.raises(Refused, match="missing: evil"):
        trained.predict(pl.DataFrame({f"f{i}": IRIS[:, i] for i in range(4)}))


def test_a_part_that_was_changed_is_refused(parsed):
    """Also where the archive around it is whole."""
    parts = {**parsed.parts, SKOPS: parsed.parts[SKOPS][:-1] + b"x"}
    with pytest.raises(Refused, match="does not match its checksum"):
        open_bundle(write_entries({MANIFEST: canonical_json(parsed.manifest), **parts}), "changed")


def test_a_manifest_that_says_things_twice_is_refused(parsed):
    """JSON with repeated keys means different things to different readers."""
    text = canonical_json(parsed.manifest)
    twice = text.replace(b'{"candidate"', b'{"task":"x","candidate"', 1)
    with pytest.raises(Refused, match="not written as manyfit"):
        open_bundle(write_entries({MANIFEST: twice, **parsed.parts}), "twice")


@QUIET
def test_boosters_and_placeholders_belong_together():
    """A booster that the model does not refer to, and one that is not there."""
    found = open_bundle(packed(CLASSIFIERS["lightgbm"]).content, "good")
    plain = open_bundle(packed(TREE).content, "plain")
    with pytest.raises(Refused, match="does not have"):
        load_bundle(bundle_of(found.manifest, {SKOPS: found.parts[SKOPS]}), "without")
    with pytest.raises(Refused, match="does not refer to"):
        load_bundle(bundle_of(found.manifest, {**found.parts, SKOPS: plain.parts[SKOPS]}), "with")
    with pytest.raises(Refused, match="cannot be read as a booster"):
        load_bundle(bundle_of(found.manifest, {**found.parts, "booster-0.txt": b"tree\nnonsense"}), "damaged")


def test_a_skops_part_that_unpacks_to_far_more_is_refused(parsed):
    """The arrays of a model may be compressed, so their size is known before any of them is read."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", "{}")
        archive.writestr("1.npy", b"\0" * 2**28)
    with pytest.raises(Refused, match="unpacks to 268,435,456 bytes"):
        open_bundle(bundle_of(parsed.manifest, {SKOPS: out.getvalue()}), "bomb")
