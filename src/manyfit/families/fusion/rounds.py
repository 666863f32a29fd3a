"""Boosting libraries: fits with fewer rounds are answered from the one with the most."""

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from manyfit.contracts.estimators import FitSize
from manyfit.contracts.fusion import Batch, CannotFuse, Guarantee, Params, Source
from manyfit.families.fusion.demands import require_one_target
from manyfit.families.fusion.prefixes import Fitted, by_length, is_whole, prefix_seconds, seed_refusal
from manyfit.families.fusion.tokens import token

After = Callable[[int], Source | None]
"""
Returns what answers after that many rounds, None when the fits have to be made alone.

It is called with more rounds each time, so that answers may go on from those before.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundsRule:
    """
    Exact where a round depends only on those before it and nothing looks at the number of rounds.

    Fits with early stopping, with an objective or metric that is a function, with a random_state that is
    no whole number, with parameters that the rule does not know, or with several targets are fitted alone.
    """

    name: str
    covers: frozenset[str]
    proven_on: Mapping[str, tuple[str, ...]]
    refusal: Callable[[Params], str | None]
    n_rounds: Callable[[Any], int]
    train: Callable[[Batch, int], tuple[Fitted, After]]
    axes: tuple[str, ...] = ("n_estimators",)
    shares: str = "the fit with the most rounds"
    guarantee: Guarantee = Guarantee.EXACT

    def refuses(self, path: str, params: Params, size: FitSize) -> str | None:
        return self.refusal(params)

    def group(self, path: str, params: Params) -> Hashable:
        return token(path, params, self.axes)

    def cost_seconds(self, path: str, members: Sequence[Params], alone: Sequence[float], size: FitSize) -> float:
        return prefix_seconds(alone, size)

    def run(self, batch: Batch) -> Iterator[tuple[int, Source]]:
        require_one_target(batch)
        lengths = by_length(batch.estimators, self.n_rounds)
        longest, after = self.train(batch, lengths[-1][0])
        for n_rounds, positions in lengths:
            source = after(n_rounds)
            if source is None:
                continue
            for position in positions:
                longest.warn_again()
                yield position, source


def rounds_refusal(params: Params, known: Collection[str], *, default: bool) -> str | None:
    """
    Return why the number of rounds of a boosting library may not be what `n_estimators` says, or None.

    None stands for a default of the library where *default* is true. Parameters beyond *known* could give
    the number under another name, stop early or schedule the learning rate.
    """
    rounds = params.get("n_estimators")
    if not (is_whole(rounds) and rounds >= 1) and not (default and rounds is None):
        return f"n_estimators={rounds} is no whole number of at least 1"
    unknown = sorted(set(params) - set(known))
    if unknown:
        return f"{unknown[0]} is not known to the rule: it may change the number of rounds"
    for name in ("objective", "eval_metric"):
        value = params.get(name)
        if any(callable(part) for part in (value if isinstance(value, (list, tuple)) else [value])):
            return f"{name} is a function, which may remember earlier rounds"
    return None if params.get("random_state") is None else seed_refusal(params)


def require_rounds(n_found: int, n_wanted: int) -> None:
    """Raise `CannotFuse` when training ended before its last round."""
    if n_found != n_wanted:
        raise CannotFuse(f"training stopped after {n_found} of {n_wanted} rounds")
