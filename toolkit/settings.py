"""Settings: frozen and validated.

A setting is one line: name, type, default, bounds, meaning. An unknown name or a bad value is a
UserError of one line, with the nearest name.
"""

import math
import re
import reprlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Literal, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from poise.toolkit.errors import UserError, printable, unknown_name_error
from poise.toolkit.files import parse_yaml

BOUND_SIGNS = (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<="))

COUNT_UNITS = {"k": 1000, "K": 1000, "M": 1_000_000}

MAX_COUNT = 10**18
"""Largest number that a text may mean: 1e999999999 would take all memory."""


OTHER_NAMES: dict[str, tuple[str, ...]] = {
    # stable-baselines3
    "n_envs": ("num_envs",),
    "total_timesteps": ("steps",),
    "n_timesteps": ("steps",),
    "timesteps": ("steps",),
    "n_steps": ("rollout_steps", "steps"),
    "n_epochs": ("epochs",),
    "ent_coef": ("entropy_coef", "init_alpha"),
    "vf_coef": ("value_coef",),
    "clip_range_vf": ("value_clip_range",),
    "train_freq": ("updates_per_step",),
    "gradient_steps": ("updates_per_step",),
    "target_policy_noise": ("policy_noise",),
    "target_noise_clip": ("noise_clip",),
    "action_noise": ("exploration_noise",),
    "net_arch": ("hidden_sizes",),
    "policy_kwargs": ("hidden_sizes",),
    "activation_fn": ("activation",),
    "ortho_init": ("orthogonal_init",),
    "features_dim": ("feature_dim",),
    "share_features_extractor": ("shared_trunk",),
    "eval_freq": ("evaluate_every",),
    "n_eval_episodes": ("evaluate_episodes",),
    "save_freq": ("checkpoint_every",),
    "log_interval": ("log_every",),
    "reward_threshold": ("solved_at",),
    "norm_obs": ("normalize_observations",),
    "norm_reward": ("normalize_reward",),
    # CleanRL
    "num_steps": ("rollout_steps", "steps"),
    "update_epochs": ("epochs",),
    "clip_coef": ("clip_range",),
    "clip_vloss": ("value_clip_range",),
    "norm_adv": ("normalize_advantage",),
    "anneal_lr": ("schedule",),
    "policy_lr": ("learning_rate",),
    "q_lr": ("learning_rate",),
    "alpha": ("init_alpha",),
    "policy_frequency": ("policy_delay",),
    "minibatch_size": ("batch_size",),
    "eval_episodes": ("evaluate_episodes",),
    # Spinning Up
    "steps_per_epoch": ("rollout_steps",),
    "replay_size": ("buffer_size",),
    "start_steps": ("learning_starts",),
    "update_after": ("learning_starts",),
    "update_every": ("updates_per_step",),
    "act_noise": ("exploration_noise",),
    "target_noise": ("policy_noise",),
    "pi_lr": ("learning_rate",),
    "vf_lr": ("learning_rate",),
    "train_pi_iters": ("epochs",),
    "train_v_iters": ("epochs",),
    "clip_ratio": ("clip_range",),
    "lam": ("gae_lambda",),
    "polyak": ("tau",),
    "num_test_episodes": ("evaluate_episodes",),
    # Papers and other libraries
    "lr": ("learning_rate",),
    "actor_lr": ("learning_rate",),
    "critic_lr": ("learning_rate",),
    "step_size": ("learning_rate",),
    "discount": ("gamma",),
    "discount_factor": ("gamma",),
    "total_steps": ("steps",),
    "max_steps": ("steps",),
    "num_timesteps": ("steps",),
    "num_actors": ("num_envs",),
    "n_workers": ("num_workers",),
    "random_seed": ("seed",),
    "mini_batch_size": ("batch_size",),
    "rollout_length": ("rollout_steps",),
    "num_epochs": ("epochs",),
    "ppo_epochs": ("epochs",),
    "clip_eps": ("clip_range",),
    "clip_param": ("clip_range",),
    "epsilon_clip": ("clip_range",),
    "entropy_coeff": ("entropy_coef",),
    "entropy_weight": ("entropy_coef",),
    "value_loss_coef": ("value_coef",),
    "value_coeff": ("value_coef",),
    "grad_clip": ("max_grad_norm",),
    "max_gradient_norm": ("max_grad_norm",),
    "lmbda": ("gae_lambda",),
    "lambda": ("gae_lambda",),
    "kl_target": ("target_kl",),
    "desired_kl": ("target_kl",),
    "replay_buffer_size": ("buffer_size",),
    "warmup_steps": ("learning_starts",),
    "utd_ratio": ("updates_per_step",),
    "replay_ratio": ("updates_per_step",),
    "soft_update_tau": ("tau",),
    "target_network_update_rate": ("tau",),
    "target_update_tau": ("tau",),
    "policy_freq": ("policy_delay",),
    "policy_update_delay": ("policy_delay",),
    "expl_noise": ("exploration_noise",),
    "init_temperature": ("init_alpha",),
    "hidden_size": ("hidden_sizes",),
    "hidden_dim": ("hidden_sizes",),
    "hidden_dims": ("hidden_sizes",),
    "num_threads": ("threads",),
}
"""Names in other libraries, and the settings here that do the same: the first that exists."""


CHOICES_PATTERN = re.compile(r"\^\(([a-z0-9_|]+)\)\$")
"""Pattern of a text that is one of some words."""


class Settings(BaseModel):
    """Base class of all settings."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any], kind: str = "setting", source: object = None) -> Self:
        """Return settings from plain values; a UserError names the first setting that is wrong.

        `kind` is the word for a setting, and `source` the file that the values come from, if any.
        """
        try:
            return cls._parse(values, kind)
        except UserError as error:
            if source is None:
                raise
            raise UserError(f"{source}: {error}") from None

    @classmethod
    def _parse(cls, values: Mapping[str, Any], kind: str) -> Self:
        if not isinstance(values, Mapping):
            raise UserError(f"{kind}s should be names with values, not {_shorten(values)}")
        for key in values:
            if key not in cls.model_fields and cls.model_config["extra"] == "forbid":
                raise unknown_setting_error(kind, str(key), cls.model_fields)
        try:
            return cls.model_validate(cls._parse_counts(values))
        except (ValidationError, RecursionError) as error:
            if isinstance(error, RecursionError):
                raise UserError(f"{kind}: the values are nested too deeply") from None
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            message = first["msg"][0].lower() + first["msg"][1:]
            pattern = first.get("ctx", {}).get("pattern", "")
            if choices := CHOICES_PATTERN.fullmatch(pattern):
                message = f"choose from {', '.join(choices[1].split('|'))}"
            value = "" if first["type"] == "missing" else f"={_shorten(first['input'])}"
            raise UserError(f"{kind} {name}{value}: {message}") from None

    @classmethod
    def _parse_counts(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values, with whole numbers for texts such as 1M where they are due."""
        parsed = dict(values)
        for name, value in values.items():
            is_int = name in cls.model_fields and cls.model_fields[name].annotation is int
            if is_int and isinstance(value, str):
                count = parse_count(value)
                parsed[name] = value if count is None else count
        return parsed

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
    def unit(cls, name: str) -> str:
        """Return the unit of a setting, which its description has in parentheses, or ""."""
        units = re.findall(r"\(([^()]*)\)", cls.model_fields[name].description or "")
        return units[-1] if units else ""

    @classmethod
    def describe(cls) -> list[tuple[str, str, str, str]]:
        """Return name, type with bounds, default and meaning of every setting, as text."""
        rows = []
        for name, field in cls.model_fields.items():
            annotation = field.annotation
            if get_origin(annotation) is Literal:
                type_name = " | ".join(map(str, get_args(annotation)))
            elif isinstance(annotation, type):
                type_name = annotation.__name__
            else:
                type_name = str(annotation)
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
    view: Literal["people", "agent"] = Field(
        "people", description="what rendered images show: all, for people, or what agents get"
    )
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
        False, description="draw time, return, reward terms, margins and action beside the image"
    )


