"""The command that lets a model pass or not: gate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options

if TYPE_CHECKING:
    from manyfit.api.gating import Judgement
    from manyfit.cli.output import Output
    from manyfit.model.gates import Gates

USUAL_RULES = "gates.toml"

RulesOption = Annotated[Path, typer.Option("--rules", metavar="FILE", help="The gates.")]
ChampionOption = Annotated[
    str | None,
    typer.Option(
        "--champion",
        metavar="MODEL",
        show_default=False,
        help="The model to compare with: a bundle, or a sweep for its best model.",
    ),
]
DataOption = Annotated[
    str | None,
    typer.Option(
        "--data",
        metavar="FILE",
        show_default=False,
        help="Judge on the rows of this table; else on the held-out set of the sweep.",
    ),
]
SetOption = Annotated[
    str | None,
    typer.Option(
        "--set", metavar="NAME", show_default=False, help="The held-out set; else that of the rules file."
    ),
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", metavar="KEY", show_default=False, help="Judge the model of this task of the sweep."),
]
ChampionTaskOption = Annotated[
    str | None,
    typer.Option("--champion-task", metavar="KEY", show_default=False, help="The same of the champion's sweep."),
]
SplitOption = Annotated[
    str | None,
    typer.Option("--split", metavar="NAME", show_default=False, help="The best model of this split of the sweep."),
]
BestOption = Annotated[bool, typer.Option("--best", help="The best model of the sweep, as without --task.")]
MarkdownOption = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        metavar="FILE",
        show_default=False,
        help="Also write a summary in Markdown, at the end of FILE if it exists ($GITHUB_STEP_SUMMARY).",
    ),
]
InitOption = Annotated[bool, typer.Option("--init", help="Write an example of the rules file, and do no more.")]


def gate(
    model: options.ModelArgument = "",
    rules: RulesOption = Path(USUAL_RULES),
    champion: ChampionOption = None,
    data: DataOption = None,
    set_name: SetOption = None,
    best: BestOption = False,
    task: TaskOption = None,
    champion_task: ChampionTaskOption = None,
    split: SplitOption = None,
    markdown: MarkdownOption = None,
    init: InitOption = False,
    trust: options.TrustOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Let a model pass or fail, by rules.

    On metrics, against a champion, latency, size, features, calibration. Exit code 0: passed; 1: a gate failed;
    2: a mistake in the rules or in what was asked.
    """
    from manyfit.api.gating import judge, subject_of
    from manyfit.cli.output import Output
    from manyfit.model.errors import UserError

    out = Output(as_json=as_json)
    if init:
        _init(out, rules)
        return
    if not model:
        raise UserError("which model? a bundle, or a sweep for its best: manyfit gate MODEL --rules FILE")
    if best and task:
        raise UserError("--best and --task are of different models; leave one out")
    gates = _gates(rules, set_name)
    subject = subject_of(model, task=task or "", split=split, trust=trust)
    other = None if champion is None else subject_of(champion, task=champion_task or "", trust=trust)
    found = judge(subject, gates, champion=other, data=data)
    _tell(out, found, markdown)
    if not found.passed:
        options.finish(1)


def _gates(rules: Path, set_name: str | None) -> "Gates":
    from dataclasses import replace

    from manyfit.api.gating import read_gates

    gates = read_gates(rules)
    return replace(gates, set=set_name) if set_name else gates


def _init(out: "Output", rules: Path) -> None:
    from manyfit.api.gating import write_starter
    from manyfit.model.shell import quoted

    write_starter(rules)
    out.json({"file": str(rules)})
    out.line(f"wrote {rules}; next: manyfit gate MODEL --rules {quoted(str(rules))}")


def _tell(out: "Output", found: "Judgement", markdown: Path | None) -> None:
    from manyfit.cli.gates import show_judgement
    from manyfit.report.gates import facts_json, verdict_json

    if markdown is not None:
        _append(markdown, found)
    out.json(
        {
            "passed": found.passed,
            **facts_json(found.facts),
            "gates": [verdict_json(verdict) for verdict in found.verdicts],
        }
    )
    show_judgement(out, found.facts, found.verdicts)


def _append(path: Path, found: "Judgement") -> None:
    from manyfit.model.errors import UserError
    from manyfit.report.gates import markdown

    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(markdown(found.verdicts, found.facts))
    except OSError as exc:
        raise UserError(f"{path} cannot be written: {exc}") from exc
