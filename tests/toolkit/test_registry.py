"""Registry: errors for unknown names and settings; actions that an environment masks."""

from typing import Any, ClassVar

import gymnasium
import numpy as np
import pytest
from commands import invoke, said
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete
from hypothesis import given
from hypothesis import strategies as st
from probes import Probe, unit_box

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.registry import make_env, resolve_env_id, short_name

# Unknown names and settings.


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("Standing", "'standing'"),
        ("bolla_rolla", "'bolla-rolla'"),
        ("Pendulum", "'Pendulum-v1'"),
        ("pendulum-v9", "'Pendulum-v1'"),
        ("HalfCheetah-v9", "'HalfCheetah-v5'"),
        ("MountainCarContinous-v0", "'MountainCarContinuous-v0'"),
    ],
)
def test_near_environment_is_suggested_whatever_its_capitals_and_version(name, near):
    with pytest.raises(UserError, match=f"did you mean {near}"):
        resolve_env_id(name)


@pytest.mark.parametrize("name", ["Kitchen/Oven-v7", "Zzzz-v0", "qqq", "ALE/Pong-v5"])
def test_error_for_an_unknown_environment_lists_few_names_and_the_form_of_other_ids(name):
    with pytest.raises(UserError) as caught:
        resolve_env_id(name)
    assert "MODULE:ID" in str(caught.value)
    named = [env_id for env_id in gymnasium.registry if env_id in str(caught.value)]
    assert len(named) <= 10 and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("env_id", "setting", "message"),
    [
        ("Pendulum-v1", "gg", "unknown setting 'gg' of Pendulum-v1: did you mean 'g'"),
        ("CartPole-v1", "gravity", "unknown setting 'gravity' of CartPole-v1: choose from"),
        ("poise/Cartpole-v0", "forse", "did you mean 'force'"),
    ],
)
def test_unknown_setting_of_any_environment_is_named_with_those_that_there_are(
    env_id, setting, message
):
    with pytest.raises(UserError, match=message):
        make_env(env_id, {setting: 3})


def test_short_names_of_registered_environments_resolve():
    for env_id in gymnasium.registry:
        if env_id.startswith("poise/"):
            assert resolve_env_id(short_name(env_id)) == env_id


# Masked actions.


class Masked(Probe):
    """Allows only odd choices in every other step; a forbidden one raises."""

    def __init__(
        self, space: Any = None, place: str = "info", render_mode: str | None = None
    ) -> None:
        super().__init__(render_mode)
        self.action_space = Discrete(5) if space is None else space
        self.place = place
        if place == "observation":
            size = int(self.action_space.n)
            self.observation_space = Dict({"state": unit_box(), "action_mask": Box(0, 1, (size,))})
        if place == "method":
            self.action_masks = self.mask

    def mask(self) -> np.ndarray:
        divisor = self.age % 2 + 1
        masks = [np.arange(count) % divisor == self.age % 2 for count in self._counts()]
        return np.concatenate(masks).astype(np.int8)

    def _counts(self) -> list[int]:
        space = self.action_space
        return [*space.nvec] if isinstance(space, MultiDiscrete) else [space.n]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self._result()

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        parts = np.split(self.mask(), np.cumsum(self._counts())[:-1])
        starts = np.ravel(self.action_space.start)
        for part, choice in zip(parts, np.ravel(action) - starts, strict=True):
            assert part[choice], "a forbidden action"
        self.age += 1
        observation, info = self._result()
        return observation, 0.0, False, self.age >= 30, info

    def _result(self) -> Any:
        observation: Any = self.see()
        if self.place == "observation":
            observation = {"state": observation, "action_mask": self.mask().astype(np.float32)}
        return observation, {"action_mask": self.mask()} if self.place == "info" else {}


gymnasium.register("probe/Masked-v0", Masked)


class Numbered(Probe):
    """Has a number where others have the method `action_masks`."""

    action_masks = 5
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"]}

    def __init__(self) -> None:
        super().__init__()


gymnasium.register("probe/Numbered-v0", Numbered)


def test_attribute_that_is_no_method_masks_no_action():
    env = make_env("probe/Numbered-v0")
    env.reset(seed=0)
    env.step(env.action_space.sample())


def test_constructor_without_render_mode_is_named_where_images_are_needed():
    with pytest.raises(UserError, match="cannot be rendered: its constructor takes no render_mode"):
        make_env("probe/Numbered-v0", render_mode="rgb_array")


SPACES = [Discrete(5), Discrete(4, start=-2), MultiDiscrete([2, 3, 7])]


@pytest.mark.parametrize("space", SPACES, ids=str)
@pytest.mark.parametrize("place", ["info", "method"])
def test_masked_action_never_reaches_the_environment(space, place):
    env = make_env("probe/Masked-v0", {"space": space, "place": place})
    env.action_space.seed(0)
    for seed in range(3):
        env.reset(seed=seed)
        for _ in range(30):
            env.step(env.action_space.sample())  # A forbidden action raises.


@given(choice=st.integers(0, 4))
def test_allowed_action_is_left_alone_and_a_masked_one_becomes_the_next(choice):
    env = make_env("probe/Masked-v0")
    inner: Any = env.unwrapped
    taken: list[int] = []
    step = inner.step
    inner.step = lambda action: taken.append(int(action)) or step(action)
    env.reset(seed=0)
    env.step(choice)
    env.step(choice)  # Now only odd choices are allowed: 1 and 3.
    assert taken == [choice, {0: 1, 1: 1, 2: 3, 3: 3, 4: 1}[choice]]


def test_mask_in_the_observation_counts_and_stays_in_it():
    env = make_env("probe/Masked-v0", {"place": "observation"})
    observation, _ = env.reset(seed=0)
    assert observation.shape == (6,)
    for action in (0, 0, 0, 4, 4):
        env.step(action)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros(5), "the action mask of probe/Masked-v0 allows no action"),
        (np.ones(3), "has the wrong size at step 1 of episode 0.*3 numbers for 5 choices"),
    ],
)
def test_mask_that_cannot_be_obeyed_is_one_line(mask, message):
    env = make_env("probe/Masked-v0")
    inner: Any = env.unwrapped
    inner.mask = lambda: mask
    env.reset(seed=0)
    with pytest.raises(WorkError, match=message):
        env.step(0)


def test_masked_environment_is_trained_and_evaluated(elsewhere):
    options = ("--steps", "64", "--set", "rollout_steps=32", "--set", "evaluate_every=0")
    said(invoke("train", "probe/Masked-v0", *options, "--no-video", "--num-envs", "1"))
    said(invoke("evaluate", "masked-ppo-0", "--episodes", "2"))
