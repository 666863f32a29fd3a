"""Gates: a model, the rows it is judged on, what is measured of both, and the verdicts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyfit import connect
from manyfit.contracts.store import Store
from manyfit.model.errors import MissingExtra, Refused, SweepMistakes, UserError
from manyfit.model.gates import EVERY, Gates, MetricGate
from manyfit.model.mistake import Mistake, did_you_mean
from manyfit.model.sweep import DataSpec, Problem

if TYPE_CHECKING:
    import polars as pl

    from manyfit.api.choosing import Chosen
    from manyfit.fit.measuring import Answered, Sample
    from manyfit.fit.trained import Trained
    from manyfit.report.gates import Facts, Verdict

TRAIN, USUAL_SET = "train", "test"
NO_VERDICT = "nothing was judged"
"""What follows from mistakes in a rules file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """
    A model to judge, or a champion. `shown` says which it is.

    `n_bytes` is the size of its bundle, None where it cannot be one. `chosen` and `store` are of models of sweeps.
    """

    trained: "Trained"
    shown: str
    n_bytes: int | None
    store: Store | None = None
    chosen: "Chosen | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All that was measured, and one verdict for each gate."""

    facts: "Facts"
    verdicts: "tuple[Verdict, ...]"

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)


def read_gates(path: Path) -> Gates:
    """Read a rules file. Raises `SweepMistakes` with all that is wrong with it."""
    from manyfit.declare.gates import load_gates

    gates, mistakes = load_gates(path)
    if gates is None:
        raise SweepMistakes(mistakes, NO_VERDICT)
    return gates


def subject_of(model: str, *, task: str = "", split: str | None = None, trust: bool = False) -> Subject:
    """
    Return the model that *model* means: a bundle file, or the best of a sweep, of its *split* or its *task*.

    The model of a sweep is the kept one, else the same fit made again. Raises `NotFound`, `UserError`, `Refused`.
    """
    from manyfit.api.loading import is_model_file, load

    if not is_model_file(model):
        return _of_sweep(connect.open_store(model), task=task, split=split, trust=trust)
    path = Path(model)
    if task or split:
        raise UserError(f"{path} is one model; --task and --split choose from a sweep")
    trained = load(path, trust=trust)
    return Subject(trained=trained, shown=f"{path.name}, {_described(trained)}", n_bytes=path.stat().st_size)


def _of_sweep(store: Store, *, task: str, split: str | None, trust: bool) -> Subject:
    from manyfit.api.choosing import chosen_models
    from manyfit.api.trained import trained_for

    if task and split:
        raise UserError("--task is of one split already; leave --split out")
    chosen = chosen_models(store, task=task, split=split)[0]
    trained = trained_for(store, chosen.candidate, chosen.cells[0], trust=trust)
    return Subject(
        trained=trained, shown=_described(trained), n_bytes=_packed_size(trained), store=store, chosen=chosen
    )


def _described(trained: "Trained") -> str:
    """Return candidate, sweep and task as one text."""
    from manyfit.model.wire import candidate_from_json

    manifest = trained.manifest
    candidate = candidate_from_json(manifest["candidate"])
    label = " ".join(part for part in (candidate.pipeline, candidate.label(), candidate.features) if part)
    return f"{label} of {manifest['sweep']}, task {str(manifest['task'])[:8]}"


