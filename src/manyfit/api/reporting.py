"""Reports: everything that a sweep has to say, as one HTML file, and its plots as files."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manyfit import connect
from manyfit._version import __version__
from manyfit.api.answering import answers_for
from manyfit.contracts.store import Store
from manyfit.model.errors import ManyfitError, UserError
from manyfit.model.segment import SegmentHeader
from manyfit.report.whole import write_whole
from manyfit.run.control import last_header

if TYPE_CHECKING:
    from manyfit.model.sweep import SweepSpec
    from manyfit.report.environments import Made
    from manyfit.report.insights.contents import Contents, Lead, Verified
    from manyfit.report.insights.details import Result
    from manyfit.report.insights.factors import Family, Grid
    from manyfit.report.insights.standing import Standing

TOP = 20
N_LEADS = 3
"""Candidates that are looked at closely: the best of each pipeline, so many of them."""
N_HEATMAPS = 3
FILE = "report.html"
PLOT_FORMATS = ("png", "svg")

OnStep = Callable[[str], None]
"""Is told what the report does now, in a few words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """
    What was written: the HTML file, its size in bytes, and the files of plots.

    `predictions` tells by candidate where its predictions come from: "kept", "fitted again" or "missing";
    `sections` are the ids of the parts of the page.
    """

    file: Path
    n_bytes: int
    plots: tuple[Path, ...]
    sections: tuple[str, ...]
    predictions: Mapping[str, str]
    seconds: float

    def _repr_html_(self) -> str:
        import html

        name = html.escape(str(self.file))
        return f"<p>report: <code>{name}</code>, {self.n_bytes:,} bytes, {len(self.plots)} plots as files</p>"


def report(
    store: Store,
    *,
    to: str | Path | None = None,
    plots: Sequence[str] = (),
    metric: str | None = None,
    split: str | None = None,
    heatmaps: Sequence[tuple[str, str]] = (),
    refit: bool = True,
    top: int = TOP,
    on_step: OnStep = lambda step: None,
) -> Report:
    """
    Write the report of *store*; see `Results.report`.

    Raises `MissingExtra` without matplotlib, `NotFound` for names that the sweep does not have, `UserError` for
    a place that cannot be written.
    """
    from manyfit.report.plots import canvas

    began = time.perf_counter()
    canvas.check()
    file, folder = places(store, to)
    formats = checked_formats(plots)
    on_step("reading results")
    contents = contents_of(
        store, metric=metric, split=split, heatmaps=heatmaps, refit=refit, top=top, on_step=on_step
    )
    on_step("drawing")
    text, names, written = _drawn(contents, top, folder, formats)
    write_whole(file, text.encode(), parents=True)
    return Report(
        file=file,
        n_bytes=len(text.encode()),
        plots=tuple(written),
        sections=tuple(names),
        predictions={lead.name: lead.predictions.value for lead in contents.leads},
        seconds=time.perf_counter() - began,
    )


def places(store: Store, to: str | Path | None) -> tuple[Path, Path]:
    """Return the HTML file and the folder of plots that *to* means: a file .html, or a folder for both."""
    if to is None:
        return (folder := connect.local_files(store).results) / FILE, folder / "plots"
    path = Path(to).expanduser()
    if path.suffix.lower() in (".html", ".htm"):
        return path, path.with_name(f"{path.stem}-plots")
    if path.is_file():
        raise UserError(f"{path} is a file and no .html; give a folder, or a file that ends in .html")
    return path / FILE, path / "plots"


def checked_formats(plots: Sequence[str]) -> tuple[str, ...]:
    """Return formats of plot files. Raises `UserError` for one that there is not."""
    for name in plots:
        if name not in PLOT_FORMATS:
            raise UserError(f'plots cannot be written as "{name}"; formats: {", ".join(PLOT_FORMATS)}')
    return tuple(dict.fromkeys(plots))


def _drawn(
    contents: "Contents", top: int, folder: Path, formats: Sequence[str]
) -> tuple[str, list[str], list[Path]]:
    from manyfit.report.pages.page import page
    from manyfit.report.pages.sections import sections
    from manyfit.report.plots import canvas

    written: list[Path] = []

    def on_figure(name: str, figure: Any) -> None:
        for ending in formats:
            path = folder / f"{name}.{ending}"
            write_whole(path, canvas.file_of(figure, ending), parents=True)
            written.append(path)

    with canvas.styled():
        parts = list(sections(contents, top=top, on_figure=on_figure))
    lead = f"{contents.counts}"
    return (
        page(contents.sweep, lead, parts, f"Written by manyfit {__version__}."),
        [one.id for one in parts],
        written,
    )


