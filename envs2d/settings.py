"""What every world in the plane lets its user choose."""

from pydantic import Field

from toolkit.settings import WorldSettings


class PlanarSettings(WorldSettings):
    """What every world in the plane lets its user choose."""

    gravity: float = Field(9.81, ge=0, le=40, description="gravity, towards the picture's bottom (m/s2)")
