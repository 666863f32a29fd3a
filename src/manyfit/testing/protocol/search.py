"""Breadth-first search through every reachable state, so that a counterexample is as short as can be."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from manyfit.testing.protocol.laws import broken_by_step, broken_in
from manyfit.testing.protocol.state import Accepted, Design, Scope, State, accepted, initial, is_complete
from manyfit.testing.protocol.steps import Name, steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """
    What a search found. `problem` is the broken law (None: none), `trace` the steps that lead to it.

    `cut_short` says that `limit` states were visited before the search was through.
    """

    n_states: int
    seconds: float
    problem: str | None = None
    trace: tuple[Name, ...] = ()
    cut_short: bool = False


@dataclass(slots=True, kw_only=True)
class _Graph:
    """States by number in the order they were found, each with how it was reached and what follows."""

    numbers: dict[State, int] = field(default_factory=dict)
    reached: list[tuple[int, Name]] = field(default_factory=list)
    taken: list[frozenset[Accepted]] = field(default_factory=list)
    leads_to: list[list[int]] = field(default_factory=list)

    def add(self, state: State, taken: frozenset[Accepted], origin: int, step: Name) -> int:
        number = len(self.numbers)
        self.numbers[state] = number
        self.reached.append((origin, step))
        self.taken.append(taken)
        self.leads_to.append([])
        return number

    def trace(self, number: int) -> tuple[Name, ...]:
        names = []
        while number:
            number, name = self.reached[number]
            names.append(name)
        return tuple(reversed(names))


def explore(scope: Scope, design: Design, *, clock: Callable[[], float], limit: int = 5_000_000) -> Verdict:
    """Visit every state that *scope* allows under *design*, until a law is broken or *limit* are seen."""
    began, graph = clock(), _Graph()
    problem, trace, cut_short = _search(scope, design, graph, limit)
    if problem is None and not cut_short:
        problem, trace = _without_way_out(scope, graph)
    return Verdict(
        n_states=len(graph.numbers),
        seconds=clock() - began,
        problem=problem,
        trace=trace,
        cut_short=cut_short,
    )


def _search(scope: Scope, design: Design, graph: _Graph, limit: int) -> tuple[str | None, tuple[Name, ...], bool]:
    start = initial(scope)
    graph.add(start, accepted(start, design), 0, ())
    waiting = deque([start])
    while waiting:
        state = waiting.popleft()
        number = graph.numbers[state]
        for step, after in steps(state, scope, design):
            known = graph.numbers.get(after)
            taken = accepted(after, design) if known is None else graph.taken[known]
            problem = broken_by_step(state, after, graph.taken[number], taken)
            if known is None and problem is None:
                known = graph.add(after, taken, number, step)
                waiting.append(after)
                problem = broken_in(after, taken, scope, design)
            if problem is not None:
                return problem, (*graph.trace(number), step), False
            assert known is not None
            graph.leads_to[number].append(known)
        if len(graph.numbers) > limit:
            return None, (), True
    return None, (), False


def _without_way_out(scope: Scope, graph: _Graph) -> tuple[str | None, tuple[Name, ...]]:
    """Check law 4: from every state with an epoch to spare, completion can be reached."""
    comes_from: list[list[int]] = [[] for _ in graph.numbers]
    for number, following in enumerate(graph.leads_to):
        for other in following:
            comes_from[other].append(number)
    ways = [n for state, n in graph.numbers.items() if is_complete(state, graph.taken[n])]
    hopeful = set(ways)
    while ways:
        for other in comes_from[ways.pop()]:
            if other not in hopeful:
                hopeful.add(other)
                ways.append(other)
    for state, number in graph.numbers.items():
        if number not in hopeful and all(epoch.number < scope.n_epochs - 1 for epoch in state.epochs):
            return "4: completion cannot be reached any more", graph.trace(number)
    return None, ()
