"""
Fitting related candidates together: what is equal is computed once, what a rule knows to share is shared.

The fits of one selection of rows form a tree: equal first steps are fitted once, then equal second ones,
and at the leaves stand the steps that predict. Wherever steps of one class stand side by side, a fusion
rule may compute them together. What no rule computes is fitted as scikit-learn's `Pipeline` would.
"""

import contextlib
import time
import warnings
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from manyfit.contracts.estimators import Families, FitSize
from manyfit.contracts.fusion import (
    Batch,
    Block,
    CannotFuse,
    Fuse,
    Guarantee,
    Predicting,
    Rule,
    Rules,
    Transforming,
)
from manyfit.fit.pipelines import Chain
from manyfit.fit.placing import Placed, Placing
from manyfit.fit.responses import BlockResponses, FusedResponses, Responses
from manyfit.model.errors import MissingExtra, told
from manyfit.plan.choosing import SHARED_STEPS

Item = TypeVar("Item")
Caught = Sequence[warnings.WarningMessage]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Fit:
    """
    One fit that is wanted. `steps` are unfitted estimators by step name; the last one predicts.

    `paths` are the import paths of their classes. Steps at the same place with equal `tokens` are the same
    step with the same parameters; a token that equals no other shares nothing. A fit that is made on several
    tables never has its own `steps` fitted: `renew` returns what may be, unfitted, with equal parameters.
    """

    index: int
    steps: Sequence[tuple[str, Any]]
    paths: Sequence[str]
    tokens: Sequence[Hashable]
    renew: Callable[[Any], Any] | None = None

    def new_step(self, depth: int) -> Any:
        """Return an estimator for the step at *depth* that may be fitted."""
        estimator = self.steps[depth][1]
        return estimator if self.renew is None else self.renew(estimator)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """
    Training rows `X` and `y`, and the `sets` to answer for by name; read-only.

    A set of the training rows is the very object `X`. `n_classes` is 0 for a regression.
    """

    X: Any
    y: Any
    sets: Mapping[str, Any]
    n_classes: int

    @property
    def size(self) -> FitSize:
        """The size of a fit on these rows."""
        shape: tuple[int, ...] = self.X.shape if hasattr(self.X, "shape") else (len(self.X),)
        return FitSize(n_rows=shape[0], n_columns=shape[1] if len(shape) > 1 else 1, n_classes=self.n_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The fits with these indices are in progress from now on, together."""

    indices: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """
    A fit is ready. `answers` are those for each set; they are asked before the next event is requested.

    `seconds` are those of the fit, with its part of what was shared. `fusion` is what `TaskResult.fusion`
    says. `chain` has the fitted estimators when the fit was made alone, `final` the last one of them where
    no rule computed it.
    """

    index: int
    answers: Mapping[str, Responses]
    seconds: float
    caught: Caught
    fusion: Mapping[str, Any] = field(default_factory=dict)
    chain: Chain | None = None
    final: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Together:
    """
    Fits that are ready at once. `answers` are those of all of them for each set, asked before the next event.

    The other fields are those of `Fitted`, for each of the fits.
    """

    indices: tuple[int, ...]
    answers: Mapping[str, BlockResponses]
    seconds: float
    caught: Caught
    fusion: Mapping[str, Any]

    def one(self, place: int) -> Fitted:
        """Return the fit at a place in `indices` by itself."""
        return Fitted(
            index=self.indices[place],
            answers={name: responses.one(place) for name, responses in self.answers.items()},
            seconds=self.seconds,
            caught=self.caught,
            fusion=self.fusion,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A fit raised `error`."""

    index: int
    error: Exception
    caught: Caught = ()


Event = Begun | Fitted | Broken
BlockEvent = Event | Together


@dataclass(frozen=True, slots=True)
class _Past:
    """What happened on the way to a place in the tree: shared seconds for each fit, rules, warnings."""

    seconds: float = 0.0
    rules: tuple[str, ...] = ()
    guarantees: tuple[Guarantee, ...] = ()
    n_tasks: int = 1
    caught: tuple[warnings.WarningMessage, ...] = ()

    def after(self, rule: str, guarantee: Guarantee, n_tasks: int) -> "_Past":
        return replace(
            self,
            rules=(*self.rules, *(() if rule in self.rules else (rule,))),
            guarantees=(*self.guarantees, guarantee),
            n_tasks=max(self.n_tasks, n_tasks),
        )

    @property
    def fusion(self) -> Mapping[str, Any]:
        if not self.rules:
            return {}
        weakest = max(self.guarantees, key=[*Guarantee].index)
        return {"rule": "+".join(self.rules), "guarantee": weakest.value, "n_tasks": self.n_tasks}


class Fitter:
    """
    Fits many candidates on one table at a time.

    `fuse` says which rules may be used; with nothing admitted every fit is made alone. Fitted
    estimators are dropped as soon as their answers were asked, so that memory is bounded by one path
    through the tree.
    """

    def __init__(self, rules: Rules, families: Families, fuse: Fuse) -> None:
        self._fuse = fuse
        self.placing = Placing(rules, families, fuse)

    def fit(self, fits: Sequence[Fit], table: Table) -> Iterator[Event]:
        """
        Yield `Begun` before and `Fitted` or `Broken` after each fit; every fit ends exactly once.

        Errors of estimators are events. `MissingExtra` is raised, and what is no `Exception`, and a
        `MemoryError` while several are in progress together: alone they may have enough.
        """
        for event in self.fit_in_blocks(fits, table):
            if isinstance(event, Together):
                yield from (event.one(place) for place in range(len(event.indices)))
            else:
                yield event

    def fit_in_blocks(self, fits: Sequence[Fit], table: Table) -> Iterator[BlockEvent]:
        """Yield what `fit` does, with one event for fits that are ready at once."""
        if self._fuse.exact and SHARED_STEPS not in self._fuse.off:
            yield from self._descend(fits, 0, table, _Past())
            return
        fusible = [fit for fit in fits if len(fit.steps) == 1 and self._fuse.exact]
        yield from self._leaves(fusible, table, _Past())
        for fit in fits:
            if len(fit.steps) > 1 or not self._fuse.exact:
                yield from _alone(fit, 0, table, _Past())

    # -- steps that transform ------------------------------------------------------------------------

    def _descend(self, fits: Sequence[Fit], depth: int, table: Table, past: _Past) -> Iterator[BlockEvent]:
        """Fit what comes from step *depth* on; all *fits* agree in the steps before it."""
        ends = [fit for fit in fits if len(fit.steps) == depth + 1]
        yield from self._leaves(ends, table, past)
        onward = _by((fit for fit in fits if len(fit.steps) > depth + 1), lambda fit: fit.tokens[depth])
        for rule, branches in self._with_rules([*onward.values()], depth, table):
            if rule is None:
                for branch in branches:
                    yield from self._branch(branch, depth, table, past)
            else:
                yield from self._together(rule, branches, depth, table, past)

    def _branch(self, fits: Sequence[Fit], depth: int, table: Table, past: _Past) -> Iterator[BlockEvent]:
        """Fit one transformer for all *fits* that begin with it, and go on."""
        if len(fits) == 1:
            yield from _alone(fits[0], depth, table, past)
            return
        yield Begun(indices=_indices(fits))
        began = time.perf_counter()
        try:
            with catching() as caught:
                moved = _transformed(fits[0].new_step(depth), table)
        except (MemoryError, MissingExtra):
            raise
        except Exception as error:  # noqa: BLE001 - what user code raises is the result of all that need it
            for fit in fits:
                yield Broken(index=fit.index, error=error, caught=(*past.caught, *caught))
            return
        share = (time.perf_counter() - began) / len(fits)
        further = replace(past, seconds=past.seconds + share, caught=(*past.caught, *caught))
        yield from self._descend(fits, depth + 1, moved, further.after(SHARED_STEPS, Guarantee.EXACT, len(fits)))

    def _together(
        self, rule: Transforming, branches: list[list[Fit]], depth: int, table: Table, past: _Past
    ) -> Iterator[BlockEvent]:
        """Have *rule* fit the transformers of all *branches*, and go on with each."""
        everybody = [fit for branch in branches for fit in branch]
        yield Begun(indices=_indices(everybody))
        batch = _batch(branches[0][0].paths[depth], [branch[0].steps[depth][1] for branch in branches], table)
        left = dict(enumerate(branches))
        moved = _Stream(rule.run(batch))
        share = 0.0
        while (item := moved.next()) is not None:
            at, X, sets = item
            share += moved.seconds / len(everybody)
            branch = left.pop(at)
            further = replace(past, seconds=past.seconds + share, caught=(*past.caught, *moved.caught))
            yield from self._descend(
                branch,
                depth + 1,
                replace(table, X=X, sets=sets),
                further.after(rule.name, rule.guarantee, len(everybody)),
            )
        reported = replace(past, caught=(*past.caught, *moved.report(rule)))
        for branch in left.values():
            yield from self._branch(branch, depth, table, reported)

    # -- steps that predict --------------------------------------------------------------------------

    def _leaves(self, fits: Sequence[Fit], table: Table, past: _Past) -> Iterator[BlockEvent]:
        for rule, members in self._with_rules([[fit] for fit in fits], -1, table):
            flat = [fit for member in members for fit in member]
            if rule is None:
                for fit in flat:
                    yield from _alone(fit, len(fit.steps) - 1, table, past)
            else:
                yield from self._predict(rule, flat, table, past)

    def _predict(self, rule: Predicting, fits: list[Fit], table: Table, past: _Past) -> Iterator[BlockEvent]:
        """Have *rule* carry out *fits*; what it leaves out is fitted alone."""
        yield Begun(indices=_indices(fits))
        batch = _batch(fits[0].paths[-1], [fit.steps[-1][1] for fit in fits], table)
        fused = past.after(rule.name, rule.guarantee, len(fits)).fusion
        left = dict(enumerate(fits))
        sources = _Stream(rule.run(batch))
        shared: float | None = None
        while (item := sources.next()) is not None:
            positions = item.positions if isinstance(item, Block) else item[:1]
            ready = [left.pop(at) for at in positions]
            own = 0.0 if shared is None else sources.seconds / len(ready)
            shared = sources.seconds / len(fits) if shared is None else shared
            further = replace(past, seconds=past.seconds + shared + own, caught=(*past.caught, *sources.caught))
            yield _answered(item, ready, table, further, fused)
        reported = replace(past, caught=(*past.caught, *sources.report(rule)))
        for fit in left.values():
            yield from _alone(fit, len(fit.steps) - 1, table, reported)

    # -- rules ---------------------------------------------------------------------------------------

    def _with_rules(
        self, branches: list[list[Fit]], depth: int, table: Table
    ) -> Iterator[tuple[Any, list[list[Fit]]]]:
        """Yield (rule, branches that it computes together), and (None, branches that no rule is for)."""
        alone: list[list[Fit]] = []
        grouped: dict[int, _Group] = {}
        size = table.size
        for branch in branches:
            placed = self._placed(branch[0], depth, size)
            if placed.rule is None:
                alone.append(branch)
                continue
            group = grouped.setdefault(placed.group, _Group(rule=placed.rule))
            group.branches.append(branch)
            group.placed.append(placed)
        for group in grouped.values():
            if len(group.branches) > 1 and self.placing.is_worth_it(group.placed, size):
                yield group.rule, group.branches
            else:
                alone += group.branches
        if alone:
            yield None, alone

    def _placed(self, fit: Fit, depth: int, size: FitSize) -> Placed:
        path, estimator = fit.paths[depth], fit.steps[depth][1]
        if fit.renew is None or depth != -1:
            return self.placing.of(path, estimator, size)
        return self.placing.known(fit, path, estimator, size)


@dataclass(slots=True)
class _Group:
    """Branches that one rule may compute together, and where the step is placed that it is about."""

    rule: Rule
    branches: list[list[Fit]] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)


