"""Whether a model passes its gates: verdicts over what was measured of it."""

import html
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from manyfit.model.gates import EVERY, ChampionGate, Gates, MetricGate, PairedTest, Regression
from manyfit.report.paired import Discordant, Gain
from manyfit.report.texts import show_bytes

ROUNDING = 1e-9
"""By so much a measured value may miss a bound: sums in another order are no reason to fail."""

Scores = Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one class or of one group, and the scores on them."""

    n_rows: int
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds of predictions of `rows` rows each, on `machine`."""

    rows: int
    median_seconds: float
    p95_seconds: float
    repeats: int
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """
    What was measured. `classes` and `groups` map shown names to their parts, `gains` keys of gates to comparisons.

    None, or a missing entry: it could not be measured, and the gate fails.
    """

    model: str
    data: str
    n_rows: int
    champion: str = ""
    overall: Scores = field(default_factory=dict)
    classes: Mapping[str, Part] = field(default_factory=dict)
    groups: Mapping[str, Part] = field(default_factory=dict)
    gains: Mapping[str, Gain | Discordant | None] = field(default_factory=dict)
    latency: Latency | None = None
    n_bytes: int | None = None
    schema_differences: Sequence[str] = ()
    ece: float | None = None
    brier: float | None = None


class Gate(Enum):
    """Kinds of gates."""

    METRIC = "metric"
    CHAMPION = "champion"
    LATENCY = "latency"
    SIZE = "size"
    SCHEMA = "schema"
    CALIBRATION = "calibration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One gate, or one class or group of it: what was wanted, what was measured, whether it passed."""

    kind: Gate
    key: str
    what: str
    wanted: str
    measured: str
    passed: bool
    value: float | None = None
    says: str = ""


