"""The keys of what `--json` writes, by command: a promise to programs, shown in the reference."""

from collections.abc import Mapping

COUNTS = "tasks by state: planned = done + failed + running + pending + cancelled"
DIFFERENCE = (
    "what submitting changes: new, kept, removed, removed_done, readded, renamed, lacking_metrics,"
    " computed_from_predictions, run_again"
)

JSON_KEYS: Mapping[str, Mapping[str, str]] = {
    "init": {
        "file": "the sweep file that was written",
        "name": "the sweep's name",
        "source": "the data, as the file names it",
        "target": "the column to predict, null for bundled data",
        "group": "the column of groups, or null",
        "problem": "classification or regression",
    },
    "plan": {
        "sweep": "the sweep's name",
        "n_tasks": "tasks of the plan",
        "n_candidates": "pipelines with concrete parameters",
        "n_splits": "splits",
        "n_folds": "different folds, the fit on all training rows counted as one",
        "n_seeds": "seeds",
        "n_merged": "duplicates that became one task",
        "pipelines": "for each pipeline: pipeline, n_candidates, n_tasks, n_units, seconds (predicted work)",
        "splits": "for each split: split, n_tasks, n_folds, whole (fits on all training rows), n_train (rows)",
        "cost_seconds": "predicted work of one worker",
        "wall_seconds": "predicted time on n_workers workers",
        "n_workers": "workers that the prediction assumes",
        "n_measured": "finished tasks that the prediction learned from",
        "disk_bytes": "predicted size of the results",
        "worker_bytes": "predicted memory of one worker",
        "warnings": "what may be a mistake",
        "first": "the tasks that start first: key, pipeline, params, split, fold, seed",
        "sureness": "how good the prediction of time is, in words",
        "store": "the folder of the store",
        "difference": f"null without a store; else {DIFFERENCE}",
    },
    "submit": {
        "sweep": "the sweep's name",
        "store": "the folder of the store",
        "submitted": "tasks that were queued",
        "segments": "plan segments that were added",
        "difference": DIFFERENCE,
    },
    "run": {
        "sweep": "the sweep's name",
        "state": "complete, interrupted, or what status says",
        "counts": COUNTS,
        "store": "the folder of the store",
        "seconds": "how long this run took",
        "leaderboard": "the best ten of each split, as in results",
        "failures": "as in failures",
        "n_warned": "tasks whose fit warned, by kind of warning",
        "files": "leaderboard (CSV) and tasks (Parquet)",
    },
    "watch": {"sweep": "the sweep's name", "state": "as in status", "counts": COUNTS},
    "status": {
        "sweep": "the sweep's name",
        "state": "planning, running, waiting (no worker), paused or complete",
        "counts": COUNTS,
        "pipelines": "the same counts for each pipeline",
        "units": "total and closed units of work",
        "predicted_seconds": "predicted work: total and done",
        "tasks_per_second": "of the workers alive",
        "left_seconds": "time left at their pace, or null",
        "paused": "whether the sweep is paused",
        "planning": "whether tasks are still being added",
        "workers": (
            "id, host, pid, threads, alive, state (starting, running, idle, paused, stopped, gone),"
            " beat_at (its last heartbeat by its own clock, or null), unit,"
            " settled, failed, tasks_per_second, memory_bytes"
        ),
        "notes": "what the store noticed",
    },
    "results": {
        "raw": "whether rows are tasks",
        "n_rows": "rows",
        "rows": "one object for each candidate on each split, or for each task, with the columns of the files",
    },
    "failures": {
        "failures": (
            "for each cause: class, fingerprint, n_tasks, pipelines, example (a key), label, error, message, do"
        ),
        "n_tasks": "failed tasks in all",
    },
    "warnings": {"warnings": "for each kind: pipeline, category, text (# for numbers), n_tasks, count"},
    "explain": {
        "key": "the task's key",
        "state": "done, failed, running, pending, cancelled or removed",
        "label": "the task in one line",
        "pipeline": "its pipeline",
        "params": "its searched parameters",
        "steps": "the whole pipeline: name, use, params of each step",
        "features": "its feature set",
        "variant": "its data variant",
        "split": "its split",
        "fold": "its fold, null for the fit on all training rows",
        "seed": "its seed",
        "segment": "the plan segment that has it",
        "unit": "the unit that has it",
        "generation": "0, and one more with every retry",
        "attempts_used": "attempts of this generation",
        "attempts_allowed": "attempts in all",
        "workers_lost": "workers lost while on it",
        "worker": "who holds it now, or null",
        "why": "why it is where it is, in sentences",
        "attempts": "every accepted attempt, oldest first, like result",
        "result": (
            "attempt, outcome, final, finished_at, scores, timings, n_rows, peak_bytes, warnings, details,"
            " artifacts, failure; null before there is one"
        ),
    },
    "pause": {"paused": "true", "changed": "false when it was paused already"},
    "resume": {"paused": "false", "changed": "false when it was not paused", "workers": "workers alive"},
    "stop": {
        "workers": "workers that were alive",
        "waited": "whether the command waited for their end",
        "done": "tasks done",
        "pending": "tasks left",
    },
    "cancel": {"cancelled": "tasks that were cancelled"},
    "retry": {"retried": "tasks that will run again"},
    "work": {
        "store": "the folder of the store",
        "pid": "the worker's process",
        "threads": "threads of numerical libraries",
        "only": "its filters",
    },
    "logs": {"logs": "for each log: name, path, lines"},
    "compact": {"compacted": "whether there was something", "position": "the entry of the control chain, or null"},
}
"""Also: `run --background` writes sweep, store, pid, log, submitted; an interrupted run has `continue`."""

ERROR_KEYS = {
    "error": "kind and message; for a sweep file with mistakes also mistakes: file, key, message of each",
}
"""What a command that fails writes instead."""
