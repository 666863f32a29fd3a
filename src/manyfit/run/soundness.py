"""Judging the host of a worker by the deaths of its runners."""

from collections import Counter, deque

WINDOW = 10
"""How many of the tasks tried last are looked at."""
FEWEST_DEATHS = 3
FEWEST_PIPELINES = 2


class Soundness:
    """
    Tells a bad host from a bad pipeline.

    Runners that die on tasks of one pipeline speak against the pipeline; when they die on tasks of
    several within a few tasks, what these have in common is the host.
    """

    def __init__(self) -> None:
        self._n_tried = 0
        self._deaths: deque[tuple[int, str, str]] = deque(maxlen=WINDOW)

    def tried(self, n_tasks: int) -> None:
        """Note that the lease in which this many tasks were tried is over."""
        self._n_tried += n_tasks

    def died(self, pipeline: str, how: str, n_tried: int) -> str | None:
        """
        Note a death and return, in words, what speaks against the host; None while it is innocent.

        *n_tried* counts the tasks tried under the present lease, this one included; *how* is in words.
        """
        at = self._n_tried + n_tried
        self._deaths.append((at, pipeline, how))
        recent = [death for death in self._deaths if death[0] > at - WINDOW]
        pipelines = sorted({death[1] for death in recent})
        if len(recent) < FEWEST_DEATHS or len(pipelines) < FEWEST_PIPELINES:
            return None
        ways = Counter(death[2] for death in recent)
        told = ", ".join(f"{count} x {way}" for way, count in ways.most_common())
        of = " and ".join(pipelines)
        return f"runners died {len(recent)} times in the last {WINDOW} tasks, of {of} ({told})"
