"""Shoulder exercises measured by a watch: windows of four seconds with simple features, one row each."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, STEP = 200, 100  # samples at 50 Hz


def load() -> dict[str, Any]:
    """Return the columns by name: 24 features, the exercise, the subject and the recording."""
    package = find_spec("seglearn")
    if package is None or not package.submodule_search_locations:
        raise FileNotFoundError("pip install --no-deps seglearn brings the data")
    file = Path(package.submodule_search_locations[0]) / "data" / "watch_dataset.npy"
    watch = np.load(file, allow_pickle=True).item()
    features, recordings = [], []
    for number, series in enumerate(watch["X"]):
        windows = np.lib.stride_tricks.sliding_window_view(series, WIDTH, axis=0)[::STEP]
        jerk = np.abs(np.diff(windows, axis=2)).mean(axis=2)
        features.append(np.hstack([windows.mean(axis=2), windows.std(axis=2), np.ptp(windows, axis=2), jerk]))
        recordings += [number] * len(windows)
    names = [f"{what}_{channel}" for what in ("mean", "std", "range", "jerk") for channel in watch["X_labels"]]
    table = np.vstack(features)
    return {
        **{name: table[:, i] for i, name in enumerate(names)},
        "exercise": [watch["y_labels"][watch["y"][number]] for number in recordings],
        "subject": [f"subject {watch['subject'][number]:02d}" for number in recordings],
        "recording": recordings,
    }
