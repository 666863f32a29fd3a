"""The table [data.encode]: which columns of texts become numbers, and how."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, model_validator

from manyfit.declare import quantities
from manyfit.declare.complaints import Complaints, received, shown, wrong
from manyfit.declare.table import Count, Table
from manyfit.model.sweep import EncodeSpec

_FEWEST = 2


def _orders(value: Any) -> Mapping[str, tuple[str, ...]]:
    if not isinstance(value, Mapping):
        wrong(f'{received(value)}; a table is wanted, such as {{ severity = ["low", "medium", "high"] }}')
    complaints = Complaints()
    found = {str(name): complaints.keep(_order, values, str(name)) for name, values in value.items()}
    complaints.raise_any()
    return {name: order for name, order in found.items() if order is not None}


def _order(value: Any) -> tuple[str, ...]:
    if not isinstance(value, (list, tuple)) or len(value) < _FEWEST:
        wrong(f"{received(value)}; the values are wanted in their order, at least {_FEWEST}")
    complaints = Complaints()
    found = tuple(complaints.keep(quantities.label, part, i) for i, part in enumerate(value))
    for i, part in enumerate(found):
        if part is not None and part in found[:i]:
            complaints.add(f"{shown(part)} is in the list more than once", i)
    complaints.raise_any()
    return tuple(part for part in found if part is not None)


class EncodeTable(Table):
    """The table [data.encode]."""

    onehot: Annotated[tuple[str, ...], PlainValidator(quantities.texts)] = ()
    ordinal: Annotated[Mapping[str, tuple[str, ...]], PlainValidator(_orders)] = Field(default_factory=dict)
    max_values: Count = EncodeSpec().max_values

    @model_validator(mode="after")
    def _check(self) -> "EncodeTable":
        complaints = Complaints()
        if not self.onehot and not self.ordinal:
            complaints.add('encodes nothing: give onehot = ["COLUMN"], or ordinal = { COLUMN = ["low", "high"] }')
        for i, name in enumerate(self.onehot):
            if name in self.ordinal:
                complaints.add(f"{shown(name)} has an order as well; leave out one of the two", "onehot", i)
        complaints.raise_any()
        return self

    def spec(self) -> EncodeSpec:
        return EncodeSpec(onehot=self.onehot, ordinal=self.ordinal, max_values=self.max_values)
