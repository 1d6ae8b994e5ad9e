"""Settings: frozen, validated, and kind to typing mistakes.

A setting is one line: name, type, default, bounds, meaning. An unknown name or a bad value becomes a
UserError of one line, with the nearest name.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poise.toolkit.errors import UserError, unknown_name_error

BOUND_SIGNS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))


class Settings(BaseModel):
    """The base of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], kind: str = "setting") -> Self:
        """Settings from plain values; whatever is wrong is a UserError that names the first culprit."""
        for key in values:
            if key not in cls.model_fields:
                raise unknown_name_error(kind, str(key), cls.model_fields)
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = first["msg"][0].lower() + first["msg"][1:]
            given = "" if first["type"] == "missing" else f"={first['input']!r}"
            raise UserError(f"{kind} {name}{given}: {message}") from None

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values, ready for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def bounds(cls, name: str) -> tuple[float, float]:
        """The least and the greatest value of a setting that has both."""
        bounds = cls.model_fields[name].metadata
        low, high = (
            getattr(bound, sign)
            for sign in ("ge", "le")
            for bound in bounds
            if hasattr(bound, sign)
        )
        return low, high

    @classmethod
    def describe(cls) -> list[tuple[str, str, str, str]]:
        """Name, type, default and meaning of every setting, as text."""
        rows = []
        for name, field in cls.model_fields.items():
            kind = (
                field.annotation.__name__
                if isinstance(field.annotation, type)
                else str(field.annotation)
            )
            bounds = [
                f"{sign} {getattr(bound, name):g}"
                for bound in field.metadata
                for name, sign in BOUND_SIGNS
                if hasattr(bound, name)
            ]
            kind = ", ".join([kind.replace("typing.", ""), *bounds])
            rows.append((name, kind, repr(field.default), field.description or ""))
        return rows


class EnvSettings(Settings):
    """What every environment lets its user choose."""

    reward: str = Field("posture", description="which of the environment's named rewards it pays")
    reset_noise_scale: float = Field(
        0.02, ge=0, le=0.2, description="spread of the start state (m, rad, m/s, rad/s)"
    )
    mass_scale: float = Field(
        1.0, ge=0.01, le=100, description="how heavy everything is, as a multiple"
    )
    friction_scale: float = Field(
        1.0, ge=0, le=100, description="friction at contacts and in joints, as a multiple"
    )
    width: int = Field(600, ge=16, le=4096, description="width of its picture (pixels)")
    height: int = Field(600, ge=16, le=4096, description="height of its picture (pixels)")
    observation: Literal["state", "pixels", "both"] = Field(
        "state", description="what its agent sees: signals, pictures or both"
    )
    goal: Literal["state", "pixels", "both", "translated"] = Field(
        "state", description="how it is told its target (toolkit/sight.py)"
    )
    translator: str = Field(
        "", description="folder of the run that reads the target's picture, for goal=translated"
    )
    image_size: int = Field(
        64,
        ge=16,
        le=512,
        description="height and width of the pictures that its agent sees (pixels)",
    )
    frame_stack: int = Field(
        2, ge=1, le=8, description="pictures of the last steps that its agent sees at once"
    )
    hud: bool = Field(
        False, description="draw time, return, reward terms, actions and margins over the picture"
    )


def parse_assignments(assignments: Iterable[str], option: str) -> dict[str, Any]:
    """`key=value` words as a dictionary; values are read as YAML, so 3, 0.5, true and [64, 64] are themselves."""
    values: dict[str, Any] = {}
    for word in assignments:
        key, equals, text = word.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{option} {word!r}: write it as key=value")
        try:
            values[key.strip()] = _parse_number(yaml.safe_load(text))
        except yaml.YAMLError:
            raise UserError(f"{option} {word!r}: the value cannot be read") from None
    return values


def _parse_number(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