def contents_of(
    store: Store,
    *,
    metric: str | None = None,
    split: str | None = None,
    heatmaps: Sequence[tuple[str, str]] = (),
    refit: bool = True,
    top: int = TOP,
    on_step: OnStep = lambda step: None,
) -> "Contents":
    """Return everything that the report of *store* shows, as values."""
    from manyfit.fit.environment import environment
    from manyfit.fit.metrics import greater_is_better
    from manyfit.report.environments import environments
    from manyfit.report.failures import failures
    from manyfit.report.insights import comparing, factors, standing
    from manyfit.report.insights.contents import Contents
    from manyfit.report.insights.origin import origin_of
    from manyfit.report.warnings import fit_warnings

    header = last_header(store)
    spec = _declared(header)
    results = standing.all_results(store)
    found = standing.standings(store, results, metric=metric, split=split, greater_is_better=greater_is_better)
    close = standing.chosen(found, [one.name for one in spec.splits] if spec else [])
    arguments = _variants(spec) if spec else {}
    families = factors.families(close, arguments) if close else []
    shown = list(close.scored.head(top).iter_rows(named=True)) if close else []
    leads, notes = _leads(store, header, close, spec, refit=refit, on_step=on_step)
    return Contents(
        sweep=store.sweep,
        spec=header.spec,
        counts=store.snapshot().counts,
        standings=found,
        standing=close,
        folds=standing.fold_scores(close, shown) if close else (),
        factors=factors.across_pipelines(close, arguments) if close else (),
        families=families,
        grids=_grids(families, heatmaps),
        points=comparing.front(close) if close else (),
        gaps=comparing.gaps(close) if close else (),
        leads=leads,
        timings=comparing.timings(results.frame),
        verifications=_verifications(store),
        failures=failures(store),
        warnings=fit_warnings(store),
        origin=origin_of(
            store,
            header,
            results.frame,
            text=_declaration(store),
            environment=_environment(environments(store), environment(Path(header.folder))),
        ),
        rows=_rows(results.frame),
        notes=[*notes, *_open_notes(store), *_font_notes(header, close, leads)],
    )


def _verifications(store: Store) -> "list[Verified]":
    from manyfit.report.insights.contents import Verified
    from manyfit.report.verifications import headline, verifications

    return [Verified(headline=headline(one.summary), models=one.models()) for one in verifications(store)]


def _declared(header: SegmentHeader) -> "SweepSpec | None":
    """Return the sweep as it was declared; None for what a search class stored, which no file declares."""
    if header.executor != connect.EXECUTOR:
        return None
    from manyfit.declare import from_json

    return from_json(header.spec)


def _variants(spec: "SweepSpec") -> Mapping[str, Mapping[str, Any]]:
    from manyfit.data.variants import variants

    return variants(spec.data)


def _grids(families: "Sequence[Family]", heatmaps: Sequence[tuple[str, str]]) -> "list[Grid]":
    from manyfit.report.insights import factors
    from manyfit.report.insights.standing import refuse_heatmap

    if not heatmaps:
        return factors.grids(families, N_HEATMAPS)
    known = list(dict.fromkeys(factor.name for family in families for factor in family.factors))
    grids = []
    for names in heatmaps:
        found = factors.grids_of(families, names)
        if not found:
            raise refuse_heatmap(names, known)
        grids += found
    return grids


def _leads(
    store: Store,
    header: SegmentHeader,
    standing: "Standing | None",
    spec: "SweepSpec | None",
    *,
    refit: bool,
    on_step: OnStep,
) -> "tuple[list[Lead], list[str]]":
    """Return the best candidates with what there is of each, and sentences about what there is not."""
    if standing is None or not standing.scored.height:
        return [], []
    from manyfit.report.insights.details import results_of

    rows = standing.leaders(N_LEADS)
    found = results_of(store, standing, rows)
    classes, note = _classes(header, spec, found, rows) if spec else ([], "")
    leads = []
    for row, results in zip(rows, found, strict=True):
        on_step(f"predictions of {row['pipeline']}")
        leads.append(_lead(store, standing, row, results, classes, refit=refit and spec is not None))
    return leads, [note] if note else []


