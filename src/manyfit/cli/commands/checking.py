"""The command ``check``: is everything there, and can it be believed?"""

import itertools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.api.checking import Checked
    from manyfit.cli.output import Output


def check(
    sweep: Annotated[
        str,
        typer.Argument(
            metavar="SWEEP",
            show_default=False,
            help="The sweep: its file, the folder of its store, its name, or a URL. Or an archive of one.",
        ),
    ],
    rule: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="NAME", show_default=False, help="Only this quality rule. Repeatable."),
    ] = None,
    as_json: options.JsonOption = False,
) -> None:
    """
    Check results for what is wrong, or an archive for damage.

    Are results complete, and can they be believed? Each rule has a name, says what it found and what to
    do. Of an archive every byte is compared with its checksum, without unpacking it. Exit code 1 when
    there is an error.
    """
    from manyfit.cli.output import Output

    out = Output(as_json=as_json)
    if _is_archive(sweep):
        _check_archive(out, sweep, rule)
    else:
        _check_sweep(out, sweep, rule or ())


def _is_archive(sweep: str) -> bool:
    from manyfit.api.archiving import is_archive

    return is_archive(sweep)


def _check_archive(out: "Output", path: str, rule: "list[str] | None") -> None:
    from manyfit.api.archiving import check_archive
    from manyfit.cli.commands.archiving import archive_facts, tell_archive
    from manyfit.cli.errors import refuse
    from manyfit.model.errors import StoreCorrupt, UserError

    if rule:
        raise UserError("rules are for sweeps; restore the archive and check what comes out")
    try:
        found = check_archive(path)
    except StoreCorrupt as exc:
        out.json({"error": {"kind": type(exc).__name__, "message": str(exc)}})
        options.finish(refuse(str(exc)))
    out.json({"archive": path, **archive_facts(found)})
    tell_archive(out, path, found)


def _check_sweep(out: "Output", sweep: str, rules: Any) -> None:
    from manyfit import connect
    from manyfit.api.checking import check_sweep

    found = check_sweep(connect.open_store(sweep), list(rules))
    out.json(_facts(found))
    _tell(out, found, sweep)
    if not found.passed:
        options.finish(1)


def _facts(found: "Checked") -> dict[str, Any]:
    from manyfit.cli.commands.states import counts_facts
    from manyfit.report.quality.remark import Severity

    return {
        "sweep": found.sweep,
        "counts": counts_facts(found.counts),
        "rules": list(found.asked),
        "n_errors": found.count(Severity.ERROR),
        "n_warnings": found.count(Severity.WARNING),
        "remarks": [
            {
                "rule": remark.rule.name,
                "severity": remark.severity.value,
                "pipeline": remark.found.pipeline or None,
                "text": remark.found.text,
                "n_found": remark.found.n_found,
                "n_looked_at": remark.found.n_looked_at,
                "examples": list(remark.found.examples),
                "do": remark.rule.do,
            }
            for remark in found.remarks
        ],
    }


def _tell(out: "Output", found: "Checked", sweep: str) -> None:
    from manyfit.report.quality.remark import Severity
    from manyfit.report.texts import plural, show_key

    for _, group in itertools.groupby(found.remarks, key=lambda remark: remark.rule.name):
        several = list(group)
        rule = several[0].rule
        out.line(f"{rule.severity.value}: {rule.name}")
        for remark in several:
            out.wrapped(f"  {remark.found.text}", indent="    ")
            if remark.found.examples:
                out.wrapped(f"  such as {', '.join(map(show_key, remark.found.examples))}", indent="    ")
        out.wrapped(f"  next: {_said(rule.do, sweep)}", indent="    ")
    counts = [plural(found.count(severity), severity.value) for severity in Severity if found.count(severity)]
    out.wrapped(f"{found.sweep}: {', '.join(counts) or 'nothing found'}; {plural(len(found.asked), 'rule')} asked")
    out.wrapped(str(found.counts))


def _said(advice: str, sweep: str) -> str:
    """Return *advice* with the sweep named as a person calls it."""
    from manyfit.model.shell import quoted

    return advice.replace("`", "").replace(" SWEEP", f" {quoted(sweep)}")
