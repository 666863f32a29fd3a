"""What all tables of a sweep file share: no unknown keys, and the kinds of values that many of them have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, PlainValidator

from manyfit.declare import quantities

Name = Annotated[str, PlainValidator(quantities.name)]
Text = Annotated[str, PlainValidator(quantities.text)]
Count = Annotated[int, PlainValidator(lambda value: quantities.whole(value, 1))]


class Table(BaseModel):
    """One table of a sweep file."""

    model_config = ConfigDict(extra="forbid", frozen=True)
