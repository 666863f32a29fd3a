"""Which columns of a table encode which others: names and values, for who needs no data frames."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def onehot_name(column: str, value: str) -> str:
    """Return the name of the feature that tells whether *column* has *value*."""
    return f"{column}={value}"


def code_name(column: str) -> str:
    """Return the name of the feature with the places of the values of *column* in their order."""
    return f"{column}_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """
    The encoded columns of a table.

    `values` maps a column to those of its values that have a one-hot column, `orders` a column to all its
    values in their order.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def known(self) -> Mapping[str, tuple[str, ...]]:
        """Return the values that are told apart, by column."""
        return {**self.values, **self.orders}

    def origins(self) -> Mapping[str, str]:
        """Return the column that each encoding one was made from."""
        onehot = {onehot_name(name, value): name for name, found in self.values.items() for value in found}
        return {**onehot, **{code_name(name): name for name in self.orders}}

    def as_json(self) -> Mapping[str, Any]:
        """Return JSON values; empty where nothing is encoded."""
        if not self.values and not self.orders:
            return {}
        return {
            "values": {name: list(found) for name, found in self.values.items()},
            "orders": {name: list(found) for name, found in self.orders.items()},
        }


def encoding_of_json(value: Mapping[str, Any]) -> Encoding:
    """Return the encoding that `as_json` gave. Raises ValueError for anything else."""
    parts = [value.get(name, {}) for name in ("values", "orders")]
    if not all(isinstance(part, Mapping) for part in parts):
        raise ValueError("the encoding of columns is no table of values")
    for listed in (listed for part in parts for listed in part.values()):
        if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
            raise ValueError("the encoding of columns has values that are no texts")
    values, orders = ({str(name): tuple(listed) for name, listed in part.items()} for part in parts)
    return Encoding(values=values, orders=orders)
