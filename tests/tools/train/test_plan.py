"""Planning a run: the environment is resolved once, and described without being made again."""

import signal

import gymnasium
import pytest
from sample_envs import OUR_IDS, bare

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
