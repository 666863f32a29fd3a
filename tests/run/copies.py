"""A sweep with something of everything that a store can have, for copies of it."""

from dataclasses import replace
from pathlib import Path

from tests.report.sweeps import candidate, cells, failed, key_of, register, run, scored, segment, submit

from manyfit import connect
from manyfit.contracts.store import Store
from manyfit.model.control import Action, Cancel, Pause, Resume, SetTerms
from manyfit.model.keys import WorkerId
from manyfit.model.lease import End, EndKind
from manyfit.model.terms import Needs, Terms
from manyfit.report.compact import compact
from manyfit.run.identity import worker_info

SVC, RF, NB = candidate("svc", C=10), candidate("rf", n=3), candidate("nb", s=1)


def append(store: Store, action: Action, *, by: str = "ann", at: float = 5.0) -> None:
    store.append(action, position=len(store.entries()) + 1, by=by, at=at)


def rich(text: str, tmp: Path) -> Store:
    """Return a sweep with retries, a split, terms, kept files, a compaction, a cancellation, a dead worker."""
    store = connect.create(connect.within(connect.parse(text, Path.cwd()), "vowels"), b"name = 'vowels'\n")
    store.artifacts.put("artifacts/ab/abcd", b"model" * 1000)
    store.artifacts.put("artifacts/predictions/w-1.pack", bytes(range(256)) * 50)
    submit(store, segment([SVC, RF], cells(4), unit_size=2))
    append(store, SetTerms(terms=Terms(priority=20, needs={"rf": Needs(cores=1)})))
    run(store, lambda *_: {**failed("oom"), "final": False}, units=1)
    kept = {"artifacts": {"model": {"file": "artifacts/ab/abcd", "sha256": "x"}}}
    run(store, lambda *_: scored(cv={"accuracy": 0.5}) | kept, worker="w-2", units=2)
    lease = store.claim(register(store, "w-3"))
    assert lease is not None
    store.complete(lease, End(kind=EndKind.SPLIT, indices=(0, 1), marks="..", parts=((0,), (1,)), by=lease.worker))
    tmp.mkdir(exist_ok=True)
    compact(store, tmp=tmp)
    append(store, Pause(reason="lunch"), by="bob", at=7.5)
    append(store, Resume())
    run(store, lambda *_: failed(), worker="w-4", units=1)
    append(store, Cancel(tasks=(key_of(RF, cells(4)[3]),)))
    submit(store, segment([NB], cells(2), unit_size=1), n_new=2)
    gone = replace(worker_info(1, lambda: 1e9), id=WorkerId("w-dead"), pid_started="another life")
    store.register(gone)
    assert store.claim(gone.id) is not None
    return store


def facts(store: Store) -> list[object]:
    """Return everything that a copy has to have as well."""
    return [
        list(store.entries()),
        [
            (
                ended.unit,
                ended.epoch,
                ended.worker,
                ended.lines,
                ended.end.kind,
                ended.end.marks,
                ended.end.attempts,
            )
            for ended in store.epochs()
        ],
        [(block.unit, block.epoch, block.worker, block.lines) for block in store.accepted()],
        sorted((file.name, store.artifacts.read(file.name)) for file in store.artifacts.files()),
        [path.read_bytes() for path in store.bases()],
    ]


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
