"""With which versions results were made."""

from pathlib import Path
from typing import Any

from tests.report.sweeps import candidate, cells, new_store, run, scored, segment

from manyfit.report.environments import Made, differing, environments
from manyfit.run.identity import worker_info


def test_a_worker_tells_what_it_has() -> None:
    """Python, manyfit and the libraries that fit, with the versions that are installed."""
    import platform

    import numpy
    import sklearn

    told = worker_info(1, lambda: 0.0).libraries
    assert told["scikit-learn"] == sklearn.__version__
    assert told["numpy"] == numpy.__version__
    assert told["python"] == platform.python_version()
    assert "manyfit" in told


def made(n: int, **libraries: str) -> Made:
    return Made(
        libraries={name.replace("_", "-"): version for name, version in libraries.items()},
        n_results=n,
        hosts=("h",),
    )


def test_versions_that_differ_are_named() -> None:
    """A library that some workers lack differs too; workers that did not tell say nothing."""
    found = [made(3, numpy="2.1", scipy="1.1"), made(2, numpy="2.2", scipy="1.1", numba="0.6"), made(1)]
    assert differing(found) == {"numpy": ("2.1", "2.2"), "numba": ("absent", "0.6")}
    assert differing(found[:1]) == {}


def outcome(one: Any, place: Any) -> dict[str, Any]:
    return dict(scored(cv={"accuracy": 0.5}))


def test_results_are_told_apart_by_versions(tmp_path: Path) -> None:
    """Workers with equal versions are one; the versions of most results come first."""
    store = new_store(tmp_path, segment([candidate("a"), candidate("b"), candidate("c")], cells(), unit_size=3))
    old, new = {"numpy": "2.1"}, {"numpy": "2.2"}
    run(store, outcome, worker="w-1", host="one", units=1, libraries=old)
    run(store, outcome, worker="w-2", host="two", units=1, libraries=new)
    run(store, outcome, worker="w-3", host="three", libraries=new)
    found = environments(store)
    assert [(one.libraries, one.hosts) for one in found] == [(new, ("three", "two")), (old, ("one",))]
    assert sum(one.n_results for one in found) == store.snapshot().counts.done
    assert found[0].n_results > found[1].n_results