def find_setting(name: str, choices: Iterable[str]) -> str:
    """Return the setting that `name` means, a name used here or in other libraries; or ""."""
    known = list(choices)
    normalized = name.strip().lower().replace("-", "_")
    candidates = (normalized, *OTHER_NAMES.get(normalized, ()))
    return next((candidate for candidate in candidates if candidate in known), "")


def unknown_setting_error(kind: str, name: str, choices: Iterable[str]) -> UserError:
    """Return the error for an unknown setting: the name used here, the nearest one, or all."""
    known = list(choices)
    here = find_setting(name, known)
    if here:
        return UserError(f"unknown {kind} {name!r}: Poise calls it {here}")
    return unknown_name_error(kind, name, known)


def parse_count(text: str) -> int | None:
    """Return the whole number that a text means, such as 50000, 1e6, 1_000_000, 20k, 1.5M.

    None where it means none.
    """
    stripped = text.strip()
    factor = COUNT_UNITS.get(stripped[-1:], 1)
    digits = stripped[:-1] if factor > 1 else stripped
    try:
        value = Decimal(digits) * factor
    except ArithmeticError:  # No number, or one beyond all bounds.
        return None
    is_whole = value.is_finite() and value == value.to_integral_value()
    return int(value) if is_whole and abs(value) <= MAX_COUNT else None


def parse_assignments(assignments: Iterable[str], option: str) -> dict[str, Any]:
    """Parse `key=value` texts; values are YAML, e.g. 3, 0.5, true, [64, 64].

    The last value of a key counts. A UserError names the `option` that the texts belong to.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UserError(f"{option} {_shorten(assignment)}: write it as key=value")
        try:
            values[key.strip()] = _parse_number(parse_yaml(text, "the value"))
        except UserError as error:
            raise UserError(f"{option} {_shorten(assignment)} cannot be read: {error}") from None
    return values


def _shorten(value: Any) -> str:
    """Return the repr of a value, shortened without ever being formed whole."""
    short_repr = reprlib.Repr()
    short_repr.maxstring = 60
    short_repr.maxother = 60
    return printable(short_repr.repr(value), 200)


def _parse_number(value: Any) -> Any:
    """Convert text to a finite number if it is one: YAML 1.1 reads 1e-3 as text."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return number if math.isfinite(number) else value
    return value
