"""Commands that tell a sweep what to do: pause, resume, stop, cancel, retry."""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from manyfit.cli import options
from manyfit.model.shell import quoted

if TYPE_CHECKING:
    from manyfit.contracts.store import Store
    from manyfit.model.keys import TaskKey
    from manyfit.plan.difference import KnownTask

WAIT_LOOK_SECONDS = 0.25

TasksArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TASK",
        show_default=False,
        help="Keys of tasks, or their first characters as tables show them.",
    ),
]


PipelineOption = Annotated[
    str, typer.Option("--pipeline", metavar="NAME", show_default=False, help="Only the tasks of this pipeline.")
]


def pause(
    sweep: options.SweepArgument,
    pipeline: PipelineOption = "",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", show_default=False, help="Why, for those who wonder.")
    ] = "",
    as_json: options.JsonOption = False,
) -> None:
    """
    Start no more tasks until `resume`.

    Of the whole sweep, or with --pipeline of one pipeline. Workers on all machines give back the task
    they are in, uncharged, and wait, or go on with other pipelines.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.run import control

    changed = control.pause(connect.open_store(sweep), pipeline, reason)
    out = Output(as_json=as_json)
    out.json({"paused": True, "changed": changed, "pipeline": pipeline or None, "reason": reason})
    what = f"pipeline {pipeline} is held" if pipeline else "paused"
    back = f"manyfit resume {quoted(sweep)}{f' --pipeline {quoted(pipeline)}' if pipeline else ''}"
    out.wrapped(f"{what}{'' if changed else ' already'}; next: {back}")


def resume(
    sweep: options.SweepArgument, pipeline: PipelineOption = "", as_json: options.JsonOption = False
) -> None:
    """End a pause: workers go on. Without --pipeline, every pause of the sweep ends."""
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.run import control

    store = connect.open_store(sweep)
    before = control.held(store)
    changed = control.resume(store, pipeline)
    still, n_alive = control.held(store), _alive(store)
    paused = control.paused(store)
    out = Output(as_json=as_json)
    out.json({"paused": paused, "changed": changed, "workers": n_alive, "held": sorted(still)})
    released = sorted(before.keys() - still.keys())
    if pipeline:
        out.line(f"pipeline {pipeline} goes on" if changed else f"pipeline {pipeline} was not held")
    elif released:
        out.wrapped(f"resumed, with {', '.join(released)}")
    else:
        out.line("resumed" if changed else "it was not paused")
    if paused:
        out.wrapped(f"the whole sweep is paused; next: manyfit resume {quoted(sweep)}")
    elif not n_alive:
        out.line(f"no worker is at work; next: manyfit run {quoted(sweep)}")


def stop(
    sweep: options.SweepArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Return when every worker has ended.")] = False,
    as_json: options.JsonOption = False,
    quiet: options.QuietOption = False,
) -> None:
    """
    Make all workers of a sweep end; nothing is lost.

    On every machine: they give back what they hold. `run` or `work` goes on later.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.model.control import Stop
    from manyfit.report.texts import plural
    from manyfit.run import control

    out = Output(as_json=as_json, quiet=quiet)
    store = connect.open_store(sweep)
    n_alive = _alive(store)
    control.publish(store, Stop())
    if wait:
        while _alive(store):
            time.sleep(WAIT_LOOK_SECONDS)
    counts = store.snapshot().counts
    out.json({"workers": n_alive, "waited": wait, "done": counts.done, "pending": counts.pending})
    if not n_alive:
        out.line("no worker was at work")
    else:
        out.line(f"{plural(n_alive, 'worker')} {'ended' if wait else 'told to end'}; nothing is lost")
    out.line(f"next: manyfit run {quoted(sweep)} goes on from here")


def _alive(store: "Store") -> int:
    return sum(worker.alive for worker in store.snapshot().workers)


