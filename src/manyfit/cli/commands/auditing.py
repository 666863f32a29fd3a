"""The command ``audit``: fused results beside stand-alone fits."""

from typing import Annotated

import typer

from manyfit.cli import options


def audit(
    sweep: options.SweepArgument,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", min=1, help="Results to fit again; at least one of each rule.")
    ] = 200,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Draws the results.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="N", min=1, show_default=False, help="Processes that fit; else one for each core."
        ),
    ] = None,
    threads: options.ThreadsOption = None,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Fit some fused results again alone and compare every score.

    Prints a certificate and stores it with the sweep. A score that a rule should not have changed switches
    the rule off: workers use it no more, its results are marked as doubtful, and the command ends with
    exit code 1. `retry --rule` runs them again.
    """
    from manyfit import connect
    from manyfit.api import auditing
    from manyfit.cli.audits import audit_display_for, certificate_facts, show_certificate, why_doubtful
    from manyfit.cli.errors import refuse
    from manyfit.cli.output import Output
    from manyfit.run.machine import usable_cores

    out = Output(as_json=as_json, quiet=quiet)
    store = connect.open_store(sweep)
    with audit_display_for(out) as display:
        found = auditing.audit(
            store,
            sample=sample,
            seed=seed,
            n_runners=workers or max(1, usable_cores() // (threads or 1)),
            threads=threads,
            progress=display.show,
        )
    out.json(certificate_facts(found))
    if not quiet or not found.passed:
        show_certificate(out, found)
    if not found.passed:
        options.finish(refuse(why_doubtful(store, sweep)))
