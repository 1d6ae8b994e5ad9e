"""What a moment of an episode tells, number by number: what was paid, what was done, and how far each failure is."""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from gymnasium.spaces import Box

from poise.algos.base import Learner
from poise.toolkit.environment import HasGroundContacts, HasJoints, Joint
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.spaces import Array, component_names, slices

MAX_OBSERVATION_SAMPLES = 8
"""How many numbers are told of what somebody else's environment shows."""


TARGET_SIGNALS = {"pose": "target", "hand": "object", "velocity": "command"}
"""Signals that should become like another one, number by number."""


class TraceSample(NamedTuple):
    """A number of a moment, and how far it strays."""

    group: str
    name: str
    value: float
    std: float = 0.0
    unit: str = ""


def read_reward_terms(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """What each term adds to the reward; where there are none, the reward. An episode's start has not been paid for."""
    ours = unwrap_poise_env(env)
    if ours is None:
        return [
            TraceSample("reward", "reward", step.reward if step.action is not None else math.nan)
        ]
    weights = ours.REWARD[ours.settings.reward]
    terms = step.info["reward_terms"]
    return [
        TraceSample("reward", name, weight * terms.get(name, math.nan))
        for name, weight in weights.items()
    ]


def read_failure_margins(env: Env) -> list[TraceSample]:
    """How much of each margin to a failure is left."""
    ours = unwrap_poise_env(env)
    return (
        [
            TraceSample("margin", name, float(margin))
            for name, margin in ours.failure_margins().items()
        ]
        if ours
        else []
    )


def get_action_names(env: Env) -> list[str]:
    """A name for each number of the action."""
    if ours := unwrap_poise_env(env):
        return [name for name, _ in component_names(ours.ACTION)]
    shape = env.action_space.shape or (1,)
    return [f"action {number}" for number in range(1, int(np.prod(shape)) + 1)]


def read_action(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """The action, as it was taken: numbers in [-1, 1], by the joints that they move where these are known; or choices."""
    ours = unwrap_poise_env(env)
    names = (
        [joint.name for joint in ours.joints()]
        if isinstance(ours, HasJoints)
        else get_action_names(env)
    )
    group, most = ("action", 1.0) if isinstance(env.action_space, Box) else ("choice", math.inf)
    action = (
        np.full(len(names), math.nan)
        if step.action is None
        else np.clip(np.ravel(step.action), -most, most)
    )
    return [
        TraceSample(group, name, float(number)) for name, number in zip(names, action, strict=True)
    ]


def read_joints(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """Angle and torque of every joint, and what stands on the ground; nothing where the environment does not know."""
    ours = unwrap_poise_env(env)
    acted = step.action is not None
    joints: list[Joint] = ours.joints() if isinstance(ours, HasJoints) else []
    told = [TraceSample("joint", joint.name, joint.angle, unit="rad") for joint in joints]
    told += [
        TraceSample("torque", joint.name, joint.torque if acted else math.nan, unit="N m")
        for joint in joints
    ]
    contacts: dict[str, bool] = (
        ours.ground_contacts() if isinstance(ours, HasGroundContacts) else {}
    )
    return told + [
        TraceSample("contact", name, float(touches)) for name, touches in contacts.items()
    ]


def read_observation(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """What should become like a target, beside it; of an environment whose joints are not told, all that it shows."""
    ours = unwrap_poise_env(env)
    if ours is None:
        numbers = np.ravel(step.observation)
        told = [] if numbers.dtype == np.uint8 else numbers[:MAX_OBSERVATION_SAMPLES].tolist()
        return [
            TraceSample("shown", f"sees {number}", float(value))
            for number, value in enumerate(told, 1)
        ]
    values = ours.get_observation()
    places = slices(ours.OBSERVATION)
    signals = {signal.name: signal for signal in ours.OBSERVATION}
    aims = {name: aim for name, aim in TARGET_SIGNALS.items() if {name, aim} <= places.keys()}
    if not aims and not isinstance(ours, HasJoints):
        return [
            TraceSample("shown", name, float(value), unit=signal.unit)
            for (name, signal), value in zip(component_names(ours.OBSERVATION), values, strict=True)
        ]
    return [
        TraceSample(group, name, float(value), unit=signals[own].unit)
        for own, aim in aims.items()
        for group, source in (("state", own), ("aim", aim))
        for (name, _), value in zip(
            component_names((signals[own],))[: signals[aim].size],
            values[places[source]],
            strict=False,
        )
    ]


@dataclass(frozen=True, eq=False)
class TraceChannel:
    """A number of an episode, moment by moment (steps + 1,); NaN where nothing was told."""

    group: str
    name: str
    unit: str
    values: Array


@dataclass(frozen=True, eq=False)
class EpisodeTrace:
    """One episode: how it ended, and its tracks by group and name.

    Groups: reward (what each term adds), value, margin, action, choice, joint, torque, contact, state, aim (what the state of
    that name should become) and shown.
    """

    seed: int
    steps_per_second: float
    """Steps in a second."""
    episode_return: float
    steps: int
    terminated: bool
    is_success: bool
    failed_margin: str | None
    """The margin that was used up, where the environment tells its margins."""
    channels: tuple[TraceChannel, ...]

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.steps / self.steps_per_second

    @property
    def times(self) -> Array:
        """When each moment was (s)."""
        return np.arange(self.steps + 1) / self.steps_per_second

    @property
    def is_failure(self) -> bool:
        """Whether the environment ended it, and not for a success: what an evaluation counts."""
        return self.terminated and not self.is_success

    def get_group(self, group: str) -> dict[str, TraceChannel]:
        """The tracks of a group, by name."""
        return {track.name: track for track in self.channels if track.group == group}


def trace_episode(env: Env, learner: Learner, seed: int, steps_per_second: float) -> EpisodeTrace:
    """Let a learner live one episode, without exploring, and keep all that it tells."""
    moments = []
    rows = []
    for moment in run_episode(env, partial(learner.act, explore=False), seed):
        moments.append(moment)
        rows.append({told[:2]: told for told in _read_samples(env, moment)})
    # Where it stops, nothing is expected any more: the last value is none.
    worth = (
        learner.value_and_std(np.stack([moment.observation for moment in moments]))[0][:-1]
        if learner.has_critic
        else ()
    )
    for row, value in zip(rows, worth, strict=False):
        row["value", "value"] = TraceSample("value", "value", float(value))
    last = moments[-1]
    return EpisodeTrace(
        seed=seed,
        steps_per_second=steps_per_second,
        episode_return=sum(moment.reward for moment in moments),
        steps=len(moments) - 1,
        terminated=last.terminated,
        is_success=any(moment.info.get("success", False) for moment in moments),
        failed_margin=last.info.get("failure"),
        channels=_make_channels(rows),
    )


def _read_samples(env: Env, step: EpisodeStep) -> list[TraceSample]:
    return [
        *read_reward_terms(env, step),
        *read_failure_margins(env),
        *read_action(env, step),
        *read_joints(env, step),
        *read_observation(env, step),
    ]


def _make_channels(rows: list[dict[tuple[str, str], TraceSample]]) -> tuple[TraceChannel, ...]:
    keys = {key: told.unit for row in rows for key, told in row.items()}
    silent = TraceSample("", "", math.nan)
    return tuple(
        TraceChannel(*key, unit, np.array([row.get(key, silent).value for row in rows]))
        for key, unit in keys.items()
    )
