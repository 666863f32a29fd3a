"""The suite: all laws, and the handles that they are checked with."""

from collections.abc import Callable
from typing import ClassVar

import pytest

from manyfit.contracts.store import Store
from manyfit.stores.memory import MemoryState, MemoryStore
from manyfit.testing.stores.adopting import AdoptionSuite
from manyfit.testing.stores.attempting import AttemptSuite
from manyfit.testing.stores.claiming import ClaimSuite
from manyfit.testing.stores.clock import PATIENCE, ManualClock
from manyfit.testing.stores.completing import EndSuite
from manyfit.testing.stores.controlling import ControlSuite
from manyfit.testing.stores.cycling import CycleSuite
from manyfit.testing.stores.keeping import ArtifactSuite
from manyfit.testing.stores.limiting import LimitSuite
from manyfit.testing.stores.losing import LossSuite
from manyfit.testing.stores.needing import NeedSuite
from manyfit.testing.stores.planning import PlanSuite
from manyfit.testing.stores.reading import ReadSuite


class StoreSuite(
    PlanSuite,
    ClaimSuite,
    CycleSuite,
    NeedSuite,
    LimitSuite,
    EndSuite,
    AttemptSuite,
    LossSuite,
    ControlSuite,
    ReadSuite,
    AdoptionSuite,
    ArtifactSuite,
):
    """What every store must do. Deviations are declared, never patched over."""

    backend: ClassVar[str]
    deviations: ClassVar[dict[str, str]] = {}

    def __init_subclass__(cls) -> None:
        laws = {name for name in dir(StoreSuite) if name.startswith("test_")}
        if hidden := laws & vars(cls).keys():
            raise TypeError(f"{cls.__name__} overrides {sorted(hidden)}; declare a deviation instead")
        if unknown := cls.deviations.keys() - laws:
            raise TypeError(f"{cls.__name__} deviates from unknown laws {sorted(unknown)}")

    @pytest.fixture(autouse=True)
    def _expect_deviation(self, request: pytest.FixtureRequest) -> None:
        if reason := self.deviations.get(request.function.__name__):
            request.applymarker(pytest.mark.xfail(reason=reason, strict=True))

    @pytest.fixture
    def clock(self) -> ManualClock:
        """The clock of all handles, also their monotonic one."""
        return ManualClock()

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """
        A function that opens one more handle, of `PATIENCE`, on the same, initially empty, state.

        The sweep is called "tiny".
        """
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        return open_store()

    @pytest.fixture
    def other(self, store: Store, open_store: Callable[[], Store]) -> Store:
        """A second handle, as another process would have."""
        return open_store()

    @pytest.fixture
    def model(self, clock: ManualClock) -> Store:
        """Another, initially empty store of the same sweep, to copy from and to."""
        return MemoryStore(MemoryState(sweep="tiny"), clock=clock, monotonic=clock, patience=PATIENCE, by="model")