class _Stream:
    """
    What a rule yields, taken one by one: with the seconds and the warnings of each step.

    An error of the rule ends it; `report` tells of errors that no rule should raise.
    """

    def __init__(self, items: Iterator[Item]) -> None:
        self._items: Any = items
        self.seconds = 0.0
        self.caught: Caught = ()
        self._error: Exception | None = None

    def next(self) -> Any:
        """Return the next item, None at the end."""
        began = time.perf_counter()
        try:
            with catching() as caught:
                return next(self._items, None)
        except (MemoryError, MissingExtra):
            raise
        except Exception as error:  # noqa: BLE001 - a rule that fails must not cost a result
            self._error = error
            return None
        finally:
            self.seconds, self.caught = time.perf_counter() - began, tuple(caught)

    def report(self, rule: Rule) -> Caught:
        """Return a warning about the rule when it failed without saying why it cannot be applied."""
        if self._error is None or isinstance(self._error, CannotFuse):
            return ()
        text = f"rule {rule.name} failed, fitted alone: {told(type(self._error).__name__, self._error)}"
        return (warnings.WarningMessage(RuntimeWarning(text), RuntimeWarning, "", 0),)


def _alone(fit: Fit, depth: int, table: Table, past: _Past) -> Generator[Event, None, None]:
    """Fit the steps from *depth* on as a pipeline of scikit-learn would; *table* is what comes before them."""
    yield Begun(indices=(fit.index,))
    chain = Chain(steps=[(fit.steps[at][0], fit.new_step(at)) for at in range(depth, len(fit.steps))])
    caught: Caught = ()
    began = time.perf_counter()
    try:
        with catching() as caught:
            chain.fit(table.X, table.y)
        seconds = time.perf_counter() - began
        with catching() as more:
            answers = {
                name: Responses(chain.final, chain.transform(X), table.n_classes) for name, X in table.sets.items()
            }
    except MissingExtra:
        raise
    except Exception as error:  # noqa: BLE001 - whatever user code raises is the result of the fit
        yield Broken(index=fit.index, error=error, caught=(*past.caught, *caught))
        return
    yield Fitted(
        index=fit.index,
        answers=answers,
        seconds=past.seconds + seconds,
        caught=(*past.caught, *caught, *more),
        fusion=past.fusion,
        chain=chain if depth == 0 else None,
        final=chain.final,
    )


