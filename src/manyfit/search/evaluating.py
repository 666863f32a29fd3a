"""One evaluation of a search from beginning to end: where it runs, and what is shown meanwhile."""

from dataclasses import replace
from typing import Any

from manyfit.search.evaluation import Evaluation, Row
from manyfit.search.pools import n_runners
from manyfit.search.remembering import what_remembers
from manyfit.search.running import Running
from manyfit.search.showing import Showing


def evaluated(evaluation: Evaluation, search: Any, *, first: bool = True) -> list[Row]:
    """
    Return what became of each task; *search* says how many runners, which store and what to show.

    Where it is the *first* evaluation of a search, `verbose` tells why fits are made in this process.
    """
    runners = n_runners(search.n_jobs)
    if search.n_jobs in (None, 1) and search.store is None and (named := what_remembers(evaluation)):
        if first and search.verbose > 0 and runners > 1:
            print(  # noqa: T201 - what verbose asks for
                f"{named} may keep what it sees: all fits are made in this process, one after the other;\n"
                f"n_jobs={runners} divides them, and what runners keep is lost"
            )
        # with these n_jobs scikit-learn makes all fits here, one after the other
        runners, evaluation = 1, replace(evaluation, fuse=None)
    with Showing(evaluation, verbose=search.verbose, progress=search.progress) as showing:
        note = showing.note if showing.shows else None
        if search.store is not None:
            from manyfit.search.durable import run_durable

            return run_durable(evaluation, search.store, n_runners=runners, note=note)
        return Running(evaluation, n_runners=runners, note=note).run()
