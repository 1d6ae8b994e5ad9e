"""Settings: frozen and validated.

A setting is one line: name, type, default, bounds, meaning. An unknown name or a bad value is a
UserError of one line, with the nearest name.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poise.toolkit.errors import UserError, unknown_name_error

BOUND_SIGNS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))


class Settings(BaseModel):
    """Base class of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], kind: str = "setting") -> Self:
        """Return settings from plain values; a UserError names the first setting that is wrong."""
        for key in values:
            if key not in cls.model_fields:
                raise unknown_name_error(kind, str(key), cls.model_fields)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = first["msg"][0].lower() + first["msg"][1:]
            value = "" if first["type"] == "missing" else f"={first['input']!r}"
            raise UserError(f"{kind} {name}{value}: {message}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, ready for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def bounds(cls, name: str) -> tuple[float, float]:
        """Return the least and the greatest value of a setting that has both (ge and le)."""
        constraints = cls.model_fields[name].metadata
        (low,) = (constraint.ge for constraint in constraints if hasattr(constraint, "ge"))
        (high,) = (constraint.le for constraint in constraints if hasattr(constraint, "le"))
        return low, high

    @classmethod
    def describe(cls) -> list[tuple[str, str, str, str]]:
        """Return name, type with bounds, default and meaning of every setting, as text."""
        rows = []
        for name, field in cls.model_fields.items():
            annotation = field.annotation
            type_name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
            bounds = [
                f"{sign} {getattr(constraint, attribute):g}"
                for constraint in field.metadata
                for attribute, sign in BOUND_SIGNS
                if hasattr(constraint, attribute)
            ]
            type_text = ", ".join([type_name.replace("typing.", ""), *bounds])
            rows.append((name, type_text, repr(field.default), field.description or ""))
        return rows


class EnvSettings(Settings):
    """Settings of every environment."""

    reward: str = Field("posture", description="which of the environment's named rewards to use")
    reset_noise_scale: float = Field(
        0.02, ge=0, le=0.2, description="size of the start state's noise (m, rad, m/s, rad/s)"
    )
    mass_scale: float = Field(1.0, ge=0.01, le=100, description="factor on all masses")
    friction_scale: float = Field(
        1.0, ge=0, le=100, description="factor on the friction at contacts and in joints"
    )
    width: int = Field(600, ge=16, le=4096, description="width of rendered images (pixels)")
    height: int = Field(600, ge=16, le=4096, description="height of rendered images (pixels)")
    observation: Literal["state", "pixels", "both"] = Field(
        "state", description="what the agent observes: signals, images or both"
    )
    goal: Literal["state", "pixels", "both", "translated"] = Field(
        "state", description="form of the target in the observation (toolkit/observation.py)"
    )
    translator: str = Field(
        "",
        description="run folder of the translator that reads the goal image, for goal=translated",
    )
    image_size: int = Field(
        64,
        ge=16,
        le=512,
        description="height and width of the agent's images (pixels)",
    )
    frame_stack: int = Field(
        2, ge=1, le=8, description="images of the last steps in one observation"
    )
    hud: bool = Field(
        False, description="draw time, return, reward terms, actions and margins over the image"
    )


def parse_assignments(assignments: Iterable[str], option: str) -> dict[str, Any]:
    """Parse `key=value` texts; values are YAML, e.g. 3, 0.5, true, [64, 64].

    The last value of a key counts. A UserError names the `option` that the texts belong to.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{option} {assignment!r}: write it as key=value")
        try:
            values[key.strip()] = _parse_number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise UserError(f"{option} {assignment!r}: the value cannot be read") from None
    return values


def _parse_number(value: Any) -> Any:
    """Convert text to a number if it is one: YAML 1.1 reads 1e-3 as text."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
