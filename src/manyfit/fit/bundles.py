"""
Bundles: one fitted model in one file, with a manifest, that reading alone never runs code from.

A zip file (see `manyfit.fit.layout`) of `manifest.json` and the parts of the model: `model.skops`, where its
boosters stand apart as `booster-N.ubj` (XGBoost) or `booster-N.txt` (LightGBM); or, only where it was asked for
by name, `model.joblib`, which is a pickle. A bundle is known by the SHA-256 of its bytes: equal fits give equal
bytes.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from manyfit.fit import layout
from manyfit.fit.boosters import LIGHTGBM, UBJ, BoosterPart, check_library, put_back, taken_out
from manyfit.fit.manifests import FORMAT, trained_from
from manyfit.fit.models import dump_model, foreign_types, model_of
from manyfit.fit.trained import Trained
from manyfit.model.errors import NotFound, Refused, told
from manyfit.model.keys import CandidateKey, CellKey, canonical_json, task_key
from manyfit.model.sweep import ModelFormat, Problem

MANIFEST, SKOPS, JOBLIB = layout.MANIFEST, "model.skops", "model.joblib"
MAX_MANIFEST = 2**26
"""Bytes of a manifest at most: a million columns, about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A bundle that was read and checked; nothing in it was built yet."""

    sha256: str
    manifest: Mapping[str, Any]
    parts: Mapping[str, bytes]
    foreign_types: tuple[str, ...]
    n_bytes: int

    @property
    def pickled(self) -> bool:
        """Whether loading the model runs whatever its file says."""
        return JOBLIB in self.parts

    @property
    def trusted(self) -> bool:
        """Whether loading builds only types of known libraries."""
        return not self.pickled and not self.foreign_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The bytes of a new bundle, and what its manifest says of the model in it."""

    content: bytes
    model: Mapping[str, Any]


def pack(estimator: Any, manifest: Mapping[str, Any], format: ModelFormat = ModelFormat.SKOPS) -> Packed:
    """
    Return the bundle of a fitted *estimator* with *manifest* (see `manyfit.fit.manifests`).

    Raises what the writing library raises for a type that it cannot write, `Refused` for what is too large.
    """
    match format:
        case ModelFormat.SKOPS:
            parts, foreign = _skops_parts(estimator)
        case ModelFormat.JOBLIB:
            parts, foreign = {JOBLIB: _joblib(estimator)}, []
    listed = [
        {"name": name, "bytes": len(content), "sha256": _sha256(content)}
        for name, content in sorted(parts.items())
    ]
    trusted = format is ModelFormat.SKOPS and not foreign
    model = {"format": format.value, "trusted": trusted, "foreign_types": foreign, "parts": listed}
    content = layout.write_entries({MANIFEST: canonical_json({**manifest, "model": model}), **parts})
    return Packed(content=content, model=model)


def _skops_parts(estimator: Any) -> tuple[dict[str, bytes], list[str]]:
    with taken_out(estimator) as (without, boosters):
        content = dump_model(without)
    return {SKOPS: content, **{part.name: part.content for part in boosters}}, foreign_types(content)


def _joblib(estimator: Any) -> bytes:
    import joblib

    out = io.BytesIO()
    joblib.dump(estimator, out)
    return out.getvalue()


# -- reading ---------------------------------------------------------------------------------------------


def read_file(path: Path) -> bytes:
    """Return the bytes of the bundle at *path*. Raises `NotFound`, and `Refused` for what is too large."""
    try:
        n_bytes = path.stat().st_size
        if n_bytes > layout.MAX_BYTES:
            raise Refused(f"{path} has {n_bytes:,} bytes; a bundle has at most {layout.MAX_BYTES:,}")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error}") from error


def open_bundle(content: bytes, shown: str, *, sha256: str | None = None) -> Bundle:
    """
    Return the bundle *content*, which messages call *shown*; no part of its model is built.

    Raises `Refused` for anything that `pack` would not have written: another layout, an entry that the
    manifest does not list, bytes without their checksum (*sha256* is that of the whole), a feature schema
    whose key is that of another, a task that is not that of its candidate and cell.
    """
    found = _sha256(content)
    if sha256 is not None and found != sha256:
        raise Refused(f"{shown} does not match its checksum {sha256[:12]}; it was changed after it was kept")
    entries = layout.read_entries(content, shown)
    manifest = _manifest(entries, shown)
    parts = {name: body for name, body in entries.items() if name != MANIFEST}
    try:
        _check_parts(manifest["model"], parts, shown)
        _check_task(manifest, shown)
        trained_from(manifest, None)
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(f"the manifest of {shown} is not whole: {type(error).__name__}: {error}") from error
    foreign = foreign_types(parts[SKOPS], shown) if SKOPS in parts else []
    return Bundle(sha256=found, manifest=manifest, parts=parts, foreign_types=tuple(foreign), n_bytes=len(content))


