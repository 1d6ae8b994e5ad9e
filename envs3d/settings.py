"""What every world in space lets its user choose."""

from typing import Literal

from pydantic import Field

from toolkit.settings import WorldSettings


class SpatialSettings(WorldSettings):
    """What every world in space lets its user choose."""

    gravity: float = Field(9.81, ge=0, le=40, description="gravity (m/s2)")
    camera: Literal["front", "side", "top", "follow"] = Field("follow", description="where its pictures are taken from")
    width: int = Field(480, ge=16, le=4096, description="width of its picture (pixels)")
    height: int = Field(480, ge=16, le=4096, description="height of its picture (pixels)")
    markers: bool = Field(True, description="paint targets over its pictures")
    shadows: bool = Field(True, description="draw shadows; without them pictures take half the time")
    renderer: Literal["tiny", "egl"] = Field("tiny", description="tiny: on any machine; egl: on a graphics card")
