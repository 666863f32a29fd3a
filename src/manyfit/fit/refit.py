"""A model made again from its task alone."""

import contextlib
import sys
from pathlib import Path
from typing import Any

from manyfit.families.estimators import find_beside
from manyfit.fit.calibrating import calibrated
from manyfit.fit.environment import environment
from manyfit.fit.estimators import estimator_catalog
from manyfit.fit.manifests import manifest_of, trained_from
from manyfit.fit.pipelines import build
from manyfit.fit.trained import Trained
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.segment import SegmentHeader


def refit(header: SegmentHeader, candidate: Candidate, cell: Cell) -> Any:
    """
    Return *candidate* fitted on the training rows of *cell*, as a runner would fit and keep it.

    The estimator predicts class codes: positions in the sorted class texts of the data. Raises
    `DataChanged` when the data is not what the sweep was planned from, and whatever the fit raises.
    """
    return trained_again(header, candidate, cell).estimator


def trained_again(header: SegmentHeader, candidate: Candidate, cell: Cell) -> Trained:
    """Return what `refit` fits, with all that predicting needs; its manifest has no scores."""
    from threadpoolctl import threadpool_limits

    from manyfit.data import open_rows
    from manyfit.declare import from_json

    spec = from_json(header.spec)
    folder = Path(header.folder)
    find_beside(header.folder)
    fingerprint = header.fingerprints.get(cell.variant, "")
    data = open_rows(spec, folder, cell.variant, fingerprint)
    rows = data.select(cell.split, cell.fold, cell.seed, data.columns(candidate.features), score_train=False)
    chain = build(estimator_catalog(), candidate.steps, cell.seed, rows.classes)
    # what estimators print must not stand in the output of a command
    with threadpool_limits(spec.workers.threads), contextlib.redirect_stdout(sys.stderr):
        chain.fit(rows.X["train"], rows.y["train"])
        estimator = calibrated(chain.estimator(), rows, spec.keep.calibrate)
    manifest = manifest_of(
        spec=spec,
        data=data,
        candidate=candidate,
        cell=cell,
        classes=rows.classes,
        problem=rows.problem,
        fingerprint=fingerprint,
        environment=environment(folder),
        scores={},
    )
    return trained_from(manifest, estimator)
