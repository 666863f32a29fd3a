"""Currents of household appliances (PLAID): one row a recording, read from the .ts files beside this file."""

from pathlib import Path
from typing import Any

import numpy as np

APPLIANCES = (
    "air conditioner",
    "fluorescent lamp",
    "fan",
    "fridge",
    "hairdryer",
    "heater",
    "light bulb",
    "laptop",
    "microwave",
    "vacuum",
    "washing machine",
)
WIDTH = 1344  # samples of the longest recording; shorter ones are padded with NaN


def known() -> dict[str, Any]:
    """The recordings that models are chosen on."""
    return recordings("PLAID_TRAIN.ts")


def unseen() -> dict[str, Any]:
    """Recordings that no fit and no choice has seen."""
    return recordings("PLAID_TEST.ts")


def recordings(file: str) -> dict[str, Any]:
    """Return the table of one file; each line is "sample,sample,...:class"."""
    text = Path(__file__).with_name(file).read_text(encoding="utf-8-sig")
    lines = [line for line in text.splitlines() if line and line[0] not in "#@"]
    current, appliances = np.full((len(lines), WIDTH), np.nan), []
    for row, line in enumerate(lines):
        samples, _, code = line.rpartition(":")
        series = np.array(samples.split(","), dtype=float)
        current[row, : len(series)] = series
        appliances.append(APPLIANCES[int(code)])
    columns = {f"current_{i:04d}": current[:, i] for i in range(WIDTH)}
    names = [f"{file[6:-3].lower()}-{row:03d}" for row in range(len(lines))]
    return {"recording": names, "appliance": appliances, **columns}
