"""Verifying models of a sweep: rows that they never saw, through the whole pipeline, and what came out."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from manyfit.api.choosing import Chosen, chosen_models
from manyfit.api.grounds import Drawn, Ground, Origin, Request, draw_rows, ground_of
from manyfit.contracts.store import Store
from manyfit.model.errors import UserError
from manyfit.model.keys import content_key, task_key
from manyfit.model.verification import Figures, Source, Summary, VerifiedModel, summary_to_json
from manyfit.report.verifications import Verification, store_verification

if TYPE_CHECKING:
    import polars as pl

_ID_LENGTH = 12


def requested(
    *,
    data: str | Path | None = None,
    unseen_groups: bool = False,
    unused_rows: bool = False,
    sample: str = "all",
    seed: int = 0,
    keep_seen: bool = False,
    where: str = "",
) -> Request:
    """Return the rows that are meant. Raises `UserError` unless exactly one origin is given."""
    from manyfit.data.sampling import parse_sampling

    given = {Origin.DATA: data is not None, Origin.UNSEEN_GROUPS: unseen_groups, Origin.UNUSED_ROWS: unused_rows}
    origins = [origin for origin, wanted in given.items() if wanted]
    if len(origins) != 1:
        raise UserError(
            "say which rows, in one way: --data FILE, --unseen-groups (rows of the sweep's own data whose"
            " group took no part in training) or --unused-rows (rows of it that are in no set)"
        )
    return Request(
        origin=origins[0],
        data="" if data is None else str(data),
        sampling=parse_sampling(sample),
        seed=seed,
        keep_seen=keep_seen,
        where=where,
    )


def verify(
    store: Store,
    request: Request,
    *,
    top: int | None = 1,
    task: str = "",
    split: str | None = None,
    metric: str | None = None,
    trust: bool = False,
) -> Verification:
    """
    Run rows that the chosen models never saw through their whole pipelines, and store what came out.

    The models are the *top* candidates of each split (None: all), of *split* alone if named, or the one of *task*.
    Kept models are used, others are fitted again. The same request on the same data stores nothing new. Raises
    `UserError` with every mistake of the table, and when no row is left; `NotFound`; `DataChanged`.
    """
    own = request.origin is not Origin.DATA
    chosen = chosen_models(store, top=top, task=task, split=split, metric=metric, folds=own)
    work = _Work(store=store, request=request, trust=trust)
    made = [found for found in map(work.model, chosen) if found is not None]
    if not made:
        raise UserError("; ".join(work.notes))
    return work.stored(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What came out for one model, and its rows."""

    model: VerifiedModel
    rows: "pl.DataFrame"


