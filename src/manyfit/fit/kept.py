"""Kept models as results name them: bundles, and the plain skops files of earlier versions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from manyfit.fit import bundles
from manyfit.fit.environment import environment
from manyfit.fit.manifests import Scores, manifest_of, trained_from
from manyfit.fit.models import foreign_types, model_of
from manyfit.fit.rows import Rows, Selection
from manyfit.fit.trained import Trained
from manyfit.model.candidate import Candidate, Cell
from manyfit.model.errors import Refused
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Problem, SweepSpec

BUNDLE = "bundle"
"""The format of a reference to a bundle; "skops" is that of one to a plain skops file."""


@dataclass(frozen=True, kw_only=True)
class Keeper:
    """Makes the bundles of one segment; `folder` is that of the sweep file, `fingerprints` are by data variant."""

    spec: SweepSpec
    folder: Path | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def environment(self) -> Mapping[str, Any]:
        """What models are made with, looked up once."""
        return environment(self.folder)

    def bundle(
        self, estimator: Any, *, data: Rows, rows: Selection, candidate: Candidate, cell: Cell, scores: Scores
    ) -> bundles.Packed:
        """Return the bundle of a model fitted on *rows*. Raises as `bundles.pack` does."""
        manifest = self.manifest(data=data, rows=rows, candidate=candidate, cell=cell, scores=scores)
        return bundles.pack(estimator, manifest, self.spec.keep.format)

    def manifest(
        self, *, data: Rows, rows: Selection, candidate: Candidate, cell: Cell, scores: Scores
    ) -> dict[str, Any]:
        """Return what describes a model fitted on *rows*."""
        return manifest_of(
            spec=self.spec,
            data=data,
            candidate=candidate,
            cell=cell,
            classes=tuple(rows.classes),
            problem=rows.problem,
            fingerprint=self.fingerprints.get(cell.variant, ""),
            environment=self.environment,
            scores=scores,
        )


def reference_to(packed: bundles.Packed) -> dict[str, Any]:
    """Return what the reference of a result says of a bundle, beside where it is."""
    found = {"format": BUNDLE, "model": packed.model["format"], "trusted": packed.model["trusted"]}
    foreign = packed.model["foreign_types"]
    return found | ({"foreign_types": foreign} if foreign else {})


def is_trusted(kept: Mapping[str, Any]) -> bool:
    """Whether the reference of a result says that its model needs no trust; the file itself decides on loading."""
    return bool(kept.get("trusted", not kept.get("foreign_types")))


def read_kept(
    content: bytes,
    kept: Mapping[str, Any],
    header: SegmentHeader,
    candidate: Candidate,
    cell: Cell,
    *,
    trust: bool = False,
) -> Trained:
    """
    Return the model that the reference *kept* of a result names. Raises `Refused` as `load_bundle` does.

    A plain skops file has no manifest: it is made from the sweep that kept it, whose data is opened for
    the types of its features.
    """
    shown, sha256 = str(kept["file"]), str(kept["sha256"])
    if kept.get("format") == BUNDLE:
        return bundles.load_bundle(content, shown, trust=trust, sha256=sha256)
    foreign = foreign_types(content, shown)
    if foreign and not trust:
        raise Refused(f"{shown} contains {', '.join(foreign)}; if you trust it, load it with trust=True")
    estimator = model_of(content, shown, sha256=sha256, trusted=foreign)
    return trained_from(_manifest_of_plain(kept, header, candidate, cell), estimator)


def _manifest_of_plain(
    kept: Mapping[str, Any], header: SegmentHeader, candidate: Candidate, cell: Cell
) -> Mapping[str, Any]:
    from manyfit.data import open_rows
    from manyfit.declare import from_json

    spec = from_json(header.spec)
    fingerprint = header.fingerprints.get(cell.variant, "")
    classes = tuple(kept.get("classes") or ())
    return manifest_of(
        spec=spec,
        data=open_rows(spec, Path(header.folder), cell.variant, fingerprint),
        candidate=candidate,
        cell=cell,
        classes=classes,
        problem=Problem.CLASSIFICATION if classes else Problem.REGRESSION,
        fingerprint=fingerprint,
        environment={"libraries": dict(kept.get("versions") or {})},
        scores={},
    )