def _packed_size(trained: "Trained") -> int | None:
    from manyfit.fit.bundles import pack
    from manyfit.model.sweep import ModelFormat

    try:
        written = ModelFormat(trained.manifest.get("model", {}).get("format", ModelFormat.SKOPS))
        return len(pack(trained.estimator, trained.manifest, written).content)
    except (MissingExtra, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - whatever a library cannot write is no bundle
        return None


# -- the rows --------------------------------------------------------------------------------------------


def sample_of(subject: Subject, gates: Gates, data: str | None) -> "tuple[Sample, str]":
    """
    Return the rows to judge *subject* on, and what people call them: those of *data*, else its held-out set.

    Columns have the roles that the sweep gives them. Rows without a target are left out. Raises `UserError` with
    every mistake of the table, `DataChanged`.
    """
    if data is not None:
        frame, spec = _other_table(subject, data)
        return _sample(subject, frame, spec, data), data
    if subject.store is None or subject.chosen is None:
        raise UserError(f"{subject.shown}: a bundle has no data with it; say which rows: --data FILE")
    return _held_out(subject, subject.chosen, gates.set)


def _other_table(subject: Subject, data: str) -> "tuple[pl.DataFrame, DataSpec]":
    from manyfit.data import variants
    from manyfit.data.unseen import read_table_like
    from manyfit.declare.stored import data_from_json

    manifest = subject.trained.manifest
    spec = data_from_json(manifest["data"])
    folder = Path(subject.chosen.header.folder) if subject.chosen else Path.cwd()
    params = variants(spec).get(manifest["cell"].get("variant", ""), {})
    return read_table_like(spec, data, folder, params=params), spec


def _held_out(subject: Subject, chosen: "Chosen", wanted: str) -> "tuple[Sample, str]":
    from manyfit.data import open_rows
    from manyfit.declare import from_json
    from manyfit.families.estimators import find_beside

    header, cell = chosen.header, chosen.cells[0]
    spec = from_json(header.spec)
    find_beside(header.folder)
    fingerprint = header.fingerprints.get(cell.variant, "")
    rows = open_rows(spec, Path(header.folder), cell.variant, fingerprint)
    sets = {name: found for name, found in rows.sets(cell.split, cell.fold, cell.seed).items() if name != TRAIN}
    name = _set_name(list(sets), wanted, chosen.split)
    frame = rows.frame()[sets[name]]
    return _sample(subject, frame, spec.data, spec.data.source), f"set {name} of split {chosen.split}"


def _set_name(names: Sequence[str], wanted: str, split: str) -> str:
    if not names:
        raise UserError(
            f'split "{split}" holds no rows out of the fit on all training rows; say others: --data FILE, or'
            " choose a split that has an evaluation set: --split NAME"
        )
    if wanted:
        if wanted not in names:
            known = f"{did_you_mean(wanted, names)} (there are: {', '.join(names)})"
            raise UserError(f'split "{split}" has no set "{wanted}"{known}')
        return wanted
    if USUAL_SET in names or len(names) == 1:
        return USUAL_SET if USUAL_SET in names else names[0]
    raise UserError(
        f'split "{split}" has the sets {", ".join(names)}; write set = "NAME" in the rules, or --set NAME'
    )


def _sample(subject: Subject, frame: "pl.DataFrame", spec: DataSpec, file: str) -> "Sample":
    from manyfit.data.verifiable import verifiable
    from manyfit.fit.measuring import Sample

    trained = subject.trained
    table = verifiable(
        frame,
        spec,
        problem=trained.problem,
        classes=trained.classes,
        columns=trained.schema.names,
        file=file,
        encoding=trained.encoding,
    )
    judged = table.judged()
    if not judged.any():
        raise UserError(f"{file}: no row has a target")
    groups = None
    if table.groups is not None:
        groups = [group for group, kept in zip(table.groups, judged, strict=True) if kept]
    return Sample(frame=table.frame.filter(judged), y=table.target[judged], groups=groups, data=spec)


# -- judging ---------------------------------------------------------------------------------------------


def judge(
    subject: Subject, gates: Gates, *, champion: Subject | None = None, data: str | None = None
) -> Judgement:
    """
    Measure what the gates ask for and give the verdicts; the same but for the latency, whenever it is repeated.

    Raises `SweepMistakes` for gates that this model and these rows cannot have: unknown metrics, classes, groups.
    """
    from manyfit.fit.measuring import Answered
    from manyfit.report.gates import judged

    sample, shown = sample_of(subject, gates, data)
    mistakes = list(_mistakes(gates, subject.trained, sample, champion))
    if mistakes:
        raise SweepMistakes(mistakes, NO_VERDICT)
    gates = _with_shown_classes(gates, subject.trained)
    own = Answered(subject.trained, sample)
    facts = _facts(gates, subject, own, champion, shown)
    return Judgement(facts=facts, verdicts=tuple(judged(gates, facts)))


def _facts(gates: Gates, subject: Subject, own: "Answered", champion: Subject | None, shown: str) -> "Facts":
    from manyfit.fit.measuring import latency_of
    from manyfit.report.gates import Facts

    trained, sample = subject.trained, own.sample
    grouped = [gate.metric for gate in gates.metrics if gate.group]
    of_all = [gate.metric for gate in gates.metrics if not gate.group and not gate.of_class]
    calibration = own.calibration(gates.calibration.bins) if gates.calibration else None
    return Facts(
        model=subject.shown,
        champion=champion.shown if champion else "",
        data=shown,
        n_rows=len(sample.y),
        overall=own.scores(tuple(dict.fromkeys(of_all))),
        classes=own.by_class() if trained.problem is Problem.CLASSIFICATION else {},
        groups=own.by_group(tuple(dict.fromkeys(grouped))),
        gains=_gains(gates, own, champion),
        latency=latency_of(trained, sample.frame, gates.latency, machine=_machine()) if gates.latency else None,
        n_bytes=subject.n_bytes,
        schema_differences=_schema_differences(gates, trained, champion),
        ece=calibration[0] if calibration else None,
        brier=calibration[1] if calibration else None,
    )


def _gains(gates: Gates, own: "Answered", champion: Subject | None) -> Mapping[str, Any]:
    from manyfit.fit.measuring import Answered, gain_over

    if not gates.champion or champion is None:
        return {}
    other = Answered(champion.trained, own.sample)
    return {gate.key: gain_over(gate, own, other) for gate in gates.champion}


def _schema_differences(gates: Gates, trained: "Trained", champion: Subject | None) -> Sequence[str]:
    from manyfit.model.schema import FeatureSchema

    gate = gates.schema
    if gate is None:
        return ()
    if gate.champion and champion is not None:
        return list(champion.trained.schema.difference(trained.schema))
    types = gate.types or tuple(trained.schema.by_name().get(name, "float") for name in gate.names)
    wanted = FeatureSchema(names=gate.names, types=types, mode=trained.schema.mode)
    return list(wanted.difference(trained.schema))


def _with_shown_classes(gates: Gates, trained: "Trained") -> Gates:
    """Return *gates* with classes by the names that are shown, however they were written."""
    metrics = [replace(gate, of_class=trained.labels.get(gate.of_class, gate.of_class)) for gate in gates.metrics]
    return replace(gates, metrics=tuple(metrics))


def _mistakes(gates: Gates, trained: "Trained", sample: "Sample", champion: Subject | None) -> Iterator[Mistake]:
    """Yield what the gates ask for and these models and rows cannot have."""
    if gates.need_champion and champion is None:
        yield Mistake(file=gates.file, key="champion", message="there is no champion; name one: --champion MODEL")
    if champion is not None and champion.trained.problem is not trained.problem:
        message = f"the champion is of a {champion.trained.problem.value}, the model of a {trained.problem.value}"
        yield Mistake(file=gates.file, key="champion", message=message)
    for gate in gates.metrics:
        for key, message in _metric_mistakes(gate, trained, sample):
            yield Mistake(file=gates.file, key=f"{gate.key}.{key}", message=message)
    yield from _champion_mistakes(gates, trained, sample)
    if gates.calibration and trained.problem is Problem.REGRESSION:
        yield Mistake(file=gates.file, key="calibration", message="a regression has no probabilities")


def _metric_mistakes(gate: MetricGate, trained: "Trained", sample: "Sample") -> Iterator[tuple[str, str]]:
    from manyfit.fit.confusion import CLASS_METRICS
    from manyfit.fit.metrics import check, undefined

    if not gate.of_class:
        for message in check([gate.metric], trained.problem):
            yield "metric", message
        if message := undefined(gate.metric, len(trained.classes)):
            yield "metric", message
    elif trained.problem is Problem.REGRESSION:
        yield "class", "a regression has no classes"
    else:
        if gate.metric not in CLASS_METRICS:
            known = ", ".join(CLASS_METRICS)
            yield (
                "metric",
                f'a class has no metric "{gate.metric}"{did_you_mean(gate.metric, CLASS_METRICS)}; {known}',
            )
        names = [*trained.classes, *trained.labels.values()]
        if gate.of_class not in (EVERY, *names):
            yield (
                "class",
                _no_such("class", gate.of_class, [trained.labels.get(one, one) for one in trained.classes]),
            )
    if gate.group:
        yield from _group_mistakes(gate, sample)


def _group_mistakes(gate: MetricGate, sample: "Sample") -> Iterator[tuple[str, str]]:
    if sample.groups is None:
        yield "group", "the rows have no groups: the sweep names no group column, or the data lacks it"
        return
    names = sorted({group for group in sample.groups if group is not None})
    if gate.group not in (EVERY, *names):
        yield "group", _no_such("group", gate.group, names)


def _champion_mistakes(gates: Gates, trained: "Trained", sample: "Sample") -> Iterator[Mistake]:
    from manyfit.fit.measuring import PAIRED_METRICS

    known = PAIRED_METRICS[trained.problem]
    for gate in gates.champion:
        if gate.metric not in known:
            message = (
                f'"{gate.metric}" cannot be compared row by row{did_you_mean(gate.metric, known)}; these can:'
            )
            yield Mistake(file=gates.file, key=f"{gate.key}.metric", message=f"{message} {', '.join(known)}")
        if gate.by_group and sample.groups is None:
            yield Mistake(file=gates.file, key=f"{gate.key}.by_group", message="the rows have no groups")


def _no_such(word: str, wanted: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f'no {word} "{wanted}"{did_you_mean(wanted, names)}; there are: {shown}'


def _machine() -> str:
    """Return what a time depends on: processor and usable cores of this machine, and its name."""
    import platform

    from manyfit.run.machine import usable_cores

    return f"{platform.node() or 'this machine'} ({_processor()}, {usable_cores()} cores)"


def _processor() -> str:
    import platform

    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next((name for name in named if name), "") or platform.processor() or platform.machine()


def write_starter(path: Path) -> Path:
    """Write an example of a rules file. Raises `Refused` where *path* exists."""
    from manyfit.declare.gates import STARTER

    try:
        with path.open("x", encoding="utf-8") as out:
            out.write(STARTER)
    except FileExistsError as exc:
        raise Refused(f"{path} exists; name another file: --rules FILE") from exc
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc}") from exc
    return path
