"""Loading a fitted model: from the file of a bundle, or from the store of a sweep."""

import os
from pathlib import Path
from typing import Any

from manyfit.fit.trained import Trained
from manyfit.model.errors import NotFound, Refused, UserError

_SHEBANG = b"PK\x03\x04"


def load(model: str | os.PathLike[str] | Any, task: str | None = None, *, trust: bool = False) -> Trained:
    """
    Return a fitted model, ready to predict.

    *model* is the file of a bundle; or a sweep (its file, folder, name or URL, or an open store), of which
    *task* is a key or the beginning of one, None the best of its leaderboard. A model that the sweep did
    not keep is fitted again from its task. Without *trust* nothing in a file of a model is run, and a
    model that would need it raises `Refused`. Raises `NotFound` where there is no such model.
    """
    if isinstance(model, (str, os.PathLike)) and is_model_file(model):
        return _from_file(Path(model), task, trust=trust)
    return _from_store(model, task, trust=trust)


def is_model_file(target: str | os.PathLike[str]) -> bool:
    """Whether *target* is a file with an archive in it: a bundle, or a plain skops file."""
    try:
        with Path(target).open("rb") as file:
            return file.read(len(_SHEBANG)) == _SHEBANG
    except OSError:
        return False


def _from_file(path: Path, task: str | None, *, trust: bool) -> Trained:
    from manyfit.fit.bundles import load_bundle, read_file
    from manyfit.fit.layout import is_bundle

    if task is not None:
        raise Refused(f"{path} is one model; a task goes with a sweep")
    content = read_file(path)
    if not is_bundle(content):
        raise Refused(
            f"{path} is no bundle: it has no manifest. A plain skops file that an earlier manyfit kept is loaded"
            " through its sweep, or by manyfit.fit.models.load_model"
        )
    return load_bundle(content, str(path), trust=trust)


def _is_other_file(path: Path) -> bool:
    return path.is_file() and path.suffix not in {".toml", ".yaml", ".yml", ".json"}


def _from_store(target: Any, task: str | None, *, trust: bool) -> Trained:
    from manyfit import connect
    from manyfit.api.results import Results
    from manyfit.api.trained import trained_for, trained_of

    try:
        store = connect.open_store(os.fspath(target)) if isinstance(target, (str, os.PathLike)) else target
    except UserError as error:
        if isinstance(target, (str, os.PathLike)) and _is_other_file(Path(target)):
            raise NotFound(f"{target} is neither a bundle nor a sweep") from error
        raise
    if task is not None:
        return trained_of(store, task, trust=trust)
    best = Results(store).best()
    return trained_for(store, best.candidate(), best.cell(), trust=trust)