@dataclass(slots=True, kw_only=True)
class _Work:
    """One verification while it goes on: data is read once, and rows are drawn once for fits on the same rows."""

    store: Store
    request: Request
    trust: bool
    notes: dict[str, None] = field(default_factory=dict)
    _grounds: dict[tuple[str, str], Ground] = field(default_factory=dict)
    _drawn: dict[tuple[str, ...], Drawn | str] = field(default_factory=dict)

    def model(self, chosen: Chosen) -> _Made | None:
        """Verify one model; None where no row is left for it, and then a note says why."""
        ground = self._ground(chosen)
        drawn = self._rows(ground, chosen)
        if isinstance(drawn, str):
            self.notes[drawn] = None
            return None
        self.notes.update(dict.fromkeys((*ground.table.notes, *drawn.notes)))
        return self._verified(ground, chosen, drawn)

    def _ground(self, chosen: Chosen) -> Ground:
        variant = chosen.candidate.variant
        key = (variant, chosen.header.fingerprints.get(variant, ""))
        if key not in self._grounds:
            self._grounds[key] = ground_of(chosen.header, variant, self.request)
        return self._grounds[key]

    def _rows(self, ground: Ground, chosen: Chosen) -> Drawn | str:
        key = (chosen.candidate.variant, chosen.split, *(cell.key for cell in chosen.cells))
        if key not in self._drawn:
            self._drawn[key] = draw_rows(ground, chosen, self.request)
        return self._drawn[key]

    def _verified(self, ground: Ground, chosen: Chosen, drawn: Drawn) -> _Made:
        import polars as pl

        from manyfit.api.trained import trained_for
        from manyfit.fit.verification import answers_of, figures, joined, row_table

        setting = ground.setting(chosen.metric)
        answers = joined(
            [
                answers_of(
                    trained_for(self.store, chosen.candidate, part.cell, trust=self.trust),
                    ground.table.frame[part.rows],
                )
                for part in drawn.parts
            ]
        )
        rows = np.concatenate([part.rows for part in drawn.parts])
        target = ground.table.target[rows]
        groups = None if ground.table.groups is None else [ground.table.groups[row] for row in rows]
        found = figures(setting, answers, target, groups)
        told = [_described(ground, chosen, drawn, rows), row_table(setting, answers, target)]
        return _Made(model=_verified_model(chosen, drawn, found), rows=pl.concat(told, how="horizontal"))

    def stored(self, made: Sequence[_Made]) -> Verification:
        """Store what came out under a name that its content decides."""
        import polars as pl

        buffer = io.BytesIO()
        pl.concat([one.rows for one in made], how="diagonal").write_parquet(buffer, compression="zstd")
        content = buffer.getvalue()
        ground = next(iter(self._grounds.values()))
        summary = Summary(
            sweep=self.store.sweep,
            source=Source(
                kind=self.request.origin.value,
                shown=self.request.shown(),
                fingerprint=ground.fingerprint,
                where=self.request.where,
            ),
            sample=str(self.request.sampling),
            seed=self.request.seed,
            keep_seen=self.request.keep_seen,
            problem=ground.data.problem.value,
            n_rows=max(one.rows.height for one in made),
            rows_sha256=hashlib.sha256(content).hexdigest(),
            notes=tuple(self.notes),
            models=tuple(one.model for one in made),
        )
        return store_verification(self.store, summary, content, content_key(summary_to_json(summary))[:_ID_LENGTH])


def _described(ground: Ground, chosen: Chosen, drawn: Drawn, rows: Any) -> "pl.DataFrame":
    """Return what each verified row is, and which fit answered for it."""
    import polars as pl

    from manyfit.data.verifiable import set_of_rows

    sets = None
    if ground.table is ground.own:
        sets = set_of_rows(ground.data.sets(chosen.split, None, 0), len(ground.own.target))
    texts = {"id": ground.table.ids, "group": ground.table.groups, "set": sets}
    fixed = {
        "task": [task_key(chosen.candidate.key, part.cell.key) for part in drawn.parts for _ in part.rows],
        "pipeline": chosen.candidate.pipeline,
        "params": chosen.candidate.label(),
        "split": chosen.split,
        "row": ground.numbers[rows],
    }
    named = {name: None if of is None else [of[row] for row in rows] for name, of in texts.items()}
    return pl.DataFrame({**fixed, **named}, schema_overrides=dict.fromkeys(named, pl.String))


def _verified_model(chosen: Chosen, drawn: Drawn, found: Figures) -> VerifiedModel:
    from manyfit.fit.metrics import greater_is_better

    verified, validation = found.scores.get(chosen.metric), chosen.validation
    gap = None if verified is None or validation is None else validation - verified
    if gap is not None and not greater_is_better(chosen.metric):
        gap = -gap
    return VerifiedModel(
        candidate_key=chosen.candidate.key,
        tasks=tuple(task_key(chosen.candidate.key, part.cell.key) for part in drawn.parts),
        pipeline=chosen.candidate.pipeline,
        params=chosen.candidate.label(),
        features=chosen.candidate.features,
        variant=chosen.candidate.variant,
        split=chosen.split,
        metric=chosen.metric,
        set=chosen.set,
        validation=validation,
        verified=verified,
        gap=gap,
        counts=dict(drawn.counts),
        figures=found,
    )