def _lead(
    store: Store,
    standing: "Standing",
    row: Mapping[str, Any],
    results: "Sequence[Result]",
    classes: Sequence[str],
    *,
    refit: bool,
) -> "Lead":
    from manyfit.report.insights import curves, details
    from manyfit.report.insights.contents import Lead

    matrix = details.matrix_of(results, standing.set, classes)
    answered = answers_for(store, results, standing.set, refit=refit)
    name = f"{row['pipeline']} {row['params'] or ''}".strip()
    first_seed = [
        one for one, result in zip(answered.answers, results, strict=False) if result.seed == results[0].seed
    ]
    return Lead(
        row=row,
        predictions=answered.source,
        note=answered.note,
        matrix=matrix,
        categories=details.category_matrix_of(results, standing.set),
        curves=curves.curves_of(answered.answers, matrix.names) if matrix is not None else None,
        residuals=curves.residuals_of(first_seed) if matrix is None else None,
        series=tuple(details.series_of(name, row["pipeline"], results)),
    )


def _classes(
    header: SegmentHeader,
    spec: "SweepSpec",
    found: "Sequence[Sequence[Result]]",
    rows: Sequence[Mapping[str, Any]],
) -> tuple[list[str], str]:
    """Return the shown names of the classes by code, and a sentence where they cannot be known."""
    results = [result for results in found for result in results]
    if not any(
        result.details.get(name, {}).get("confusion_matrix") for result in results for name in result.details
    ):
        return [], ""
    for result in results:
        for reference in result.artifacts.values():
            if isinstance(reference, Mapping) and reference.get("classes"):
                return [spec.data.labels.get(text, text) for text in reference["classes"]], ""
    from manyfit.data import open_rows

    variant = rows[0]["variant"]
    try:
        opened = open_rows(spec, Path(header.folder), variant, header.fingerprints.get(variant, ""))
    except ManyfitError as exc:
        return [], f"The names of the classes are not known, since the data cannot be read: {exc}"
    return [spec.data.labels.get(text, text) for text in opened.classes], ""


def _declaration(store: Store) -> str:
    file = connect.local_files(store).folder / "sweep.toml"
    try:
        return file.read_text(encoding="utf-8") if store.artifacts.folder is not None else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _environment(made: "Sequence[Made]", found: Mapping[str, Any]) -> Mapping[str, str]:
    """Return what results were *made* with, and the environment of this process, as texts by what they are of."""
    shown = {}
    for one in made:
        counted = f"{one.n_results:,} {'result' if one.n_results == 1 else 'results'}"
        name = f"{counted} of {', '.join(one.hosts) or 'unknown hosts'} made with"
        text = ", ".join(f"{library} {version}" for library, version in one.libraries.items())
        shown[name] = text or "versions that their workers did not tell"
    shown |= {
        "this report was made with": f"Python {found['python']}, manyfit {found['manyfit']}, {found['platform']}"
    }
    shown["libraries here"] = ", ".join(f"{name} {version}" for name, version in found["libraries"].items())
    if found.get("commit"):
        changed = " (with changes that are not committed)" if found.get("changed") else ""
        shown["commit of the folder"] = f"{found['commit']}{changed}"
    return shown


def _rows(results: Any) -> Mapping[str, int]:
    """Return the largest number of rows of each set."""
    import polars as pl

    columns = [name for name in results.collect_schema().names() if re.fullmatch(r"n_(?!warnings$).+", name)]
    if not columns:
        return {}
    largest = results.select(pl.col(columns).max()).collect(engine="streaming").row(0)
    named = {name.removeprefix("n_"): n for name, n in zip(columns, largest, strict=True) if n}
    return dict(sorted(named.items(), key=lambda pair: (pair[0] != "train", pair[0])))


def _font_notes(header: SegmentHeader, close: "Standing | None", leads: "Sequence[Lead]") -> Iterator[str]:
    """Yield what to do where names are drawn that no font here can show."""
    from manyfit.report.plots.fonts import remark

    classes = (name for lead in leads if lead.matrix is not None for name in lead.matrix.names)
    pipelines = close.board["pipeline"].unique().to_list() if close else []
    if text := remark([header.sweep, json.dumps(dict(header.spec), ensure_ascii=False), *pipelines, *classes]):
        yield text


def _open_notes(store: Store) -> Iterator[str]:
    counts = store.snapshot().counts
    left = counts.planned - counts.done - counts.failed - counts.cancelled
    if left:
        yield f"{left:,} of {counts.planned:,} tasks have no result yet: all numbers are of the others."
    if counts.failed:
        yield f"{counts.failed:,} tasks failed: see Failures. Means are over those that did not."
    from manyfit.report.fused import doubtful_counts

    if doubtful := doubtful_counts(store):
        names = ", ".join(f"{n:,} by {rule}" for rule, n in doubtful.items())
        yield f"Doubtful results, of fusion rules that an audit switched off: {names}."
