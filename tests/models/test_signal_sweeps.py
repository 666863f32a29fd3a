"""Signals in sweeps: from raw series to scores in one sweep, shared work with equal scores, kept models."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from tests.api.running import run_here
from tests.families.libraries import needs
from tests.models.padded import waves

from manyfit import Sweep
from manyfit.fit.models import dump_model, load_model
from manyfit.models.signals.amplitude import Amplitude
from manyfit.models.signals.decimate import Decimate
from manyfit.models.signals.references import ReferenceDistances
from manyfit.models.signals.spectral_features import SpectralFeatures
from manyfit.models.signals.time_features import TimeFeatures

ROOT = Path(__file__).parents[2]
METRICS = ["l1", "l2", "cosine", "dtw"]
N_KINDS, SIZE = 13, 40


def raw_samples():
    """Thirteen kinds of signals in 39 recordings of 330 samples, and a rest that fills no window."""
    draw = np.random.default_rng(0)
    take = np.repeat(np.arange(3 * N_KINDS), 330)
    kind, at = take % N_KINDS, np.tile(np.arange(330), 3 * N_KINDS)
    signal = np.sin(at * (kind + 2) / 20) * (1 + kind % 3) + 0.5 * draw.normal(size=len(at))
    return pl.DataFrame({"take": take, "tick": at, "volt": signal, "kind": [f"kind {code:02d}" for code in kind]})


def sweep(folder, **changes):
    """A sweep from raw samples to a grid of support vector machines, with the preparation as a factor."""
    raw_samples().write_parquet(folder / "raw.parquet")
    windows = {"size": SIZE, "by": "take", "order": "tick", "channels": ["volt"]}
    declaration = {
        "name": "kinds",
        "data": {"source": "raw.parquet", "target": "kind", "group": "take", "windows": windows},
        "splits": {"takes": {"folds": {"n": 3, "kind": "stratified_group"}}},
        "metrics": ["accuracy", "f1_macro"],
        "rank_by": "accuracy",
        "keep": {"models": "best:1"},
        "prepare": {
            "steps": [{"use": "Decimate", "name": "keep"}, {"use": "Amplitude", "name": "scale"}],
            "grid": {"keep__factor": [1, 2], "scale__method": ["none", "rms"]},
        },
        "pipelines": {
            "svc": {
                "steps": [{"use": "ReferenceDistances", "metrics": METRICS, "window": 5}, "StandardScaler", "SVC"],
                "grid": {"C": [1.0, 30.0]},
            }
        },
    }
    return Sweep(folder=folder, **{**declaration, **changes})


@pytest.mark.slow
@needs("dtaidistance")
def test_thirteen_classes_and_four_distances_are_one_sweep(tmp_path, monkeypatch):
    """
    Raw samples, windows, preparation as a factor, 13 x 4 = 52 distances, a grid: scikit-learn's own scores.

    What is computed once for each fold and preparation gives the very scores of every fit alone.
    """
    together, alone = tmp_path / "together", tmp_path / "alone"
    together.mkdir()
    alone.mkdir()
    results = sweep(together).run(workers=1, audit=False)
    apart = run_here(sweep(alone, fuse=False), monkeypatch)

    scores = ["cv_accuracy", "cv_f1_macro", "train_accuracy"]
    left, right = (found.tasks().filter(pl.col("fold").is_not_null()).sort("key") for found in (results, apart))
    assert left.height == 24
    assert left.select("key", *scores).equals(right.select("key", *scores))
    assert left["fused_by"].str.contains("shared-steps").sum() > 12
    assert right["fused_by"].is_null().all()

    steps = results.best().model().named_steps
    assert steps["svc"].n_features_in_ == N_KINDS * len(METRICS) == 52
    names = steps["referencedistances"].get_feature_names_out()
    assert names[[0, 13, 51]].tolist() == ["l1_0", "l2_0", "dtw_12"]

    X, y, groups = plain_windows()
    assert X.shape == (39 * 8, SIZE)
    pipeline = make_pipeline(
        Decimate(2), Amplitude("rms"), ReferenceDistances(METRICS, window=5), StandardScaler(), SVC(C=30.0)
    )
    folds = StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, y, groups)
    expected = cross_val_score(pipeline, X, y, cv=folds)
    wanted = "keep__factor=2 scale__method=rms C=30"
    board = results.leaderboard().filter(pl.col("params") == wanted)
    assert board["score"].to_list() == pytest.approx([expected.mean()], abs=1e-12)


def plain_windows():
    """The windows of `raw_samples` by reshaping: eight of each recording."""
    frame = raw_samples()
    takes = frame["volt"].to_numpy().reshape(3 * N_KINDS, 330)[:, : 8 * SIZE]
    groups = np.repeat(np.arange(3 * N_KINDS), 8)
    return takes.reshape(-1, SIZE), groups % N_KINDS, groups


@needs("dtaidistance")
@pytest.mark.parametrize(
    "transformer",
    [
        Decimate(3),
        Amplitude("robust"),
        TimeFeatures(["mean", "std"]),
        SpectralFeatures(bands=[0, 0.1, 0.5]),
        ReferenceDistances(n_references=2, window=3),
    ],
)
def test_kept_models_are_read_back(tmp_path, transformer):
    """A model file with the transformer loads without a question, and transforms alike."""
    X = waves((60, 41, 60, 33))
    fitted = transformer.fit(X, [0, 1, 0, 1])
    path = tmp_path / "model.skops"
    path.write_bytes(dump_model(fitted))
    np.testing.assert_array_equal(load_model(path).transform(X), fitted.transform(X))


@pytest.mark.parametrize("name", ["plaid.py", "appliances.toml"])
def test_the_page_shows_the_files_of_the_example(name):
    """What readers copy from the page is what stands in the folder of the example."""
    page = (ROOT / "docs" / "examples" / "appliances.md").read_text(encoding="utf-8")
    assert (ROOT / "examples" / "appliances" / name).read_text(encoding="utf-8") in page
