"""Planning a run: the environment is resolved once, and described without being made again."""

import dataclasses
import signal

import gymnasium
import pytest
from gymnasium.spaces import Box
from sample_envs import OUR_IDS, bare

from poise.algos.preset import SMALL_SIZE, choose_entry, load_preset
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.process import catch_signals
from poise.toolkit.registry import describe_env, make_env
from poise.tools.train.plan import TrainRequest, plan


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_description_of_a_poise_environment_equals_the_environment(env_id):
    description = describe_env(env_id, {"reset_noise_scale": 0.01})
    env = bare(env_id, reset_noise_scale=0.01)
    assert description.env_class is type(env) is description.poise_class
    assert description.settings == env.settings.to_dict()
    assert description.observation_space == env.observation_space
    assert description.action_space == env.action_space
    assert description.observation_signals == env.OBSERVATION
    assert description.action_signals == env.ACTION
    assert description.spec.reward_threshold == gymnasium.spec(env_id).reward_threshold
    assert description.is_state_only and description.has_default_reward


def test_description_of_a_third_party_environment_has_no_signals():
    description = describe_env("Pendulum-v1", {"g": 5.0})
    assert not issubclass(description.env_class, BaseEnvironment)
    assert description.poise_class is None
    assert description.observation_signals == description.action_signals == ()
    assert description.settings == {"g": 5.0}
    env = make_env("Pendulum-v1")
    assert description.observation_space == env.observation_space
    assert description.action_space == env.action_space


def test_description_with_images_or_another_reward_says_so():
    pixels = describe_env("poise/Cartpole-v0", {"observation": "pixels", "image_size": 16})
    assert not pixels.is_state_only
    assert not describe_env("poise/Cartpole-v0", {"reward": "survival"}).has_default_reward


def test_description_with_check_reports_a_first_step_that_fails():
    with pytest.raises(UserError, match="breaks at its first step"):
        describe_env("Pendulum-v1", {"g": "heavy"}, check=True)


def test_plan_makes_the_environment_once(monkeypatch):
    made = []
    make = gymnasium.make

    def counting_make(env_id, **settings):
        made.append(env_id)
        return make(env_id, **settings)

    monkeypatch.setattr(gymnasium, "make", counting_make)
    planned = plan(TrainRequest(env="cartpole"))
    assert made == ["poise/Cartpole-v0"]
    assert planned.config["env_settings"] == planned.env.settings
    assert planned.config["training"]["solved_at"] == planned.env.spec.reward_threshold


def test_plan_with_another_reward_has_no_threshold():
    planned = plan(TrainRequest(env="cartpole", env_settings={"reward": "survival"}))
    assert planned.config["training"]["solved_at"] is None


def test_caught_signals_are_collected_and_the_handlers_restored():
    before = signal.getsignal(signal.SIGTERM)
    with catch_signals([signal.SIGTERM], exit_on_second=False) as caught:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert caught == [signal.SIGTERM, signal.SIGTERM]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    ("env", "algorithm", "entry"),
    [
        ("cartpole", "sac", "poise/Cartpole-v0"),
        ("MountainCarContinuous-v0", None, "small"),
        ("poise/BollaRolla-v0", "td3", "poise/BollaRolla-v0"),
        ("CartPole-v1", None, "default"),
    ],
)
def test_environment_without_a_preset_gets_settings_by_its_spaces(env, algorithm, entry):
    config = plan(TrainRequest(env=env, algorithm=algorithm)).config
    assert config["preset"] == entry
    preset = load_preset(config["algorithm"], entry)
    for name, value in preset.training.items():
        assert config["training"][name] == value
    for name, value in preset.settings.items():
        assert config["settings"][name] == value


@pytest.mark.parametrize(
    ("numbers", "entry"), [(1, "small"), (SMALL_SIZE - 2, "small"), (SMALL_SIZE - 1, "default")]
)
def test_small_is_by_the_numbers_of_observation_and_action_together(numbers, entry):
    env = describe_env("Pendulum-v1")
    spaces = {"observation_space": Box(-1.0, 1.0, (numbers,)), "action_space": Box(-1.0, 1.0, (2,))}
    env = dataclasses.replace(env, env_id="no/Such-v0", **spaces)
    assert choose_entry("sac", env) == entry
