"""The instants at which a lease wants something done: ends of tasks, of the time slice, looks at the memory."""

from manyfit.model.sweep import Limits

GRACE_SECONDS = 2.0
"""How long a runner has to react to its own alarm, and then to SIGTERM."""

_QUIET_SECONDS = 300.0
_MEMORY_SECONDS = 0.25
_SHORTEST_SLICE, _LONGEST_SLICE = 2.0, 60.0
_NEVER = float("inf")


class Watch:
    """Reckons with instants of one monotonic clock, in seconds, and does nothing."""

    def __init__(self) -> None:
        self.began_at = 0.0
        self.started_at: float | None = None
        self.terminated = False
        self.peak_bytes = 0
        self._limits = Limits()
        self._deadline = _NEVER
        self._slice_until = _NEVER
        self._slice_asked = False
        self._memory_at = 0.0

    def begin(self, now: float, limits: Limits) -> None:
        """An order begins; until its first task starts it may load data for long."""
        self.began_at, self.started_at, self.terminated, self.peak_bytes = now, None, False, 0
        self._limits = limits
        self._deadline = now + max(_QUIET_SECONDS, limits.time_seconds) + GRACE_SECONDS

    def start(self, now: float, n_tasks: int, predicted_seconds: float) -> None:
        """Tasks are in progress, with the time of *n_tasks*; with the first of a lease its time slice begins."""
        self.started_at = now
        self._deadline = now + self._limits.time_seconds * n_tasks + GRACE_SECONDS
        if self._slice_until == _NEVER:
            self._slice_until = now + min(_LONGEST_SLICE, max(_SHORTEST_SLICE, 2 * predicted_seconds))

    def go_on(self, now: float) -> None:
        """One of the tasks in progress together has ended: the next has its own time."""
        self.started_at = now
        self._deadline = now + self._limits.time_seconds + GRACE_SECONDS

    def rest(self) -> None:
        """Nothing is in progress."""
        self._deadline = _NEVER

    def give_grace(self, now: float) -> None:
        """The runner was asked to end; it has a little time to do so."""
        self.terminated, self._deadline = True, now + GRACE_SECONDS

    def seconds(self, now: float) -> float:
        """Return how long the tasks in progress have run, or else the order."""
        return now - (self.began_at if self.started_at is None else self.started_at)

    def due_in(self, now: float) -> float:
        """Return the seconds until any of the questions below changes its answer."""
        memory = self._memory_at - now if self._limits.memory_bytes is not None else _NEVER
        slice_end = _NEVER if self._slice_asked else self._slice_until - now
        return max(0.0, min(self._deadline - now, slice_end, memory))

    def late(self, now: float) -> bool:
        """Whether what is in progress has had its time."""
        return now >= self._deadline

    def slice_over(self, now: float) -> bool:
        """Whether the time slice of the lease is used up."""
        return now >= self._slice_until

    def slice_ends(self, now: float) -> bool:
        """Whether the time slice is over and nobody was told yet; True only once."""
        ends = self.slice_over(now) and not self._slice_asked
        self._slice_asked = self._slice_asked or ends
        return ends

    def memory_due(self, now: float) -> bool:
        """Whether to look at the memory now; True once for each look."""
        due = self._limits.memory_bytes is not None and now >= self._memory_at
        if due:
            self._memory_at = now + _MEMORY_SECONDS
        return due