def _answered(
    item: Any, fits: Sequence[Fit], table: Table, past: _Past, fusion: Mapping[str, Any]
) -> Fitted | Together:
    """Return what a rule has yielded for *fits*, a block or the answers of one, as an event."""
    if isinstance(item, Block):
        estimators = [fit.steps[-1][1] for fit in fits]
        together = {name: BlockResponses(item, name, estimators, table.n_classes) for name in table.sets}
        return Together(
            indices=_indices(fits), answers=together, seconds=past.seconds, caught=past.caught, fusion=fusion
        )
    final = fits[0].steps[-1][1]
    answers = {name: FusedResponses(item[1], name, final, table.n_classes) for name in table.sets}
    return Fitted(index=fits[0].index, answers=answers, seconds=past.seconds, caught=past.caught, fusion=fusion)


def _transformed(transformer: Any, table: Table) -> Table:
    """Return the table after *transformer*, which is fitted on its training rows."""
    chain = Chain(steps=[("", transformer), ("", None)])
    X = chain.fit_transform(table.X, table.y)
    return replace(table, X=X, sets={name: chain.transform(rows) for name, rows in table.sets.items()})


def _batch(path: str, estimators: Sequence[Any], table: Table) -> Batch:
    return Batch(path=path, estimators=estimators, X=table.X, y=table.y, sets=table.sets)


def _by(fits: Iterator[Fit] | Sequence[Fit], key: Callable[[Fit], Hashable]) -> dict[Hashable, list[Fit]]:
    groups: dict[Hashable, list[Fit]] = {}
    for fit in fits:
        groups.setdefault(key(fit), []).append(fit)
    return groups


def _indices(fits: Sequence[Fit]) -> tuple[int, ...]:
    return tuple(fit.index for fit in fits)


@contextlib.contextmanager
def catching() -> Iterator[list[warnings.WarningMessage]]:
    """Record all warnings of a block in the list that is handed out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught
