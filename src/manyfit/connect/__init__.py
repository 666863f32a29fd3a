"""
The only place that maps names, files and URLs to backends, and that joins the layers.

Heavy libraries are imported inside the functions that need them: a worker process and `manyfit status`
go through here and must stay small.
"""

from manyfit.connect.addresses import STORE_VARIABLE, Address, Kind, is_url, parse
from manyfit.connect.files import LocalFiles, local_files, store_files
from manyfit.connect.opening import (
    create,
    found_in,
    leftovers,
    made_at,
    open_address,
    open_store,
    remove,
    resolve,
    sweeps_of,
    tenant_leases,
)
from manyfit.connect.planning import (
    EXECUTOR,
    Declared,
    Planned,
    declare_sweep,
    estimators,
    families,
    place_of,
    plan_sweep,
    read_sweep,
    stored_sweep,
)
from manyfit.connect.targets import STORE_SUFFIX, address_of, expected, within

__all__ = [
    "EXECUTOR",
    "STORE_SUFFIX",
    "STORE_VARIABLE",
    "Address",
    "Declared",
    "Kind",
    "LocalFiles",
    "Planned",
    "address_of",
    "create",
    "declare_sweep",
    "estimators",
    "expected",
    "families",
    "found_in",
    "is_url",
    "leftovers",
    "local_files",
    "made_at",
    "open_address",
    "open_store",
    "parse",
    "place_of",
    "plan_sweep",
    "read_sweep",
    "remove",
    "resolve",
    "store_files",
    "stored_sweep",
    "sweeps_of",
    "tenant_leases",
    "within",
]