def cancel(
    sweep: options.SweepArgument,
    tasks: TasksArgument = None,
    everything: Annotated[bool, typer.Option("--all", help="Every task that has not ended.")] = False,
    yes: options.YesOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """
    Take tasks that have not ended off the queue.

    Results that exist stay. `retry` brings cancelled tasks back.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.report.texts import plural
    from manyfit.run import control

    _one_of("cancel", tasks=bool(tasks), everything=everything)
    out = Output(as_json=as_json)
    store = connect.open_store(sweep)
    keys = _keys(store, tasks) if tasks else []
    if everything and out.interactive and not yes:
        counts = store.snapshot().counts
        typer.confirm(f"cancel {plural(counts.pending + counts.running, 'task')} of {sweep}?", abort=True)
    n_cancelled = control.cancel(store, keys)
    out.json({"cancelled": n_cancelled})
    out.line(f"cancelled {plural(n_cancelled, 'task')}")


RuleOption = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        show_default=False,
        help="Tasks whose results this fusion rule computed; they are fitted alone. Repeatable.",
    ),
]


def retry(
    sweep: options.SweepArgument,
    tasks: TasksArgument = None,
    cls: Annotated[
        list[str] | None,
        typer.Option(
            "--class",
            metavar="CLASS",
            show_default=False,
            help="Failed tasks of this class: oom, timeout, crash, ... Repeatable.",
        ),
    ] = None,
    failed: Annotated[bool, typer.Option("--all-failed", help="Every failed task.")] = False,
    cancelled: Annotated[bool, typer.Option("--all-cancelled", help="Every cancelled task.")] = False,
    rule: RuleOption = None,
    memory: Annotated[
        str, typer.Option("--memory", metavar="xN", help="Multiply the memory limit of these tasks: x2.")
    ] = "x1",
    limit: Annotated[
        str, typer.Option("--time", metavar="xN", help="Multiply the time limit of these tasks: x2.")
    ] = "x1",
    as_json: options.JsonOption = False,
) -> None:
    """
    Run failed, cancelled or doubtful tasks again.

    With fresh attempts, and more memory or time if asked for; old results stay in the logs.
    """
    from manyfit import connect
    from manyfit.cli.output import Output
    from manyfit.report.texts import plural
    from manyfit.run import control
    from manyfit.run.machine import usable_cores

    _one_of("retry", tasks=bool(tasks), cls=bool(cls), failed=failed, cancelled=cancelled, rule=bool(rule))
    out = Output(as_json=as_json)
    more_memory, more_time = _factor("--memory", memory), _factor("--time", limit)
    store = connect.open_store(sweep)
    if rule:
        keys = _of_rules(store, rule)
    else:
        keys = _of_class(store, cls) if cls else _keys(store, tasks) if tasks else _marked(store, failed=failed)
    n_again = control.retry(
        store,
        keys,
        n_workers=usable_cores(),
        memory_factor=more_memory,
        time_factor=more_time,
        alone=bool(rule),
    )
    out.json({"retried": n_again})
    out.line(f"{plural(n_again, 'task')} will run again")
    if n_again and not _alive(store):
        out.line(f"next: manyfit run {quoted(sweep)}")


def _one_of(command: str, **given: bool) -> None:
    from manyfit.model.errors import UserError

    if sum(given.values()) != 1:
        ways = (
            "TASK..., --all" if command == "cancel" else "TASK..., --class, --all-failed, --all-cancelled, --rule"
        )
        raise UserError(
            f"say which tasks to {command}, in one way: {ways} (keys are in `manyfit results SWEEP --raw`)"
        )


def _factor(option: str, text: str) -> float:
    from manyfit.model.errors import UserError

    try:
        factor = float(text.lower().removeprefix("x"))
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise UserError(f'{option} "{text}" is not a factor; write x2 for twice the limit')
    return factor


def _keys(store: "Store", prefixes: Iterable[str]) -> list["TaskKey"]:
    """Return the one task behind each prefix. Raises `NotFound`, `UserError`."""
    from manyfit.run.known import known_tasks

    known = known_tasks(store)
    return [_key(known, prefix.lower().rstrip("….")) for prefix in prefixes]


def _key(known: "dict[TaskKey, KnownTask]", prefix: str) -> "TaskKey":
    from manyfit.model.errors import NotFound, UserError

    found = [key for key in known if key.startswith(prefix)]
    if not found:
        raise NotFound(f'no task has a key that starts with "{prefix}"; `manyfit results SWEEP --raw` lists keys')
    if len(found) > 1:
        raise UserError(f'{len(found):,} tasks have keys that start with "{prefix}"; give more of it')
    return found[0]


def _marked(store: "Store", *, failed: bool) -> list["TaskKey"]:
    from manyfit.model.lease import TaskMark
    from manyfit.run.known import known_tasks

    wanted = TaskMark.FAILED if failed else TaskMark.CANCELLED
    return [key for key, task in known_tasks(store).items() if task.active and task.mark is wanted]


def _of_class(store: "Store", classes: Sequence[str]) -> list["TaskKey"]:
    """Return the tasks that failed with one of *classes*."""
    from manyfit.model.errors import UserError
    from manyfit.model.mistake import did_you_mean
    from manyfit.model.result import FailureClass
    from manyfit.report.frames import results_frame

    known = [cls.value for cls in FailureClass]
    for cls in classes:
        if cls not in known:
            raise UserError(
                f'there is no failure class "{cls}"{did_you_mean(cls, known)}; classes: {", ".join(known)}'
            )
    frame = results_frame(store)
    failed = frame.filter((frame["outcome"] == "failed") & frame["failure_class"].is_in(list(classes)))
    return list(failed["key"])


def _of_rules(store: "Store", rules: Sequence[str]) -> list["TaskKey"]:
    """Return the tasks whose results that count were computed by one of *rules*."""
    from manyfit.model.errors import NotFound
    from manyfit.model.mistake import did_you_mean
    from manyfit.report.fused import fused_keys, rules_used

    used = rules_used(store)
    for rule in rules:
        if rule not in used:
            known = f"rules that did: {', '.join(used)}" if used else "none did"
            raise NotFound(f'no result was computed by the rule "{rule}"{did_you_mean(rule, used)}; {known}')
    return sorted({key for rule in rules for key in fused_keys(store, rule)})
