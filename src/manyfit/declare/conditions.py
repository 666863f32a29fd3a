"""Where and when tasks may run: the tables of concurrency, needs and retention, and the store."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, received, shown, unknown, wrong
from manyfit.declare.table import Count, Table
from manyfit.model.mistake import Mistake, did_you_mean
from manyfit.model.sweep import Retention
from manyfit.model.terms import NO_NEEDS, Concurrency, Needs
from manyfit.model.worker import LABEL_CHARACTERS, is_label

FORMS: Mapping[str, str] = {"sqlite": "sqlite:///FILE.db", "postgresql": "postgresql://USER@HOST/DATABASE"}
"""The schemes of stores that are no folders, with the form of their URLs."""

_SCHEME_OF: Mapping[str, str] = {
    **{scheme: scheme for scheme in FORMS},
    "postgres": "postgresql",
    "sqlite3": "sqlite",
}
_USER_AND_PASSWORD = re.compile(r"//[^/@?#]*:(?!\d+[/?#])[^@]*@")
"""Also where the password has a "/" or "#" in it, which should have been escaped."""
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)

_IN_PLAIN_SIGHT = (
    "has a password in it, which everybody who sees the sweep could read; leave it out and put it into ~/.pgpass"
    " or the environment variable PGPASSWORD"
)


def store(value: Any) -> str:
    """Read where the sweep's state lives: a path, or a URL of a known scheme without a password in it."""
    text = quantities.text(value)
    found = _URL.fullmatch(text)
    if found is None or not (found[2].startswith("//") or found[1].lower() in _SCHEME_OF):
        return text
    scheme = _SCHEME_OF.get(found[1].lower())
    if scheme is None:
        forms = f"a path, {' or '.join(FORMS.values())}"
        wrong(f'no kind of store "{found[1]}"{did_you_mean(found[1], FORMS)}; a store is {forms}')
    if _has_password(text):
        wrong(_IN_PLAIN_SIGHT)
    if not _names_a_place(scheme, found[2]):
        wrong(f"names no {'file' if scheme == 'sqlite' else 'database'}; write {FORMS[scheme]}")
    return text


def _names_a_place(scheme: str, rest: str) -> bool:
    if scheme == "sqlite":
        return rest.startswith("///") and bool(rest.partition("#")[0].strip("/"))
    return rest.startswith("//") and bool(urlsplit(f"postgresql:{rest}").path.strip("/"))


def _has_password(url: str) -> bool:
    if _USER_AND_PASSWORD.search(url):
        return True
    try:
        parts = urlsplit(url)
        return parts.password is not None or any(
            key.lower().endswith("password") for key, _ in parse_qsl(parts.query, keep_blank_values=True)
        )
    except ValueError:
        return wrong("is no URL that could be read; are its brackets and its port as they should be?")


def _pipeline_limits(value: Any) -> Mapping[str, int]:
    if not isinstance(value, Mapping):
        wrong(f"{received(value)}; a table of pipelines with numbers is wanted, such as {{ svc = 2 }}")
    complaints = Complaints()
    read = partial(quantities.whole, low=1)
    found = {str(name): complaints.keep(read, count, str(name)) for name, count in value.items()}
    complaints.raise_any()
    return found


class ConcurrencyTable(Table):
    """The table [concurrency]."""

    sweep: Count | None = None
    tenant: Count | None = None
    pipelines: Annotated[Mapping[str, int], PlainValidator(_pipeline_limits)] = Field(default_factory=dict)

    def spec(self) -> Concurrency:
        return Concurrency(sweep=self.sweep, tenant=self.tenant, pipelines=dict(self.pipelines))


def _hosts(value: Any) -> tuple[str, ...]:
    return () if value in ([], ()) else quantities.texts(value)


def _labels(value: Any) -> tuple[str, ...]:
    found = _hosts(value)
    complaints = Complaints()
    for i, label in enumerate(found):
        if not is_label(label):
            complaints.add(f"{shown(label)} is no label; a label has {LABEL_CHARACTERS}", i)
    complaints.raise_any()
    return found


def _amount(value: Any) -> int:
    """Read an amount of memory that is needed; none is 0."""
    return quantities.memory_bytes(value) or 0


_Number = Annotated[int, PlainValidator(lambda value: quantities.whole(value, 0))]


class NeedsTable(Table):
    """The table [needs], or that of one pipeline, whose keys replace those of the general one."""

    cores: _Number = 0
    memory: Annotated[int, PlainValidator(_amount)] = 0
    gpus: _Number = 0
    gpu_memory: Annotated[int, PlainValidator(_amount)] = 0
    hosts: Annotated[tuple[str, ...], PlainValidator(_hosts)] = ()
    labels: Annotated[tuple[str, ...], PlainValidator(_labels)] = ()

    @model_validator(mode="after")
    def _check(self) -> "NeedsTable":
        if self.gpu_memory and "gpus" in self.model_fields_set and not self.gpus:
            complaints = Complaints()
            complaints.add("gpus = 0 needs no memory of a GPU; leave one of the two out", "gpu_memory")
            complaints.raise_any()
        return self

    def spec(self) -> Needs:
        return Needs(
            cores=self.cores,
            memory_bytes=self.memory,
            gpus=self.gpus,
            gpu_memory_bytes=self.gpu_memory,
            hosts=self.hosts,
            labels=self.labels,
        )


def resolved_needs(general: NeedsTable, own: Mapping[str, NeedsTable | None]) -> Mapping[str, Needs]:
    """
    Return what each pipeline of *own* needs, "" for those without a table of their own.

    The keys of a pipeline's table replace those of *general*. A pipeline that asks for no GPU does not
    keep the general wish for memory of one.
    """
    found = {"": general.spec()}
    for name, table in own.items():
        if table is not None:
            given = {key: getattr(table, key) for key in table.model_fields_set}
            if given.get("gpus") == 0:
                given["gpu_memory"] = 0
            found[name] = general.model_copy(update=given).spec()
    return {} if set(found.values()) == {NO_NEEDS} else found


def _kept_seconds(value: Any) -> float | None:
    if value == "never":
        return None
    try:
        return quantities.seconds(value)
    except PydanticCustomError as error:
        wrong(f'{error.message()}, or "never"')


_Kept = Annotated[float | None, PlainValidator(_kept_seconds)]


class RetentionTable(Table):
    """The table [retention]."""

    completed: _Kept = Retention().completed_seconds
    failed: _Kept = Retention().failed_seconds
    logs: _Kept = Retention().logs_seconds
    artifacts: _Kept = Retention().artifacts_seconds

    def spec(self) -> Retention:
        return Retention(
            completed_seconds=self.completed,
            failed_seconds=self.failed,
            logs_seconds=self.logs,
            artifacts_seconds=self.artifacts,
        )


def disagreements(mapping: Mapping[str, Any], file: str) -> Iterator[Mistake]:
    """Yield what is wrong between two tables of a sweep file, whatever else is wrong in them."""
    limits = mapping.get("concurrency")
    if not isinstance(limits, Mapping):
        return
    pipelines, limited = mapping.get("pipelines"), limits.get("pipelines")
    if isinstance(pipelines, Mapping) and isinstance(limited, Mapping):
        for name in limited:
            if name not in pipelines:
                message = unknown(str(name), map(str, pipelines), "pipeline")
                yield Mistake(file=file, key=f"concurrency.pipelines.{name}", message=message)
    if "tenant" in limits and not mapping.get("tenant"):
        message = 'limits the sweeps of one tenant together; say whose this one is: tenant = "..." at the top'
        yield Mistake(file=file, key="concurrency.tenant", message=message)
