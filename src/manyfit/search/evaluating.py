"""One evaluation of a search from beginning to end: where it runs, and what is shown meanwhile."""

from dataclasses import replace
from typing import Any

from manyfit.search.evaluation import Evaluation, Row
from manyfit.search.pools import n_runners
from manyfit.search.remembering import remembers
from manyfit.search.running import Running
from manyfit.search.showing import Showing


def evaluated(evaluation: Evaluation, search: Any) -> list[Row]:
    """Return what became of each task; *search* says how many runners, which store and what to show."""
    runners = n_runners(search.n_jobs)
    if search.n_jobs in (None, 1) and search.store is None and remembers(evaluation):
        # with these n_jobs scikit-learn makes all fits here, one after the other
        runners, evaluation = 1, replace(evaluation, fuse=None)
    with Showing(evaluation, verbose=search.verbose, progress=search.progress) as showing:
        note = showing.note if showing.shows else None
        if search.store is not None:
            from manyfit.search.durable import run_durable

            return run_durable(evaluation, search.store, n_runners=runners, note=note)
        return Running(evaluation, n_runners=runners, note=note).run()
