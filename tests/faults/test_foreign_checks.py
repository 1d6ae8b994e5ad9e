"""The environments pass the checks of other libraries, under every task and reward."""

import itertools
import typing
import warnings

import gymnasium
import pytest

from poise.toolkit.registry import describe_env, registered_ids


def list_variants(env_id: str) -> list[dict[str, str]]:
    """Return the settings for every task and reward of an environment."""
    env_class = describe_env(env_id).poise_class
    task = env_class.SETTINGS.model_fields.get("task")
    tasks = [{"task": name} for name in typing.get_args(task.annotation)] if task else [{}]
    return [
        {"reward": reward, **task} for reward, task in itertools.product(env_class.REWARD, tasks)
    ]


VARIANTS = [(env_id, variant) for env_id in registered_ids() for variant in list_variants(env_id)]


@pytest.mark.slow
@pytest.mark.parametrize(("env_id", "settings"), VARIANTS, ids=str)
def test_check_of_stable_baselines3_passes_without_a_warning(env_id, settings):
    """`check_env` warns of what stable-baselines3 could not learn well."""
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    env = gymnasium.make(env_id, render_mode="rgb_array", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checker.check_env(env.unwrapped)
    env.close()
