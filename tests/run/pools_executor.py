"""An executor for tests whose tasks look at the thread pools of numerical libraries, and change them."""

import time
from collections.abc import Iterator

import sklearn.linear_model  # noqa: F401 - loads BLAS and OpenMP in the template
import threadpoolctl

from manyfit.contracts.executor import Finished, Started, Work
from manyfit.model.segment import SegmentHeader


def pools(header: SegmentHeader) -> "Pools":
    """Return the executor."""
    return Pools()


class Pools:
    """Scores are the number of pools and their most threads; `set` then changes them for good."""

    def execute(self, work: Work) -> Iterator[Started | Finished]:
        for task in work.tasks:
            yield Started(indices=[task.index])
            found = threadpoolctl.threadpool_info()
            number = task.candidate.steps[-1].params.get("set")
            if number:
                threadpoolctl.threadpool_limits(number)
                time.sleep(0.002)
            most = max(pool["num_threads"] for pool in found)
            yield Finished(index=task.index, body={"scores": {"cv": {"threads": most, "pools": len(found)}}})
