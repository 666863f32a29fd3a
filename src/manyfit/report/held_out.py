"""Which two sets of a split are compared to see how well candidates generalise."""

from collections.abc import Sequence

_FIRST = ("cv", "validate")


def compared_sets(scored: Sequence[str]) -> tuple[str, str] | None:
    """
    Return the validation and the held-out set of a split with scores on the sets *scored*; None where one lacks.

    The held-out one is "test"; without it the first further set by name; without one "validate" where there is
    "cv" too. The validation set is "cv", else "validate". Where a split has one set only, it is compared with
    "train": with what a model says of the rows that it was fitted on.
    """
    others = sorted(name for name in scored if name not in (*_FIRST, "train", "test"))
    held_out = next((name for name in ("test", *others) if name in scored), None)
    before = [name for name in _FIRST if name in scored]
    if held_out is None:
        held_out = before.pop() if before else None
    validation = before[0] if before else "train" if "train" in scored else None
    return None if held_out is None or validation is None else (validation, held_out)
