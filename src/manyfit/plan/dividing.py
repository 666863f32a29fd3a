"""Dividing tasks that share work into pieces for workers, so that little is computed twice and nobody idles."""

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from manyfit.plan.sharing import Begun, Cohort, Sharing, begin
from manyfit.plan.table import TaskTable

CHEAP = 1.1
"""A cohort is divided when its parts together cost at most this many times the whole."""
DEAR = 1.5
"""What a division may cost at most that keeps workers from waiting for the last one."""
IDLE = 1.02
"""A division that is made for that reason has to shorten the whole by this factor."""
ALIKE = 0.95
"""Pieces that are shorter than the last one by less than this are as much to blame as it is."""
MOST_PIECES = 2_000
"""With more pieces than this, whoever ends last ends soon enough."""
MOST_ROUNDS = 64
NUMBERS_OF_PARTS = (2, 3, 4, 6, 8, 12, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """
    Rows of a table that one unit runs, in order, and their predicted seconds.

    `final` says that it must not be divided any further.
    """

    pipeline: str
    rows: Sequence[int]
    seconds: float
    final: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """
    Limits of pieces: predicted seconds, unless one cohort alone is longer, and tasks in any case.

    Of a table with `n_rows` the last third is divided more finely, so that workers end together.
    """

    target: float
    smallest: float
    n_tasks: int
    n_rows: int

    def seconds_at(self, done: int) -> float:
        """Return the limit of a piece that begins after *done* rows."""
        share = 1 if done < 0.7 * self.n_rows else 4 if done < 0.9 * self.n_rows else 16
        return max(self.target / share, self.smallest)


@dataclass(slots=True, kw_only=True)
class Divider:
    """Divides one table whose tasks share work."""

    sharing: Sharing
    table: TaskTable
    pipeline: str

    def pieces(self, bounds: Bounds) -> Iterator[Piece]:
        """Yield all rows of the table as pieces, within bounds that depend on how many are done."""
        filling = _Filling(self, bounds)
        for cohort in self.sharing.cohorts(self.table):
            if self.sharing.all_groups[cohort.group].rule is None:
                yield from filling.take_alone(cohort)
            else:
                yield from filling.take(cohort, self._parts(cohort, filling.seconds_for(cohort), bounds.n_tasks))
        if filling.rows:
            yield filling.emptied()

    def _parts(
        self, cohort: Cohort, most_seconds: float, most_tasks: int
    ) -> Iterator[tuple[Sequence[int], float]]:
        """
        Yield the cohort as a whole, or in the parts that it has to be divided into.

        With each come its predicted seconds, the steps before it not counted.
        """
        stage = self.sharing.chain_seconds(cohort.stage, cohort.n_train)
        whole = self.sharing.seconds(self.table, cohort)
        least = -(-len(cohort.rows) // most_tasks)
        if stage + whole <= most_seconds and least == 1:
            yield cohort.rows, whole
            return
        for n_parts in _falling(min(len(cohort.rows), int((stage + whole) / most_seconds) + 1), least):
            parts = self._cohort_in_parts(cohort, n_parts)
            seconds = sum(cost for _, cost in parts) + len(parts) * stage
            if n_parts <= least or seconds <= CHEAP * (stage + whole):
                yield from parts
                return

    def _cohort_in_parts(self, cohort: Cohort, n_parts: int) -> list[tuple[Sequence[int], float]]:
        """
        Return a cohort in parts of about equal stand-alone seconds, and the predicted seconds of each.

        It is divided by the length of its fits or in the order of the plan, whichever costs less.
        """
        found = []
        for rows in (cohort.rows, sorted(cohort.rows)):
            parts = self._slices(rows, n_parts)
            costs = [self.sharing.seconds(self.table, replace(cohort, rows=part)) for part in parts]
            found.append(list(zip(parts, costs, strict=True)))
        return min(found, key=lambda parts: sum(cost for _, cost in parts))

    def divided(self, piece: Piece, n_parts: int) -> list[Piece]:
        """Return *piece* in parts that are not divided further; as it is where that would cost too much."""
        if piece.final or len(piece.rows) < 2:
            return [piece]
        ways = [self._pieces(self._slices(rows, n_parts)) for rows in (piece.rows, sorted(piece.rows))]
        made = min(ways, key=_total)
        return made if _total(made) <= DEAR * piece.seconds else [piece]

    def _pieces(self, parts: Sequence[Sequence[int]]) -> list[Piece]:
        return [Piece(pipeline=self.pipeline, rows=rows, seconds=self.seconds(rows), final=True) for rows in parts]

    def seconds(self, rows: Sequence[int]) -> float:
        """Return the predicted seconds of these rows as one piece."""
        total, begun, cell = 0.0, None, -1
        for cohort in self.sharing.cohorts(self.table, rows):
            if cohort.cell != cell:
                begun, cell = begin(self.sharing, cohort), cohort.cell
            total += self.sharing.seconds(self.table, cohort) + (begun.add(cohort.stage) if begun else 0.0)
        return total

    def _slices(self, rows: Sequence[int], n_parts: int) -> list[Sequence[int]]:
        """Return *rows* in at most *n_parts* parts of about equal stand-alone seconds, in their order."""
        if n_parts <= 1:
            return [rows]
        cells, candidates = self.table.cells, self.table.candidates
        by_cell = {cell: self.sharing.own[self.sharing.n_trains[cell]] for cell in {cells[row] for row in rows}}
        ends = list(itertools.accumulate(by_cell[cells[row]][candidates[row]] for row in rows))
        parts: list[list[int]] = [[] for _ in range(n_parts)]
        begin = 0.0
        for done, (row, end) in enumerate(zip(rows, ends, strict=True)):
            middle = (begin + end) / 2 / ends[-1] if ends[-1] > 0 else done / len(rows)
            parts[min(n_parts - 1, int(n_parts * middle))].append(row)
            begin = end
        return [part for part in parts if part]


def _total(pieces: Sequence[Piece]) -> float:
    return sum(piece.seconds for piece in pieces)


@dataclass(slots=True)
class _Filling:
    """The piece that is being filled, and how many rows are in it and in those before it."""

    divider: Divider
    bounds: Bounds
    rows: list[int] = field(default_factory=list)
    seconds: float = 0.0
    done: int = 0
    _cell: int = -1
    _begun: Begun | None = None

    def seconds_for(self, cohort: Cohort) -> float:
        """Return how long a piece may be in which the steps before *cohort* are a small part of the whole."""
        stage = self.divider.sharing.chain_seconds(cohort.stage, cohort.n_train)
        return max(self.bounds.seconds_at(self.done), stage / (CHEAP - 1))

    def take(self, cohort: Cohort, parts: Iterable[tuple[Sequence[int], float]]) -> Iterator[Piece]:
        """Add parts of a cohort, and yield what is full."""
        for rows, seconds in parts:
            if self.rows and not self._has_room(cohort, len(rows), seconds):
                yield self.emptied()
            self._begin(cohort)
            self.rows.extend(rows)
            self.seconds += seconds
            self.done += len(rows)

    def take_alone(self, cohort: Cohort) -> Iterator[Piece]:
        """Add fits that share nothing but the steps before them, and yield what is full."""
        own, candidates = self.divider.sharing.own[cohort.n_train], self.divider.table.candidates
        stage = self.divider.sharing.chain_seconds(cohort.stage, cohort.n_train)
        if self.rows and not self._has_room(cohort, 1, own[candidates[cohort.rows[0]]]):
            yield self.emptied()
        self._begin(cohort)
        for row in cohort.rows:
            seconds = own[candidates[row]]
            most = max(self.bounds.seconds_at(self.done), stage / (CHEAP - 1))
            if self.rows and (self.seconds + seconds > most or len(self.rows) >= self.bounds.n_tasks):
                yield self.emptied()
                self._begin(cohort)
            self.rows.append(row)
            self.seconds += seconds
            self.done += 1

    def _has_room(self, cohort: Cohort, n_rows: int, seconds: float) -> bool:
        known = self._begun is not None and self._cell == cohort.cell and cohort.stage in self._begun.stages
        stage = 0.0 if known else self.divider.sharing.chain_seconds(cohort.stage, cohort.n_train)
        fits = self.seconds + stage + seconds <= self.seconds_for(cohort)
        return fits and len(self.rows) + n_rows <= self.bounds.n_tasks

    def _begin(self, cohort: Cohort) -> None:
        """Count the steps before *cohort*, unless this piece has them already."""
        if self._begun is None or self._cell != cohort.cell:
            self._begun, self._cell = begin(self.divider.sharing, cohort), cohort.cell
        self.seconds += self._begun.add(cohort.stage)

    def emptied(self) -> Piece:
        made = Piece(pipeline=self.divider.pipeline, rows=self.rows, seconds=self.seconds)
        self.rows, self.seconds, self._begun, self._cell = [], 0.0, None, -1
        return made


def _falling(most: int, least: int) -> Iterator[int]:
    """Yield numbers of parts to try: many first, each about two thirds of the one before, *least* last."""
    n_parts = most
    while n_parts > least:
        yield n_parts
        n_parts = max(least, min(n_parts - 1, n_parts * 2 // 3))
    yield least


Order = Callable[[Sequence[Piece]], list[Piece]]
"""Puts pieces into the order in which they start."""


def balanced(
    pieces: Sequence[Piece], dividers: Mapping[str, Divider], order: Order, n_workers: int
) -> list[Piece]:
    """
    Return the pieces in order, after dividing those that workers would wait for at the end.

    Pieces that are cheap to divide are of a good size already. What is left are few and long ones: five on two
    workers, or one on many. Dividing them costs work, so it is done only where the whole ends sooner.
    """
    ordered = order(pieces)
    for _ in range(MOST_ROUNDS if n_workers > 1 and len(pieces) <= MOST_PIECES else 0):
        span, last = _span(ordered, n_workers)
        if last is None or span <= IDLE * _total(ordered) / n_workers:
            break
        options = [order(one) for one in _options(ordered, last, dividers, n_workers)]
        best = min(options, key=lambda one: _span(one, n_workers)[0], default=ordered)
        if _span(best, n_workers)[0] * IDLE > span:
            break
        ordered = best
    return ordered


def _options(
    pieces: Sequence[Piece], last: Piece, dividers: Mapping[str, Divider], n_workers: int
) -> Iterator[list[Piece]]:
    """Yield the pieces with the one that ends last in parts, and with all that are as long in parts."""
    like = {id(piece) for piece in pieces if piece.seconds >= ALIKE * last.seconds}
    for chosen in ({id(last)}, like):
        for n_parts in (n for n in NUMBERS_OF_PARTS if n <= n_workers + 1):
            found: list[Piece] = []
            for piece in pieces:
                divider = dividers.get(piece.pipeline) if id(piece) in chosen else None
                found += [piece] if divider is None else divider.divided(piece, n_parts)
            yield found


def _span(pieces: Sequence[Piece], n_workers: int) -> tuple[float, Piece | None]:
    end, at = makespan([piece.seconds for piece in pieces], n_workers)
    return end, pieces[at] if pieces else None


def makespan(seconds: Sequence[float], n_workers: int) -> tuple[float, int]:
    """Return when the last of *n_workers* ends that take pieces in this order, and which piece it ends with."""
    free = [0.0] * max(1, n_workers)
    end, last = 0.0, -1
    for at, length in enumerate(seconds):
        ended = heapq.heappop(free) + length
        heapq.heappush(free, ended)
        if ended > end:
            end, last = ended, at
    return end, last
