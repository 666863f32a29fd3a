"""The command ``archive``: a finished sweep in one file, and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.api.archiving import Archived
    from manyfit.cli.output import Output


def archive(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            show_default=False,
            help="The sweep: its file, the folder of its store, its name, or a URL; with --restore an archive.",
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="FILE",
            show_default=False,
            help="The archive to write; with --restore the store to fill: a folder, sqlite:///FILE.db or"
            " postgresql://USER@HOST/DATABASE.",
        ),
    ],
    restore: Annotated[
        bool, typer.Option("--restore", help="Bring the sweep of an archive into a store.")
    ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Also when tasks are left.")] = False,
    logs: Annotated[bool, typer.Option("--logs", help="Take the logs of workers along.")] = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Put a finished sweep into one file, or back into a store.

    The archive has everything: plan, results, certificates, kept models and predictions, tables for
    analysis, and a manifest with the checksum of each file. It is checked before it gets its name;
    `manyfit check FILE` checks it again wherever it is.
    """
    from manyfit.cli.output import Output

    out = Output(as_json=as_json, quiet=quiet)
    if restore:
        _restore(out, sweep, to)
    else:
        _archive(out, sweep, to, partial=partial, logs=logs)


def _archive(out: "Output", sweep: str, to: str, *, partial: bool, logs: bool) -> None:
    from manyfit import connect
    from manyfit.api.archiving import archive_sweep

    made = archive_sweep(connect.open_store(sweep), to, partial=partial, logs=logs, tell=out.note)
    out.json({"archive": to, **archive_facts(made)})
    tell_archive(out, to, made)


def archive_facts(found: "Archived") -> dict[str, Any]:
    """Return an archive as JSON values."""
    return {
        "sweep": found.manifest.sweep,
        "complete": found.complete,
        "counts": dict(found.manifest.counts),
        "n_runs": found.n_runs,
        "n_files": len(found.manifest.entries),
        "n_bytes": found.n_bytes,
        "n_bytes_unpacked": found.manifest.n_bytes,
        "made_with": found.manifest.facts.get("manyfit"),
    }


def tell_archive(out: "Output", path: str, found: "Archived") -> None:
    """Say that an archive is whole, and what is in it."""
    from manyfit.report.texts import plural, show_bytes

    files = plural(len(found.manifest.entries), "file")
    out.wrapped(
        f"{path} is whole: {plural(found.n_runs, 'run')} of {found.manifest.sweep}, {files},"
        f" {show_bytes(found.n_bytes)}; every checksum was compared"
    )
    if not found.complete:
        counts = found.manifest.counts
        left = counts.get("pending", 0) + counts.get("running", 0)
        out.wrapped(
            f"the sweep was not complete: {plural(left, 'task')} of {counts.get('planned', 0):,} were left"
        )
    out.wrapped(f"next: manyfit archive {quoted(path)} --restore --to FOLDER puts it back")


def _restore(out: "Output", path: str, to: str) -> None:
    from manyfit.api.archiving import restore_archive
    from manyfit.cli.commands.states import counts_facts
    from manyfit.report.texts import plural

    if not Path(path).is_file():
        from manyfit.model.errors import NotFound

        raise NotFound(f"there is no archive {path}; check the name")
    to = options.without_password(to)
    done = restore_archive(path, to)
    shown = done.target.shown
    out.json(
        {
            "target": shown,
            "sweep": done.copied.sweep,
            "counts": counts_facts(done.counts),
            "n_results": done.copied.n_results,
            "n_artifacts": done.copied.n_artifacts,
        }
    )
    out.wrapped(
        f"restored {done.copied.sweep} to {shown}: {plural(done.copied.n_results, 'result')},"
        f" {plural(done.copied.n_artifacts, 'kept file')}; everything was compared and is equal"
    )
    out.wrapped(f"next: manyfit results {quoted(shown)}")
