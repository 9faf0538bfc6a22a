"""What a policy says of an intervention: the condition, the rows to be left alone, a direction from a file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from audit.requests import DirectionFile
from audit.types import FileParam, Stated

STATEMENT = ("layer", "position", "positive", "negative", "made_by")
"""What has to be stated of a direction whose file says nothing of itself."""


class Condition(BaseModel):
    """Which rows show the condition, and which they are compared with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: Annotated[str, Field(description="The column that says under which condition a row stands.")]
    toward: Annotated[str, Field(description="The value whose direction is added.")]
    against: Annotated[
        tuple[str, ...], Field(description="The values it is compared with, to whose rows it is added.", min_length=1)
    ]

    @model_validator(mode="after")
    def _differ(self) -> Condition:
        if self.toward in self.against:
            raise ValueError("toward is also one of against")
        return self


class OffTarget(BaseModel):
    """Rows that the direction should leave alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: Annotated[str, Field(description="The column that marks them.")]
    values: Annotated[tuple[str, ...], Field(description="Its values that mark them.", min_length=1)]


class GivenDirection(BaseModel):
    """A direction that was made elsewhere, or stored by an earlier audit of the same model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: Annotated[FileParam, Field(description="A safetensors file with one vector.")]
    tensor: Annotated[
        str, Field(description="Name of the tensor, in a file that inspectoscope did not write.", min_length=1)
    ] = "direction"
    layer: Annotated[
        int | None,
        Field(
            description="Layer it was found at: 0 enters the first block, k leaves block k. This and the next four are "
            "stated of a file that inspectoscope did not write, all of them or none.",
            ge=0,
        ),
    ] = None
    position: Annotated[str | None, Field(description="Where in the text it was found.", min_length=1)] = None
    positive: Annotated[str | None, Field(description="What it points toward.", min_length=1)] = None
    negative: Annotated[str | None, Field(description="What it points away from.", min_length=1)] = None
    made_by: Annotated[
        str | None, Field(description="Who made it and how; the record says that it was stated.", min_length=1)
    ] = None
    length: Annotated[
        Literal["own", "mean_difference"] | None,
        Field(
            description="How far it moves the states: as far as it is long, or as far as the condition's mean "
            "difference is long at its layer. By default its own length where it is known to be in units of "
            "activation, and else the mean difference's: weights of a probe have no length of their own."
        ),
    ] = None

    @model_validator(mode="after")
    def _whole_statement(self) -> GivenDirection:
        missing = [name for name in STATEMENT if getattr(self, name) is None]
        if missing and len(missing) < len(STATEMENT):
            raise ValueError(f"{', '.join(STATEMENT)}: all of them, and {', '.join(missing)} is not stated")
        return self

    @property
    def request(self) -> DirectionFile:
        """Return what is asked of the capture stage."""
        return DirectionFile(file=self.file, tensor=self.tensor, stated=self._stated)

    @property
    def _stated(self) -> Stated | None:
        if self.layer is None:
            return None
        return Stated(
            layer=self.layer,
            position=self.position or "",
            positive=self.positive or "",
            negative=self.negative or "",
            made_by=self.made_by or "",
        )
