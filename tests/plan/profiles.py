"""Small data profiles for tests of planning, which never sees data."""

from manyfit.model.profile import DataProfile, RowSets
from manyfit.model.sweep import Problem


def profile(
    *,
    variant: str = "",
    splits: tuple[str, ...] = ("cv",),
    features: tuple[str, ...] = ("",),
    sets: dict[str, int] | None = None,
    n_rows: int = 150,
) -> DataProfile:
    """Return the profile of a four-column, three-class table."""
    rows = RowSets(
        n_train=n_rows,
        n_sets=sets or {},
        recipe={"kind": "all", "folds": {"n": 5, "kind": "stratified"}},
        folds_seeded=True,
        sets_seeded=False,
    )
    columns = ("a", "b", "c", "d")
    return DataProfile(
        variant=variant,
        params={},
        fingerprint=f"data{variant}",
        column_fingerprints={name: name for name in columns},
        problem=Problem.CLASSIFICATION,
        n_rows=n_rows,
        columns={name: columns[: len(columns) - i] for i, name in enumerate(features)},
        classes=("x", "y", "z"),
        splits=dict.fromkeys(splits, rows),
    )
