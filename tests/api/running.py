"""Sweeps run in the process of a test, kept models included."""

import pytest
from tests.run.plans import inline, work

from manyfit import Results, Sweep
from manyfit.api.keeping import keep_models
from manyfit.fit.artifacts import FOLDER_VARIABLE


def run_here(made: Sweep, patch: pytest.MonkeyPatch) -> Results:
    """Run *made* in its folder store and keep what it wants; kept files are told to the executor by *patch*."""
    made.plan().submit()
    store = made.store()
    patch.setenv(FOLDER_VARIABLE, str(store.artifacts.folder))
    work(store, runner=inline())
    if keep_models(store, made.declared.spec.keep):
        work(store, runner=inline())
    return made.results()
