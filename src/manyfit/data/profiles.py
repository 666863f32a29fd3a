"""Profiles: what planning needs to know of the data, and every mistake that only the data shows."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from manyfit.data.features import feature_columns, feature_warnings
from manyfit.data.findings import Findings
from manyfit.data.folders import cache_root
from manyfit.data.folds import effective_kind, is_seeded
from manyfit.data.labels import check_labels
from manyfit.data.opening import Opened, open_source
from manyfit.data.recipes import recipe, role_recipe
from manyfit.data.sources import source_of
from manyfit.data.variants import variants
from manyfit.data.views import View, open_view
from manyfit.model.mistake import Mistake
from manyfit.model.profile import DataProfile, RowSets
from manyfit.model.sweep import Split, SweepSpec


def profile(
    spec: SweepSpec, *, folder: Path, file: str, cache: Path | None = None
) -> tuple[dict[str, DataProfile], list[Mistake]]:
    """
    Read every data variant of *spec* and return its profile by name, and all mistakes at once.

    Paths start from *folder*, the folder of the sweep file; *file* is named in the mistakes. A variant
    with a mistake has no profile. Converts what this host has not seen yet into *cache*.
    """
    root = cache if cache is not None else cache_root()
    profiles: dict[str, DataProfile] = {}
    mistakes: list[Mistake] = []
    for name, params in variants(spec.data).items():
        findings = Findings(file=file, where=f"variant {name}: " if name else "")
        found = _profile(spec, name, params, folder=folder, cache=root, findings=findings)
        if found is not None and not findings.mistakes:
            profiles[name] = found
        mistakes += findings.mistakes
    return profiles, mistakes


def _profile(
    spec: SweepSpec, variant: str, params: Mapping[str, Any], *, folder: Path, cache: Path, findings: Findings
) -> DataProfile | None:
    opened = open_source(source_of(spec.data, params, folder), cache, findings)
    if opened is None:
        return None
    columns = feature_columns(spec, opened.arrays.columns, opened.metadata_columns, findings)
    view = open_view(opened.arrays, spec, findings)
    if view is None:
        return None
    check_labels(spec.data, view.problem, view.classes, findings)
    return _described(spec, variant, params, opened=opened, columns=columns, view=view)


def _described(
    spec: SweepSpec,
    variant: str,
    params: Mapping[str, Any],
    *,
    opened: Opened,
    columns: Mapping[str, tuple[str, ...]],
    view: View,
) -> DataProfile:
    table = opened.arrays.columns
    used = [name for name in table if any(name in names for names in columns.values())]
    warnings = feature_warnings(columns, spec, table, opened.metadata_columns)
    return DataProfile(
        variant=variant,
        params=dict(params),
        fingerprint=opened.arrays.fingerprint,
        column_fingerprints={name: column.fingerprint for name, column in table.items()},
        problem=view.problem,
        n_rows=opened.arrays.n_rows,
        columns=columns,
        classes=view.classes,
        splits={split.name: _row_sets(spec, split, view) for split in spec.splits},
        spreads={name: table[name].spread for name in used},
        n_bytes=opened.arrays.n_bytes,
        n_missing=sum(table[name].n_missing for name in used),
        warnings=(*opened.warnings, *warnings, *view.warnings),
    )


def _row_sets(spec: SweepSpec, split: Split, view: View) -> RowSets:
    folds, n_folds = None, 0
    held_out = view.held_out.get(split.name, ())
    if split.folds is not None:
        kind = effective_kind(split.folds, view.problem)
        n_folds = len(held_out) or split.folds.n
        folds = {"n": n_folds, "kind": kind.value, "shuffle": is_seeded(split.folds)}
    sizes = view.sizes[split.name]
    return RowSets(
        n_train=sizes["train"],
        n_sets={name: size for name, size in sizes.items() if name != "train"},
        recipe=recipe(split, role_recipe(spec.data, view.problem, split), folds),
        folds_seeded=split.folds is not None and is_seeded(split.folds),
        sets_seeded=False,  # random splits draw from the seed of the split
        n_folds=n_folds,
        held_out=held_out,
    )