def load_bundle(content: bytes, shown: str, *, trust: bool = False, sha256: str | None = None) -> Trained:
    """
    Return the model in the bundle *content*, ready to predict.

    Without *trust* only types of known libraries are built, and no code of the bundle runs. Raises
    `Refused` for a bundle that needs *trust*, and as `open_bundle` does.
    """
    return built(open_bundle(content, shown, sha256=sha256), shown, trust=trust)


def built(bundle: Bundle, shown: str, *, trust: bool = False) -> Trained:
    """Return the model in an opened bundle; see `load_bundle`."""
    if not trust and not bundle.trusted:
        what = "is a pickle, which can run any program" if bundle.pickled else _contains(bundle)
        raise Refused(
            f"{shown} {what}; if you trust whoever made it, load it with --trust, in Python with trust=True"
        )
    try:
        estimator = _joblib_loaded(bundle.parts[JOBLIB]) if bundle.pickled else _skops_loaded(bundle, shown)
    except Refused:
        raise
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        raise Refused(f"the model in {shown} cannot be built: {told(type(error).__name__, error)}") from error
    trained = trained_from(bundle.manifest, estimator)
    _check_fit(trained, shown)
    return trained


def _contains(bundle: Bundle) -> str:
    return f"contains types of unknown libraries ({', '.join(bundle.foreign_types)})"


def _skops_loaded(bundle: Bundle, shown: str) -> Any:
    boosters = {
        name: BoosterPart(name=name, format=UBJ if name.endswith(".ubj") else LIGHTGBM, content=content)
        for name, content in bundle.parts.items()
        if name != SKOPS
    }
    for part in boosters.values():
        check_library(part.format)
    estimator = model_of(bundle.parts[SKOPS], shown, trusted=bundle.foreign_types)
    return put_back(estimator, boosters)


def _joblib_loaded(content: bytes) -> Any:
    import joblib

    return joblib.load(io.BytesIO(content))


def _manifest(entries: Mapping[str, bytes], shown: str) -> dict[str, Any]:
    text = entries.get(MANIFEST, b"")
    if next(iter(entries)) != MANIFEST or len(text) > MAX_MANIFEST:
        raise Refused(f"{shown} does not begin with a {MANIFEST}, or with one that is larger than any")
    try:
        manifest = json.loads(text)
        exact = isinstance(manifest, dict) and canonical_json(manifest) == text
    except (ValueError, RecursionError) as error:
        raise Refused(f"{MANIFEST} of {shown} cannot be read: {error}") from error
    if not exact:
        raise Refused(f"{MANIFEST} of {shown} is not written as manyfit writes it")
    if manifest.get("format") != FORMAT:
        raise Refused(
            f"{shown} has the format {manifest.get('format')!r}, and this manyfit reads {FORMAT}; use the"
            " version of manyfit that wrote it, or a newer one"
        )
    return dict(manifest)


def _check_parts(model: Mapping[str, Any], parts: Mapping[str, bytes], shown: str) -> None:
    listed = {part["name"]: part for part in model["parts"]}
    if unknown := sorted(set(parts) - set(listed)):
        raise Refused(f'{shown} has an entry "{unknown[0]}" that its manifest does not list')
    if missing := sorted(set(listed) - set(parts)):
        raise Refused(f'{shown} lacks the entry "{missing[0]}" of its manifest')
    for name, content in parts.items():
        if (len(content), _sha256(content)) != (listed[name]["bytes"], listed[name]["sha256"]):
            raise Refused(f'the entry "{name}" of {shown} does not match its checksum; it was changed')
    wanted = {SKOPS: ModelFormat.SKOPS.value, JOBLIB: ModelFormat.JOBLIB.value}
    main = [name for name in parts if wanted.get(name) == model["format"]]
    others = [name for name in parts if name not in main and not _is_booster(name)]
    if len(main) != 1 or others or (main == [JOBLIB] and len(parts) > 1):
        raise Refused(f"{shown} has the parts {', '.join(sorted(parts))}, which are no model of a known format")


def _is_booster(name: str) -> bool:
    stem, _, suffix = name.partition(".")
    return stem.startswith("booster-") and suffix in {"ubj", "txt"}


def _check_task(manifest: Mapping[str, Any], shown: str) -> None:
    key = task_key(CandidateKey(manifest["candidate"]["key"]), CellKey(manifest["cell"]["key"]))
    if manifest["task"] != key:
        raise Refused(
            f"{shown} says that it is of task {manifest['task']}, and its candidate and cell are of {key}"
        )


def _check_fit(trained: Trained, shown: str) -> None:
    """Refuse a model that was fitted on another number of features or classes than the manifest says."""
    n_features = getattr(trained.estimator, "n_features_in_", len(trained.schema.names))
    if n_features != len(trained.schema.names):
        raise Refused(
            f"{shown}: its model was fitted on {n_features} features, and its manifest names"
            f" {len(trained.schema.names)}; somebody put them together"
        )
    codes = getattr(trained.estimator, "classes_", ())
    if trained.problem is Problem.CLASSIFICATION and len(codes) > len(trained.classes):
        raise Refused(f"{shown}: its model tells {len(codes)} classes apart, and its manifest names fewer")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
