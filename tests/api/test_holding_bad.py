"""A pipeline most of whose fits diverge is held while the sweep runs, where the sweep asks for it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.report.sweeps import candidate, cells, new_store, run, scored, segment

from manyfit import connect
from manyfit.api.driver import Drive, DriveOptions
from manyfit.model.segment import Segment
from manyfit.run.control import held, hold_once, pause, resume
from manyfit.stores.directory import DirectoryStore


def planned(*, hold: bool) -> Segment:
    from dataclasses import replace

    several = [candidate("net", C=n) for n in range(8)] + [candidate("good", C=n) for n in range(8)]
    made = segment(several, cells(3), unit_size=4)
    return replace(made, header=replace(made.header, spec={"rank_by": "accuracy", "checks": {"hold": hold}}))


def outcome(of: Any, on: Any) -> Any:
    return scored(cv={"accuracy": 0.5, "r2": -1e9 if of.pipeline == "net" else 0.5})


@dataclass
class NoWorkers:
    """A pool whose workers have all ended."""

    processes: tuple[Any, ...] = ()

    def poll(self) -> int:
        return 0

    def stop(self) -> None:
        return None


def look_at(store: DirectoryStore) -> list[Any]:
    """Watch *store* for one look; return the looks."""
    looks: list[Any] = []
    address = connect.parse(store.url, Path.cwd())
    drive = Drive(store, address, DriveOptions(n_workers=1), on_look=looks.append, compacting=False)
    drive.watch(NoWorkers())  # type: ignore[arg-type]
    return looks


@pytest.mark.parametrize("hold", [True, False])
def test_a_diverging_pipeline_is_held(tmp_path: Path, hold: bool) -> None:
    """After ten fits, with the reason; the display says it in any case, and other pipelines go on."""
    store = new_store(tmp_path, planned(hold=hold))
    run(store, outcome, units=3)
    (look,) = look_at(store)
    n = 12
    assert look.checks == [f"{n} of {n} fits of pipeline net diverged"]
    assert held(store) == ({"net": f"{n} of its first {n} fits diverged"} if hold else {})
    assert run(store, outcome, worker="w-2") == (6 if hold else 9), "units that can be claimed"


def test_what_was_resumed_is_not_held_again(tmp_path: Path) -> None:
    """A person knows better, and so does one who paused it before."""
    store = new_store(tmp_path, planned(hold=True))
    run(store, outcome, units=3)
    look_at(store)
    resume(store, "net")
    look_at(store)
    assert held(store) == {}
    assert not hold_once(store, "net", "again")
    pause(store, "good", "mine")
    assert not hold_once(store, "good", "again")
    assert held(store) == {"good": "mine"}


def test_a_pipeline_with_nothing_left_is_not_held(tmp_path: Path) -> None:
    """There is no waste to stop any more."""
    store = new_store(tmp_path, planned(hold=True))
    run(store, outcome)
    look_at(store)
    assert held(store) == {}
