"""Having the tasks of an evaluation carried out: here, or by the pool, or here while the pool warms up."""

import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import UserError, told
from manyfit.model.keys import CandidateKey, CellKey, TaskKey
from manyfit.model.result import FailureClass
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Limits
from manyfit.model.unit import Mode
from manyfit.run.pool import Pool, Round
from manyfit.search import payload
from manyfit.search.bodies import scored_of
from manyfit.search.dividing import Dividing, Portion
from manyfit.search.evaluation import Evaluation, Row, Scored, ScoredTogether, Scores, Warned
from manyfit.search.executor import EXECUTOR
from manyfit.search.fitting import Began, Fitting, Ready, ReadyTogether
from manyfit.search.pools import discard, is_warm, shared_pool

SMALL_SECONDS = 0.5
"""What is predicted to take less is done in this process; what then takes longer goes on in the pool."""
WARM_SECONDS = 0.1
"""The same where the pool is warm already."""
HANDING_SECONDS = 1e-4
"""What it takes to hand one task to the pool and its scores back."""
_UNLIMITED = Limits(time_seconds=1e8)
_MOST_DISAGREEMENTS = 3
"""So many tasks that fail in a runner and not here mean that the runners cannot do this search."""
_KILLED = frozenset({FailureClass.CRASH, FailureClass.OOM, FailureClass.TIMEOUT})
_CANDIDATE = Candidate(key=CandidateKey(""), pipeline="", steps=(), shown={})
_CELL = Cell(key=CellKey(""), split="", fold=None, seed=0)

Note = Callable[[int, Scored], None]


class Unsuitable(Exception):
    """The pool cannot do the work; the message says why. It is done in this process then."""


