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
        "pipelines": (
            "for each pipeline: pipeline, n_candidates, n_tasks, n_units, seconds (predicted work),"
            " accuracy (as below), peak_bytes (predicted memory of a runner on its largest task, 0: unknown)"
        ),
        "splits": "for each split: split, n_tasks, n_folds, whole (fits on all training rows), n_train (rows)",
        "cost_seconds": "predicted work of one worker, what tasks share counted once",
        "wall_seconds": "predicted time on n_workers workers",
        "n_workers": "workers that the prediction assumes",
        "n_measured": "finished tasks that the prediction learned from",
        "disk_bytes": "predicted size of the results",
        "worker_bytes": "predicted memory of one worker",
        "warnings": "what may be a mistake",
        "first": "the tasks that start first: key, pipeline, params, split, fold, seed, held_out",
        "accuracy": (
            "null without experience; else n_tasks, median, p90: half of these earlier fits and nine tenths of"
            " them are within these factors of what is predicted without having seen them"
        ),
        "alone_seconds": "predicted work of one worker if every task were computed alone",
        "fusion": (
            "for each way in which tasks of a pipeline are computed: pipeline, estimator, rule (empty: alone),"
            " shares, guarantee, reason (why alone), last (whether it is the last step; else its seconds are in"
            " those of the rule shared-steps), n_candidates, n_tasks, alone_seconds, seconds"
        ),
        "not_fused": "why nothing is computed together, in words; empty where something is",
        "sureness": "how good the prediction of time is, in words",
        "store": "the folder of the store",
        "difference": f"null without a store; else {DIFFERENCE}",
        "keeping": (
            "what a run does only to keep models: fits, at_most (fits is a bound, since scores decide that are not"
            " there yet), why (fits by reason: not_kept, kept_otherwise, fitted_since), without_series (tasks that"
            " are done without the series that are wanted now, which no run makes up for)"
        ),
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
        "obstacles": "why tasks are left that this run could not get on with, in words; none where all went well",
        "leaderboard": "the best ten of each split, as in results",
        "failures": "as in failures",
        "n_warned": "tasks whose fit warned, by kind of warning",
        "checks": "what is wrong with results, in words; `check` has more",
        "audit": "as in audit; null where nothing was fused since the last one, or with --no-audit",
        "files": "leaderboard (CSV) and tasks (Parquet)",
    },
    "models": {
        "models": (
            "for each kept model: id (SHA-256 of its file), task, pipeline, params, split, fold, seed, scores (by"
            " set and metric), fold_scores (of its candidate: means over folds, by metric), n_bytes, format"
            " (skops, joblib, or plain skops of earlier versions), trusted, foreign_types, file, present"
        ),
        "n_bytes": "their size together",
    },
    "predict": {
        "task": "the task of the model",
        "n_rows": "rows that were predicted",
        "counts": "how often each class was predicted; empty for numbers",
        "file": "the file that was written, or null",
        "rows": "without a file, the rows: the index column, predicted, confidence, p:CLASS of each class",
        "notes": "values in columns of texts that the model does not know, in words",
    },
    "rebuild": {
        "task": "the key of the task",
        "label": "the task in words",
        "equal": "whether every stored score is the same number",
        "scores": "for each score: set, metric, stored, rebuilt, equal",
        "versions": "what has another version than when the kept model was made, in words",
        "fused_by": "the rule that computed the stored scores together with others, or null",
        "seconds": "how long fitting and scoring took",
        "id": "SHA-256 of the new bundle",
        "kept_id": "SHA-256 of the kept bundle, or null",
        "n_bytes": "the size of the new bundle",
        "file": "the file that was written, or null",
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
        "held": "paused pipelines, each with the reason",
        "terms": "conditions of claiming: priority (null: as submitted), tenant, concurrency, needs by pipeline",
        "planning": "whether tasks are still being added",
        "dropped": "results that came too late, when others had taken over",
        "predicted": (
            "predicted against real, one object for each pipeline and kind of prediction: pipeline, n_tasks,"
            " n_learned (0: from formulas), predicted_seconds, real_seconds, ratio, seconds and memory (how far"
            " one task was off: median and p90 as factors, n), predicted_bytes, real_bytes"
        ),
        "workers": (
            "id, host, pid, threads, alive, state (starting, running, idle, paused, stopped, gone),"
            " beat_at (its last heartbeat by its own clock, or null), unit,"
            " settled, failed, tasks_per_second, memory_bytes"
        ),
        "notes": "what the store noticed",
        "audit": "the last certificate, as in audit; null before the first",
        "doubtful": "for each fusion rule that an audit switched off: how many results of it there are",
        "models_lacking": "models that [keep] asks for and the store has not; null before the sweep is complete",
    },
    "results": {
        "raw": "whether rows are tasks",
        "n_rows": "rows",
        "rows": (
            "one object for each candidate on each split, or for each task, with the columns of the files; with"
            " --gap those of `Results.generalisation`"
        ),
    },
    "failures": {
        "failures": (
            "for each cause: class, fingerprint, n_tasks, pipelines, example (a key), label, error, message, do,"
            " host (null: several), n_forgiven (attempts that were not charged), evidence (of the example, as far"
            " as it is known: host, pid, seconds, signal, exit_code, peak_bytes, limit_bytes, limit_seconds, how,"
            " memory_by, alone, losses)"
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
        "held_out": "the group that its fold holds out, null where that is not one group",
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
            " artifacts, fusion (rule, guarantee, n_tasks; empty: fitted alone), failure; null before there is one"
        ),
    },
    "check": {
        "sweep": "the sweep's name",
        "counts": COUNTS,
        "rules": "names of the rules that were asked",
        "n_errors": "remarks that are errors: above 0 the exit code is 1",
        "n_warnings": "remarks that are warnings",
        "remarks": (
            "what was found, errors first: rule, severity (error, warning, note), pipeline (or null), text,"
            " n_found, n_looked_at, examples (keys of tasks), do"
        ),
    },
    "export": {
        "folder": "where the files are",
        "n_runs": "rows of the table of runs",
        "n_series": "series of training in the table of series",
        "complete": "whether no task is left",
        "columns": "names of the columns of the table of runs",
        "files": "for each file: name, n_bytes, sha256, n_rows (null for what is no table)",
    },
    "archive": {
        "archive": "the file",
        "sweep": "the sweep's name",
        "complete": "whether no task was left when it was made",
        "counts": COUNTS,
        "n_runs": "runs with a result",
        "n_files": "entries of the archive",
        "n_bytes": "size of the file",
        "n_bytes_unpacked": "size of all entries",
        "made_with": "version of manyfit",
    },
    "audit": {
        "passed": "false when a score is not what its rule promises",
        "n_fused": "results that were computed together with others",
        "n_tasks": "how many of them were compared",
        "rules": (
            "for each rule: rule, guarantee (exact, close, tolerance, statistical), n_fused, n_tasks, n_cells"
            " (scores compared), n_wrong, largest, median (differences), n_unable (could not be fitted again"
            " here), n_unsteady (differ each time they are fitted alone), example (a key, or null), verdict"
            " (kept, broken, measured, unknown)"
        ),
        "off": "rules that this audit switched off",
        "seed": "draws the same results again",
        "versions": "of manyfit and the libraries that fitted",
    },
    "compare": {
        "comparisons": (
            "for each split and data variant of each sweep: sweep, split, variant, set, metric, greater_is_better,"
            " best (pipeline, params, features, candidate_key, score), over, n_cells, n_folds, ratio (rows tested"
            " to rows trained on), alpha, rope, against (for each other: pipeline, params, features,"
            " candidate_key, score, n_pairs, difference, low, high, p, p_holm, p_wilcoxon, p_wilcoxon_holm,"
            " p_below, p_within, p_above, says), notes"
        ),
        "ranking": (
            "over several data sets, else null: metric, data_sets, competitors (name, rank), scores (data sets x"
            " competitors), alpha, critical_difference, not_different (groups of names), friedman (chi2, p, f,"
            " p_f), p_wilcoxon (of two), left_out, notes"
        ),
    },
    "gate": {
        "passed": "whether every gate passed: the exit code is 0, else 1",
        "model": "the model that was judged",
        "champion": "the model that it was compared with, or null",
        "data": "the rows that it was judged on",
        "n_rows": "how many they are",
        "scores": "metrics over all rows",
        "classes": "for each class: n_rows, precision, recall, f1, specificity",
        "groups": "for each group: n_rows, metrics",
        "gates": (
            "for each gate: kind (metric, champion, latency, size, schema, calibration), key (its place in the"
            " rules), gate, wanted, measured, value, passed, says"
        ),
    },
    "report": {
        "file": "the HTML file that was written",
        "n_bytes": "its size",
        "sections": "the ids of its sections; those without anything to show are left out",
        "plots": "files of plots, with --plots",
        "predictions": "for each of the best candidates: kept, fitted again, or missing",
        "seconds": "how long it took",
    },
    "verify": {
        "id": "names the verification; the same request on the same data has the same",
        "stored_at": "when it was stored, in seconds",
        "sweep": "the sweep's name",
        "source": "what was verified on: kind (data, unseen-groups, unused-rows), shown, fingerprint, where",
        "sample": "how rows were drawn",
        "seed": "what drew them",
        "keep_seen": "whether rows that stand among training rows were kept",
        "problem": "classification or regression",
        "n_rows": "verified rows (of the model with most)",
        "rows_sha256": "of the table of all predictions",
        "notes": "what is to be said of the rows, leakage for one",
        "models": (
            "for each model: candidate_key, tasks, pipeline, params, features, variant, split, metric, set and"
            " validation (its score in the sweep), verified, gap (positive: worse here), counts (no_target,"
            " seen_by_index, seen_by_content), n_rows, scores, classes and categories (support, n_predicted,"
            " precision, recall, f1, specificity), groups, confusion_matrix, category_confusion_matrix"
        ),
    },
    "pause": {
        "paused": "true",
        "changed": "false when it was paused already",
        "pipeline": "the pipeline that is held, null for the whole sweep",
        "reason": "as it was given",
    },
    "resume": {
        "paused": "whether the whole sweep is paused still",
        "changed": "false when it was not paused",
        "workers": "workers alive",
        "held": "pipelines that are held still",
    },
    "priority": {
        "priority": "the priority in force, as a number",
        "before": "the one before",
        "changed": "false when it was that already",
    },
    "limit": {
        "running": "tasks of the sweep at once, null for any number",
        "tenant": "tasks at once of all sweeps of its tenant in the store, or null",
        "pipelines": "tasks at once of each limited pipeline",
        "changed": "whether anything was changed",
    },
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
    "gc": {
        "due": (
            "for each thing that may go: kind (sweep, log, artifact, temporary, leftover), store, name, why,"
            " age_seconds, n_bytes"
        ),
        "removed": "those that were removed: none without --yes",
        "spared": "for each sweep that nothing is taken from: store, why",
        "n_bytes": "of everything that may go",
    },
    "copy": {
        "sweep": "the sweep's name",
        "n_entries": "entries of the control chain that both stores have",
        "n_epochs": "ended epochs that both have",
        "n_results": "accepted results that both have, those of earlier attempts included",
        "n_artifacts": "kept files that both have",
        "n_new_entries": "entries that this call copied",
        "n_new_epochs": "ended epochs that this call copied",
        "n_new_artifacts": "kept files that this call copied",
        "n_left_out": "open leases of dead workers: their tasks are pending in the copy",
        "target": "the URL or folder of the copy",
    },
    "compact": {"compacted": "whether there was something", "position": "the entry of the control chain, or null"},
    "doctor": {
        "folder": "the folder whose file system was tested",
        "store": "the store that was read, or null",
        "problems": "how many findings are problems",
        "warnings": "how many are warnings",
        "ok": "how many are neither",
        "findings": (
            "for each check: area (machine, versions, file system, clock, store), name, status (ok, warning,"
            " problem), seen, do, facts (the same as values: sizes in bytes, times in seconds)"
        ),
    },
}
"""Also: `run --background` writes sweep, store, pid, log, submitted; an interrupted run has `continue`."""

