"""Small sweeps over arrays in memory, for tests of the executor."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.model_selection import KFold, StratifiedKFold

from manyfit.contracts.executor import Finished, Work, WorkTask
from manyfit.fit.executor import FitExecutor
from manyfit.model.candidate import Candidate, Cell, Step
from manyfit.model.encoding import Encoding
from manyfit.model.keys import CandidateKey, CellKey, task_key
from manyfit.model.schema import FeatureSchema
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import DataSpec, FeatureSet, Keep, Problem, Split, SplitKind, SweepSpec
from manyfit.model.unit import Mode

N_FOLDS = 3


@dataclass
class Selected:
    """Rows of one cell."""

    X: dict
    y: dict
    classes: tuple
    scored: tuple
    problem: Problem
    groups: object = None


@dataclass
class ArrayRows:
    """A whole table in memory with folds; the split "apart" holds out the last quarter as "test"."""

    X: np.ndarray
    y: np.ndarray
    classes: tuple = ()
    n_selected: int = 0
    asked: list = field(default_factory=list)

    def columns(self, features):
        names = [f"f{i}" for i in range(self.X.shape[1])]
        return tuple(names[:2] if features == "two" else names)

    def schema(self, features):
        names = self.columns(features)
        return FeatureSchema(names=names, types=("float",) * len(names), mode=features)

    def others(self):
        return ("y",)

    def encoding(self):
        return Encoding()

    def folds(self, seed):
        kind = StratifiedKFold if self.classes else KFold
        return list(kind(N_FOLDS, shuffle=True, random_state=seed).split(self.X, self.y))

    def select(self, split, fold, seed, columns, score_train):
        self.n_selected += 1
        X = self.X[:, [int(name[1:]) for name in columns]]
        if fold is None:
            cut = len(X) * 3 // 4
            train, name, held = np.arange(cut), "test", np.arange(cut, len(X))
        else:
            (train, held), name = self.folds(seed)[fold], "cv"
        parts = {"train": X[train], name: X[held]}
        for part in parts.values():
            part.flags.writeable = False
        return Selected(
            X=parts,
            y={"train": self.y[train], name: self.y[held]},
            classes=self.classes,
            scored=(name, "train") if score_train else (name,),
            problem=Problem.CLASSIFICATION if self.classes else Problem.REGRESSION,
        )


def sweep(**changes) -> SweepSpec:
    """A sweep declaration as far as the executor reads it."""
    values = {
        "name": "t",
        "data": DataSpec(source="memory"),
        "pipelines": (),
        "splits": (Split(name="all", kind=SplitKind.ALL),),
        "features": (FeatureSet(name=""),),
    }
    return SweepSpec(**{**values, **changes})


def candidate(*steps, features="") -> Candidate:
    """A candidate of (class path, parameters) pairs."""
    made = tuple(Step(name=f"s{i}", use=use, params=params) for i, (use, params) in enumerate(steps))
    return Candidate(
        key=CandidateKey(repr(made) + features), pipeline="p", steps=made, shown={}, features=features
    )


def cell(fold=0, seed=0) -> Cell:
    """A cell of the only split."""
    return Cell(key=CellKey(f"{fold}-{seed}"), split="all", fold=fold, seed=seed)


def work(pairs, mode=Mode.FIT, inputs=None) -> Work:
    """A unit of (candidate, cell) pairs."""
    tasks = [
        WorkTask(index=i, key=task_key(made.key, place.key), candidate=made, cell=place)
        for i, (made, place) in enumerate(pairs)
    ]
    header = SegmentHeader(sweep="t", executor="manyfit.fit.executor:fit_executor", spec={})
    return Work(header=header, mode=mode, tasks=tasks, inputs=inputs or {})


def executor(rows, *, metrics=(), artifacts=None, **changes) -> FitExecutor:
    """An executor over rows in memory."""
    return FitExecutor(spec=sweep(**changes), metrics=metrics, open_rows=lambda variant: rows, artifacts=artifacts)


def bodies(made: FitExecutor, unit: Work) -> dict:
    """Run a unit; return the bodies of its results by index."""
    return {event.index: event.body for event in made.execute(unit) if isinstance(event, Finished)}


KEEP_PREDICTIONS = Keep(predictions=True)