class Running:
    """
    The tasks of one evaluation and what became of them so far.

    `note` is called for each task as it ends, in any order; None: nobody looks.
    Leaves no process at work behind, whatever happens.
    """

    def __init__(self, evaluation: Evaluation, *, n_runners: int, note: Note | None) -> None:
        self._evaluation = evaluation
        self._n_runners = n_runners
        self._note = note
        self._fitting = Fitting(evaluation, separate=False)
        self._registry: dict[Any, Any] = {}
        self._n_disagreements = 0
        self.found: dict[int, Row] = {}

    def run(self) -> list[Row]:
        """Return what became of each task. Raises what scikit-learn's search would raise."""
        if self._n_runners == 1 or self._evaluation.n_tasks < 2:
            self._run_here()
        else:
            self._run_divided()
        return self.results()

    def dividing(self) -> Dividing:
        """Return what divides the tasks among runners."""
        return Dividing(self._evaluation, self._fitting)

    def results(self) -> list[Row]:
        """Return what became of each task, once all have ended."""
        return [self.found[index] for index in range(self._evaluation.n_tasks)]

    def accept(self, index: int, scored: Scored) -> None:
        """Note what became of a task, and give its warnings."""
        self.found[index] = scored.row()
        self._warn(scored.warned)
        if self._note is not None:
            self._note(index, scored)

    def accept_together(self, indices: Sequence[int], scored: ScoredTogether) -> None:
        """Note what became of several tasks, and give the warnings of each."""
        self.found.update(zip(indices, scored.rows(), strict=True))
        for place, index in enumerate(indices) if scored.warned or self._note is not None else ():
            self._warn(scored.warned)
            if self._note is not None:
                self._note(index, scored.one(place))

    def _warn(self, warned: Sequence[Warned]) -> None:
        for one in warned:
            warnings.warn_explicit(one.text, one.category, one.filename, one.lineno, registry=self._registry)

    # -- in this process ---------------------------------------------------------------------------

    def _run_here(self, until: float | None = None) -> None:
        """
        Do all that is left here, or what can be begun before the instant *until*.

        Fits that are made alone have scikit-learn's order: their estimators and scorers may draw from a stream
        of random numbers, print, or remember what they see.
        """
        shared: list[int] = []
        alone: list[int] = []
        for index in range(self._evaluation.n_tasks):
            if index in self.found:
                continue
            candidate, _ = self._evaluation.place(index)
            (alone if self._fitting.blueprints.of(candidate) is None else shared).append(index)
        self.do(shared, until)
        for index in alone:
            if until is not None and time.monotonic() > until:
                return
            self._take_ready(self._fitting.alone(index))

    @cached_property
    def _drawing(self) -> frozenset[int]:
        """The candidates whose fits may ask the global random stream."""
        numbers = range(len(self._evaluation.candidates))
        return frozenset(number for number in numbers if self._fitting.blueprints.draws(number))

    @property
    def draws(self) -> bool:
        """Whether any fit may ask the global random stream."""
        return bool(self._drawing)

    def do(self, indices: Sequence[int], until: float | None = None) -> None:
        """Carry out tasks here; after the instant *until* no further group is begun."""
        for event in self._fitting.run(indices):
            if isinstance(event, Began):
                if until is not None and time.monotonic() > until:
                    return
            elif isinstance(event, ReadyTogether):
                self.accept_together(event.indices, event.scored)
            else:
                self._take_ready(event)

    def _take_ready(self, ready: Ready) -> None:
        if ready.scored is None:
            raise ready.error or RuntimeError("a fit ended without scores")
        self.accept(ready.index, ready.scored)

    # -- divided -----------------------------------------------------------------------------------

    def _run_divided(self) -> None:
        dividing = self.dividing()
        portions = dividing.portions(self._n_runners)
        small = min(SMALL_SECONDS, WARM_SECONDS) if is_warm(self._n_runners) else SMALL_SECONDS
        small += HANDING_SECONDS * self._evaluation.n_tasks
        if sum(portion.seconds for portion in portions) < small:
            with one_thread():
                self._run_here(None if self.draws else time.monotonic() + small)
        if left := self._left(portions):
            self._run_pooled(left)

    def _left(self, portions: Sequence[Portion]) -> list[Portion]:
        """Return what no task has become of yet."""
        left = []
        for portion in portions:
            indices = tuple(index for index in portion.indices if index not in self.found)
            if indices:
                share = portion.seconds * len(indices) / len(portion.indices)
                left.append(Portion(indices=indices, seconds=share))
        return left

    def _run_pooled(self, portions: list[Portion]) -> None:
        """Have the pool do *portions*; what it cannot do is done here."""
        seed = int(np.random.randint(2**31 - 1)) if self.draws else None
        try:
            with self._shared(replace(self._evaluation, seed=seed)) as path:
                self._pool_round(portions, path, helping=not self.draws)
        except Unsuitable:
            with one_thread():
                self._run_here()

    @contextmanager
    def _shared(self, evaluation: Evaluation) -> Iterator[str]:
        try:
            block = payload.shared(evaluation)
            path = block.__enter__()
        except Exception as error:
            raise Unsuitable(f"it cannot be pickled: {error}") from error
        try:
            yield path
        finally:
            block.__exit__(None, None, None)

    def _pool_round(self, portions: list[Portion], path: str, *, helping: bool) -> None:
        header = SegmentHeader(
            sweep="search", executor=EXECUTOR, spec={"payload": path, "path": list(sys.path)}, limits=_UNLIMITED
        )
        works = [_work(header, portion.indices) for portion in portions]
        try:
            pool = shared_pool(self._n_runners)
            round_ = pool.run(works, costs=[portion.seconds for portion in portions])
        except UserError as error:
            discard(self._n_runners)
            raise Unsuitable(str(error)) from error
        try:
            if helping:
                self._help(pool, round_)
            self._follow(round_)
        finally:
            round_.cancel()

    def _help(self, pool: Pool, round_: Round) -> None:
        """Do the smallest portions here until a runner is warm."""
        with one_thread():
            while not pool.ready() and (work := round_.take()) is not None:
                self.do([task.index for task in work.tasks])
                for index, body in round_.poll():
                    self.take_body(index, body)

    def _follow(self, round_: Round) -> None:
        bodies = iter(round_)
        while True:
            try:
                index, body = next(bodies)
            except StopIteration:
                return
            except UserError as error:
                discard(self._n_runners)
                raise Unsuitable(str(error)) from error
            self.take_body(index, body)

    def take_body(self, index: int, body: Mapping[str, Any]) -> None:
        """Note the result body of a task from a runner. Raises what scikit-learn's search would raise."""
        if "failure" not in body:
            self.accept(index, scored_of(body))
            return
        failure = body["failure"]
        if FailureClass(failure["cls"]) in _KILLED:
            self.accept(index, self._killed(told(failure["error"], failure["message"])))
            return
        # The error is to be raised by the code that raises it, so that it is the very same one.
        self._n_disagreements += 1
        with one_thread():
            self._take_ready(self._fitting.alone(index))
        if self._n_disagreements >= _MOST_DISAGREEMENTS:
            raise Unsuitable(told(failure["error"], failure["message"]))

    def _killed(self, words: str) -> Scored:
        """Return the scores of a fit that took its process down: it has failed like one that raised."""
        evaluation = self._evaluation
        if evaluation.error_score == "raise":
            raise UserError(f"a fit ended its process: {words}")
        names = getattr(evaluation.scorer, "_scorers", None)
        error: Scores = evaluation.error_score if names is None else dict.fromkeys(names, evaluation.error_score)
        train = error if evaluation.return_train_score else None
        return Scored(test=error, train=train, fit_seconds=0.0, score_seconds=0.0, fit_error=f"{words}\n")


def _work(header: SegmentHeader, indices: Sequence[int]) -> Work:
    tasks = [WorkTask(index=index, key=TaskKey(""), candidate=_CANDIDATE, cell=_CELL) for index in indices]
    return Work(header=header, mode=Mode.FIT, tasks=tasks, inputs={})


_controller: tuple[int, ThreadpoolController] | None = None


@contextmanager
def one_thread() -> Iterator[None]:
    """Hold the numerical libraries of this process to one thread for the length of the block."""
    global _controller
    if _controller is None or _controller[0] != len(sys.modules):
        _controller = (len(sys.modules), ThreadpoolController())
    with _controller[1].limit(limits=1):
        yield
