"""Finding the task that kills its runner, when several were in progress together."""

from collections import deque
from collections.abc import Container, Iterator, Sequence

Group = tuple[int, ...]


class Hunt:
    """
    Groups of tasks under suspicion; each is run in an order of its own.

    A group that died runs once more as it was: most deaths do not repeat. When it dies again it is
    split in halves, and so is each half that dies, until the killer stands alone. Nobody is charged on the way:
    of n tasks with one killer, log2(n) splits, rounded up, let all others have their results.
    """

    def __init__(self) -> None:
        self._groups: deque[Group] = deque()
        self.n_splits = 0

    def died(self, together: Sequence[int]) -> None:
        """Note that a runner died while these tasks, at least two, were in progress together."""
        group = next((group for group in self._groups if together[0] in group), None)
        if group is None:
            self._groups.append(tuple(together))
            return
        self._groups.remove(group)
        middle = (len(together) + 1) // 2
        rest = tuple(index for index in group if index not in set(together))
        parts = (tuple(together[:middle]), tuple(together[middle:]), rest)
        self._groups.extendleft(part for part in reversed(parts) if part)
        self.n_splits += 1

    def next(self, wanted: Container[int]) -> Group:
        """Return the next group to run: those of its tasks that are *wanted* still; empty when none is left."""
        while self._groups:
            group = tuple(index for index in self._groups[0] if index in wanted)
            if group:
                self._groups[0] = group
                return group
            self._groups.popleft()
        return ()

    def tasks(self) -> Iterator[int]:
        """Yield all tasks under suspicion, also those that have ended meanwhile."""
        for group in self._groups:
            yield from group