ERROR_KEYS = {
    "error": "kind and message; for a sweep file with mistakes also mistakes: file, key, message of each",
}
"""What a command that fails writes instead."""

OTHER_KEYS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "archive": (
        "with --restore",
        {
            "target": "the store that has the sweep now",
            "sweep": "the sweep's name",
            "counts": COUNTS,
            "n_results": "accepted results, those of earlier attempts included",
            "n_artifacts": "kept files",
        },
    ),
    "status": (
        "of a store with several sweeps",
        {
            "store": "the store",
            "sweeps": (
                "for each sweep, most urgent first: sweep, store, state, priority, counts, workers (alive),"
                " last_activity_at, doubtful (an audit found results that are)"
            ),
        },
    ),
    "compare": (
        "with --one-se or --simplest",
        {
            "choices": (
                "for each split and data variant of each sweep: sweep, split, variant, metric, best and chosen"
                " (pipeline, params, features, candidate_key, score, std, time_fit, rank), standard_error,"
                " threshold, n_within, simplest"
            )
        },
    ),
    "gate": (
        "with --init",
        {"file": "the rules file that was written"},
    ),
    "verify": (
        "with --list",
        {"verifications": "all that are stored, oldest first"},
    ),
    "explain": (
        "with --pending",
        {
            "pending": "tasks that wait",
            "reasons": (
                "for each reason to wait, most important first: cause (paused, no-worker, held, unmet, drained,"
                " limit, lost, put-off, leased, queued), n_tasks, pipelines, why, do"
            ),
        },
    ),
}
"""What a command writes instead, under the condition that stands first."""
