"""Patience with a store in trouble."""

from collections.abc import Callable
from typing import TypeVar

from manyfit.model.errors import StoreCorrupt, StoreError, StoreFull, StoreUnsuitable
from manyfit.run.departure import Departure

Answer = TypeVar("Answer")

_MOST_ERRORS = 6
_FIRST_WAIT, _LONGEST_WAIT, _MOST_DOUBLINGS = 0.25, 10.0, 6


class Patience:
    """
    Waits for space while the store is full, and tries other errors a few times.

    *meanwhile* is called between tries: the worker is alive and says so.
    """

    def __init__(self, departure: Departure, log: Callable[[str], None], meanwhile: Callable[[], None]) -> None:
        self._departure = departure
        self._log = log
        self._meanwhile = meanwhile

    def __call__(self, action: Callable[[], Answer]) -> Answer:
        """
        Return what *action* returns; it may be called several times.

        Raises the `StoreError` when it stays, or when the worker has to leave meanwhile.
        """
        n_errors = 0
        while True:
            try:
                return action()
            except (StoreCorrupt, StoreUnsuitable):
                raise
            except StoreError as error:
                n_errors += 1
                hopeless = n_errors >= _MOST_ERRORS and not isinstance(error, StoreFull)
                if hopeless or self._departure.why is not None:
                    raise
                wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2 ** min(n_errors, _MOST_DOUBLINGS))
                self._log(f"{error}; the worker waits {wait:g} s and tries again")
            self._departure.wait(wait)
            self._meanwhile()