def judged(gates: Gates, facts: Facts) -> list[Verdict]:
    """Return one verdict for each gate, in the order of the kinds; gates of each class or group give several."""
    return [
        *(verdict for gate in gates.metrics for verdict in _metric(gate, facts)),
        *(_champion(gate, facts.gains.get(gate.key)) for gate in gates.champion),
        *_latency(gates, facts),
        *_size(gates, facts),
        *_schema(gates, facts),
        *_calibration(gates, facts),
    ]


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether all gates passed."""
    return all(verdict.passed for verdict in verdicts)


def _metric(gate: MetricGate, facts: Facts) -> Iterator[Verdict]:
    if not gate.of_class and not gate.group:
        yield _bound(gate, gate.metric, facts.overall.get(gate.metric))
        return
    parts = facts.classes if gate.of_class else facts.groups
    wanted = gate.of_class or gate.group
    word = "class" if gate.of_class else "group"
    for name, part in parts.items():
        # a class without rows is judged: nothing is known of it, and so it fails
        if wanted in (EVERY, name) and (gate.of_class or part.n_rows >= gate.min_rows):
            rows = f"{part.n_rows:,} row{'' if part.n_rows == 1 else 's'}"
            yield _bound(gate, f"{gate.metric}, {word} {name}", part.scores.get(gate.metric), says=rows)


def _bound(gate: MetricGate, what: str, value: float | None, *, says: str = "") -> Verdict:
    bounds = ((">=", gate.at_least), ("<=", gate.at_most))
    return Verdict(
        kind=Gate.METRIC,
        key=gate.key,
        what=what,
        wanted=" and ".join(f"{sign} {bound:g}" for sign, bound in bounds if bound is not None),
        measured=_number(value),
        passed=value is not None
        and (gate.at_least is None or value >= gate.at_least - ROUNDING)
        and (gate.at_most is None or value <= gate.at_most + ROUNDING),
        value=value,
        says=says if value is not None else "not defined on these rows",
    )


def _champion(gate: ChampionGate, found: Gain | Discordant | None) -> Verdict:
    good, measured, value, says = _compared(gate, found)
    return Verdict(
        kind=Gate.CHAMPION,
        key=gate.key,
        what=f"{gate.metric} vs champion",
        wanted=_wanted(gate),
        measured=measured,
        passed=good,
        value=value,
        says=says,
    )


def _wanted(gate: ChampionGate) -> str:
    if gate.test is PairedTest.MCNEMAR:
        return f"McNemar p >= {1 - gate.confidence:.4g}"
    if gate.regression is Regression.EXCLUDED:
        return f"worse by <= {gate.margin:g}"
    return f"worse > {gate.margin:g} not shown"


def _compared(gate: ChampionGate, found: Gain | Discordant | None) -> tuple[bool, str, float | None, str]:
    """Return whether the model passes, what is shown, the number behind it, and what more is to be said."""
    level = f"confidence {gate.confidence:.4g}"
    if found is None:
        return False, "-", None, "not defined on these rows"
    if isinstance(found, Discordant):
        counts = (
            f"rows that the champion alone gets right: {found.champion_only}, the model alone: {found.model_only}"
        )
        return found.p >= 1 - gate.confidence, f"p {found.p:.4f}", found.p, f"{counts}; {level}"
    excluded = gate.regression is Regression.EXCLUDED
    bound = found.low if excluded else found.high
    shown = f"{_signed(found.gain)}, {'>=' if excluded else '<='} {_signed(bound)}"
    says = (
        f"model {_number(found.model)}, champion {_number(found.champion)}, gain from {_signed(found.low)} to"
        f" {_signed(found.high)}; {level}, {found.n_units:,} {'groups' if gate.by_group else 'rows'} resampled"
    )
    return bound >= -gate.margin - ROUNDING, shown, found.gain, says


def _signed(value: float) -> str:
    return f"{round(value, 4) + 0.0:+.4f}"  # + 0.0: nothing lost is no loss, "-0.0000"


def _latency(gates: Gates, facts: Facts) -> Iterator[Verdict]:
    gate, found = gates.latency, facts.latency
    if gate is None:
        return
    for name, bound, value in (
        ("median", gate.median_seconds, found.median_seconds if found else None),
        ("p95", gate.p95_seconds, found.p95_seconds if found else None),
    ):
        if bound is not None:
            yield Verdict(
                kind=Gate.LATENCY,
                key="latency",
                what=f"latency, {gate.rows:,} row{'' if gate.rows == 1 else 's'}, {name}",
                wanted=f"<= {bound * 1000:g} ms",
                measured="-" if value is None else f"{value * 1000:.3g} ms",
                passed=value is not None and value <= bound,
                value=value,
                says=f"{found.repeats} predictions on {found.machine}" if found else "not measured",
            )


def _size(gates: Gates, facts: Facts) -> Iterator[Verdict]:
    if gates.size_bytes is None:
        return
    n_bytes = facts.n_bytes
    yield Verdict(
        kind=Gate.SIZE,
        key="size",
        what="size of the bundle",
        wanted=f"<= {show_bytes(gates.size_bytes)}",
        measured="-" if n_bytes is None else show_bytes(n_bytes),
        passed=n_bytes is not None and n_bytes <= gates.size_bytes,
        value=None if n_bytes is None else float(n_bytes),
        says="" if n_bytes is not None else "the model cannot be written as a bundle",
    )


def _schema(gates: Gates, facts: Facts) -> Iterator[Verdict]:
    if gates.schema is None:
        return
    differences = list(facts.schema_differences)
    yield Verdict(
        kind=Gate.SCHEMA,
        key="schema",
        what="features",
        wanted="as the champion" if gates.schema.champion else "as the rules",
        measured="equal" if not differences else "different",
        passed=not differences,
        says="; ".join(differences),
    )


def _calibration(gates: Gates, facts: Facts) -> Iterator[Verdict]:
    gate = gates.calibration
    if gate is None:
        return
    for what, bound, value in (
        (f"calibration error, {gate.bins} bins", gate.ece_at_most, facts.ece),
        ("Brier score", gate.brier_at_most, facts.brier),
    ):
        if bound is not None:
            yield Verdict(
                kind=Gate.CALIBRATION,
                key="calibration",
                what=what,
                wanted=f"<= {bound:g}",
                measured=_number(value),
                passed=value is not None and value <= bound + ROUNDING,
                value=value,
                says="" if value is not None else "the model has no probabilities",
            )


def _number(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.4f}"


def facts_json(facts: Facts) -> dict[str, Any]:
    """Return what was measured as JSON values."""
    return {
        "model": facts.model,
        "champion": facts.champion or None,
        "data": facts.data,
        "n_rows": facts.n_rows,
        "scores": dict(facts.overall),
        "classes": {name: {"n_rows": part.n_rows, **part.scores} for name, part in facts.classes.items()},
        "groups": {name: {"n_rows": part.n_rows, **part.scores} for name, part in facts.groups.items()},
    }


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON values."""
    return {
        "kind": verdict.kind.value,
        "key": verdict.key,
        "gate": verdict.what,
        "wanted": verdict.wanted,
        "measured": verdict.measured,
        "value": verdict.value,
        "passed": verdict.passed,
        "says": verdict.says,
    }


def markdown(verdicts: Sequence[Verdict], facts: Facts) -> str:
    """Return a summary as GitHub's Markdown, failed gates first; no time of day and no host but for latencies."""
    n_failed = sum(not verdict.passed for verdict in verdicts)
    outcome = "passed" if not n_failed else f"failed: {n_failed} of {len(verdicts)} gates"
    lines = [
        f"## Model gates {outcome}",
        "",
        f"- model: {_escaped(facts.model)}",
        *([f"- champion: {_escaped(facts.champion)}"] if facts.champion else []),
        f"- data: {_escaped(facts.data)}, {facts.n_rows:,} rows",
        "",
        "| | gate | wanted | measured | |",
        "| --- | --- | --- | --- | --- |",
    ]
    for verdict in sorted(verdicts, key=lambda one: one.passed):
        cells = ["✅" if verdict.passed else "❌", verdict.what, verdict.wanted, verdict.measured, verdict.says]
        lines.append("| " + " | ".join(map(_escaped, cells)) + " |")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Return *text* so that nothing in it is read as Markdown or as HTML."""
    text = re.sub(r"[\\`*_{}\[\]|#~]", r"\\\g<0>", html.escape(text, quote=False))
    return " ".join(text.split())
