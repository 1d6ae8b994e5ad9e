"""Episode traces: reward terms, margins, actions, joints and observations, step by step."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from gymnasium.spaces import Box

from poise.algos.base import Learner
from poise.toolkit.environment import BaseEnvironment, HasGroundContacts, HasJoints
from poise.toolkit.evaluation import is_success, merge_reports, read_success
from poise.toolkit.experience import ActorPolicy, EpisodeStep, run_episode
from poise.toolkit.registry import Env, get_reward_threshold, unwrap_poise_env
from poise.toolkit.spaces import Array, component_names, slices

MAX_OBSERVATION_SAMPLES = 8
"""Observation components that are traced of an environment of another package."""


TARGET_SIGNALS = {"pose": "target", "hand": "object", "velocity": "command"}
"""Signals of an observation that should follow another one, component by component."""


class TraceSample(NamedTuple):
    """The value of one channel at one step, with its standard deviation where it has one."""

    group: str
    name: str
    value: float
    std: float = 0.0
    unit: str = ""
    bounds: tuple[float, float] | None = None
    """Least and greatest value of the quantity, where they are known."""


@dataclass(frozen=True, eq=False)
class TraceChannel:
    """One channel of an episode."""

    group: str
    name: str
    unit: str
    values: Array
    """(steps + 1,); NaN where there was no value."""


@dataclass(frozen=True, eq=False)
class EpisodeTrace:
    """One episode: how it ended, and its channels.

    Groups: reward (what each term adds), value, margin, action, choice, joint, torque, contact,
    state, aim (the target of the state channel of that name) and shown (the observation).
    """

    seed: int
    steps_per_second: float
    episode_return: float
    steps: int
    terminated: bool
    is_success: bool | None
    """As evaluations define it (toolkit/evaluation.py); None where it is not defined."""
    failed_margin: str | None
    """The failure margin that was used up, where the environment has margins."""
    channels: tuple[TraceChannel, ...]

    @property
    def seconds(self) -> float:
        """Duration (s)."""
        return self.steps / self.steps_per_second

    @property
    def times(self) -> Array:
        """Time of each value (s), (steps + 1,)."""
        return np.arange(self.steps + 1) / self.steps_per_second

    @property
    def is_failure(self) -> bool:
        """Whether the episode terminated without a known success."""
        return self.terminated and not self.is_success

    @property
    def ending(self) -> str:
        """How the episode ended: succeeded, failed, terminated or reached the time limit.

        Where a success is not defined, a termination may be a goal or a failure.
        """
        if self.is_success:
            return "succeeded"
        if not self.terminated:
            return "reached the time limit"
        is_known = self.is_success is not None or self.failed_margin is not None
        return "failed" if is_known else "terminated"

    def get_group(self, group: str) -> dict[str, TraceChannel]:
        """Return the channels of a group by name."""
        return {channel.name: channel for channel in self.channels if channel.group == group}


def trace_episode(
    env: Env,
    learner: Learner,
    seed: int,
    steps_per_second: float,
    solved_at: float | None = None,
) -> EpisodeTrace:
    """Run one episode of a learner without exploration and return its trace.

    `solved_at` is the return that counts as a success, as of an Evaluator.
    """
    steps: list[EpisodeStep] = []
    rows: list[dict[tuple[str, str], TraceSample]] = []
    for step in run_episode(env, ActorPolicy(learner), seed):
        samples = _read_samples(env, step)
        steps.append(step)
        rows.append({(sample.group, sample.name): sample for sample in samples})
    if learner.has_critic:
        observations = np.stack([step.observation for step in steps])  # (steps + 1, O)
        values, _ = learner.value_and_std(observations)
        # No action is taken at the end of the episode, so its last observation has no value.
        for row, value in zip(rows[:-1], values[:-1], strict=True):
            row["value", "value"] = TraceSample("value", "value", float(value))
    last = steps[-1]
    episode_return = sum(step.reward for step in steps)
    report = merge_reports(read_success(step.info) for step in steps)
    if solved_at is None:
        solved_at = get_reward_threshold(env)
    return EpisodeTrace(
        seed=seed,
        steps_per_second=steps_per_second,
        episode_return=episode_return,
        steps=len(steps) - 1,
        terminated=last.terminated,
        is_success=is_success(report, episode_return, solved_at),
        failed_margin=last.info.get("failure"),
        channels=_make_channels(rows),
    )


def read_reward_terms(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """Return what each term adds to the reward, or the reward where there are no terms.

    At the start of an episode the values are NaN.
    """
    poise_env = unwrap_poise_env(env)
    if poise_env is None:
        reward = step.reward if step.action is not None else math.nan
        return [TraceSample("reward", "reward", reward)]
    weights = poise_env.REWARD[poise_env.settings.reward]
    terms = step.info["reward_terms"]
    samples = []
    for name, weight in weights.items():
        # Terms are in [0, 1] but for a few, which widen the range where it is drawn.
        bounds = (min(0.0, weight), max(0.0, weight))
        value = weight * terms.get(name, math.nan)
        samples.append(TraceSample("reward", name, value, bounds=bounds))
    return samples


def read_failure_margins(env: Env) -> list[TraceSample]:
    """Return what is left of each failure margin: 1 at rest, 0 where the episode terminates."""
    poise_env = unwrap_poise_env(env)
    if poise_env is None:
        return []
    margins = poise_env.failure_margins()
    return [
        TraceSample("margin", name, float(margin), bounds=(0.0, 1.0))
        for name, margin in margins.items()
    ]


def get_action_names(env: Env) -> list[str]:
    """Return a name for each action component: the joint that it moves, if there are joints."""
    if poise_env := unwrap_poise_env(env):
        return poise_env.action_names()
    shape = env.action_space.shape or (1,)
    return [f"action {number}" for number in range(1, int(np.prod(shape)) + 1)]


def make_action_samples(env: Env, action: Array, std: Array | float = 0.0) -> list[TraceSample]:
    """Return a sample for each action component, with its standard deviation.

    The components of an environment of Poise are in their physical units and named after the joints
    that they move, where it has joints.
    """
    values = np.ravel(action).astype(float)
    stds = np.broadcast_to(np.ravel(std), values.shape)
    poise_env = unwrap_poise_env(env)
    if poise_env is None:
        components = zip(get_action_names(env), values, stds, strict=True)
        return [
            TraceSample("action", name, float(value), float(std)) for name, value, std in components
        ]
    samples = []
    signals = [signal for _, signal in component_names(poise_env.ACTION)]
    names = poise_env.action_names()
    for name, signal, value, deviation in zip(names, signals, values, stds, strict=True):
        scale = (signal.high - signal.low) / 2.0
        physical = signal.low + (value + 1.0) * scale
        bounds = (signal.low, signal.high)
        samples.append(
            TraceSample("action", name, physical, deviation * scale, signal.unit, bounds)
        )
    return samples


def read_action(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """Return the action that was taken, NaN at the start of an episode.

    Actions of a Box are clipped to [-1, 1] and named after the joints that they move, where the
    environment has joints; choices form a group of their own.
    """
    names = get_action_names(env)
    is_continuous = isinstance(env.action_space, Box)
    group = "action" if is_continuous else "choice"
    if step.action is None:
        action = np.full(len(names), math.nan)
    elif is_continuous:
        action = np.clip(np.ravel(step.action), -1.0, 1.0)
    else:
        action = np.ravel(step.action)
    return [
        TraceSample(group, name, float(value)) for name, value in zip(names, action, strict=True)
    ]


def read_joints(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """Return angle (rad) and torque (N m) of every joint, and 1 or 0 for every ground contact.

    Torques are NaN at the start of an episode. Environments without joints or contacts have no
    such samples.
    """
    poise_env = unwrap_poise_env(env)
    has_acted = step.action is not None
    samples: list[TraceSample] = []
    if isinstance(poise_env, HasJoints):
        joints = poise_env.joints()
        samples += [TraceSample("joint", joint.name, joint.angle, unit="rad") for joint in joints]
        samples += [
            TraceSample("torque", joint.name, joint.torque if has_acted else math.nan, unit="N m")
            for joint in joints
        ]
    if isinstance(poise_env, HasGroundContacts):
        contacts = poise_env.ground_contacts()
        samples += [
            TraceSample("contact", name, float(touches)) for name, touches in contacts.items()
        ]
    return samples


def read_observation(env: Env, step: EpisodeStep) -> list[TraceSample]:
    """Return the signals that should follow a target, beside their targets.

    An environment without such signals and without joints gives its whole observation; one of
    another package the first components, unless it is an image.
    """
    poise_env = unwrap_poise_env(env)
    if poise_env is None:
        values = np.ravel(step.observation)
        if values.dtype == np.uint8:
            return []
        return [
            TraceSample("shown", f"observation {number}", float(value))
            for number, value in enumerate(values[:MAX_OBSERVATION_SAMPLES], 1)
        ]
    names = {signal.name for signal in poise_env.OBSERVATION}
    targets = {name: target for name, target in TARGET_SIGNALS.items() if {name, target} <= names}
    if targets:
        return _read_states_and_targets(poise_env, targets)
    if isinstance(poise_env, HasJoints):
        return []
    components = zip(
        component_names(poise_env.OBSERVATION), poise_env.get_observation(), strict=True
    )
    return [
        TraceSample("shown", name, float(value), unit=signal.unit)
        for (name, signal), value in components
    ]


def _read_states_and_targets(
    poise_env: BaseEnvironment, targets: dict[str, str]
) -> list[TraceSample]:
    """Return groups `state` and `aim`: each signal and its target, under the signal's names."""
    observation = poise_env.get_observation()
    positions = slices(poise_env.OBSERVATION)
    signals = {signal.name: signal for signal in poise_env.OBSERVATION}
    samples = []
    for state, target in targets.items():
        names = [name for name, _ in component_names((signals[state],))]
        names = names[: signals[target].size]
        for group, source in (("state", state), ("aim", target)):
            values = observation[positions[source]]
            samples += [
                TraceSample(group, name, float(value), unit=signals[state].unit)
                for name, value in zip(names, values, strict=False)
            ]
    return samples


def _read_samples(env: Env, step: EpisodeStep) -> list[TraceSample]:
    return [
        *read_reward_terms(env, step),
        *read_failure_margins(env),
        *read_action(env, step),
        *read_joints(env, step),
        *read_observation(env, step),
    ]


def _make_channels(rows: list[dict[tuple[str, str], TraceSample]]) -> tuple[TraceChannel, ...]:
    units = {key: sample.unit for row in rows for key, sample in row.items()}
    missing = TraceSample("", "", math.nan)
    return tuple(
        TraceChannel(*key, unit, np.array([row.get(key, missing).value for row in rows]))
        for key, unit in units.items()
    )
