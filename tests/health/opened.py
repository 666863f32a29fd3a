"""Stores that a test opens by the import path of a function; light, since the time of the import counts."""

import time


class HangingStore:
    """A store that stops to answer once it is open."""

    url = "hanging"

    def __getattr__(self, name: str) -> object:
        time.sleep(3600)
        return None


class TalkingStore:
    """A store with nothing in it but a name."""

    url = "talking"


def hanging(target: str) -> None:
    """Open a store that does not answer."""
    time.sleep(3600)


def hanging_later(target: str) -> HangingStore:
    return HangingStore()


def talking(target: str) -> TalkingStore:
    """Open a store with a library that writes to stdout, and something of the form of a finding at that."""
    print('{"end": true}', flush=True)
    return TalkingStore()


def broken(target: str) -> None:
    """Fail to open a store in a way that nobody thought of."""
    raise RuntimeError("no idea")


class ConfusedStore:
    """A store whose files make no sense."""

    url = "confused"

    def entries(self, since: int = 0) -> None:
        raise KeyError("position")


def confused(target: str) -> ConfusedStore:
    return ConfusedStore()
