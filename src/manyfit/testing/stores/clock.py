"""Time that moves only when told to."""

PATIENCE = 120.0
"""Seconds after which a handle of the suite takes a silent worker for dead."""


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = 1_900_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds
