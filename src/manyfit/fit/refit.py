"""A model made again from its task alone."""

from pathlib import Path
from typing import Any

from manyfit.families.estimators import find_beside
from manyfit.fit.estimators import estimator_catalog
from manyfit.fit.pipelines import build
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.segment import SegmentHeader


def refit(header: SegmentHeader, candidate: Candidate, cell: Cell) -> Any:
    """
    Return *candidate* fitted on the training rows of *cell*, as a runner would fit it.

    The estimator predicts class codes: positions in the sorted class texts of the data. Raises
    `DataChanged` when the data is not what the sweep was planned from, and whatever the fit raises.
    """
    from manyfit.data import open_rows
    from manyfit.declare import from_json

    spec = from_json(header.spec)
    find_beside(header.folder)
    data = open_rows(spec, Path(header.folder), cell.variant, header.fingerprints.get(cell.variant, ""))
    rows = data.select(cell.split, cell.fold, cell.seed, data.columns(candidate.features), score_train=False)
    chain = build(estimator_catalog(), candidate.steps, cell.seed, rows.classes)
    chain.fit(rows.X["train"], rows.y["train"])
    return chain.estimator()
