"""Everything that learns; the only package with torch. `load` finds an algorithm by its name."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poise.toolkit.checkpoint import load as load_groups
from poise.toolkit.errors import UserError, unknown_name_error

if TYPE_CHECKING:
    from poise.algos.base import Learner
    from poise.toolkit.registry import EnvDescription
    from poise.toolkit.run import Run


ALGORITHMS = {
    "sac": "poise.algos.sac:SAC",
    "ppo": "poise.algos.ppo:PPO",
    "td3": "poise.algos.td3:TD3",
}


CRITIC_GROUPS = ("network_critic", "returns")
"""The groups of a learner's state that say what is worth how much."""


def get_algorithm_class(name: str) -> "type[Learner]":
    """The class of the algorithm called `name`; an unknown name is a UserError."""
    if name not in ALGORITHMS:
        from poise.algos.preset import NAMED_PRESETS

        if name in NAMED_PRESETS:
            raise UserError(f"{name} is a preset: write --preset {name}")
        raise unknown_name_error("algorithm", name, ALGORITHMS)
    module, _, attribute = ALGORITHMS[name].partition(":")
    found: type[Learner] = getattr(importlib.import_module(module), attribute)
    return found


def get_algorithm_name(run: "Run") -> str:
    """The name of the algorithm that trained a run's policy; a UserError where the run holds none."""
    name: str = run.config["algorithm"]
    if name not in ALGORITHMS:
        raise UserError(
            f"run {run.path.name!r} holds a {name} and no policy: name a run that `poise train` made"
        )
    return name


def restore_learner(
    run: "Run",
    checkpoint: str | None = None,
    *,
    with_critic: bool = False,
    env: "EnvDescription | None" = None,
) -> "Learner":
    """Return the learner of a run, ready to act.

    Only the small `policy` of a checkpoint is loaded, and `with_critic` its critic too. `env` is the
    description of the run's environment, where the caller has it already.
    """
    config = run.config
    folder, state = run.load_checkpoint(checkpoint, groups=["policy"])
    # A learner that only acts needs no replay buffer.
    settings = {
        **config["settings"],
        **({"buffer_size": 1} if "buffer_size" in config["settings"] else {}),
    }
    from poise.toolkit.registry import describe_env

    env = env or describe_env(config["env"], config["env_settings"])
    learner = build_learner(get_algorithm_name(run), env, settings)
    learner.load_state_dict(state)
    critic = [name for name in CRITIC_GROUPS if (folder / name).is_dir()]
    learner.has_critic = with_critic and bool(
        critic
    )  # Of an early checkpoint the policy alone is left.
    if learner.has_critic:
        learner.load_state_dict(load_groups(folder, critic))
    learner.checkpoint = folder.name
    return learner


def make_learner(
    algorithm: str,
    env_id: str,
    env_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    """Return a new learner for the environment `env_id` with these settings."""
    from poise.toolkit.registry import describe_env

    return build_learner(algorithm, describe_env(env_id, env_settings), settings, seed, device)


def build_learner(
    algorithm: str,
    env: "EnvDescription",
    settings: Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    """Return a new learner for an environment that has been described.

    Raises:
        UserError: a setting is wrong, or the algorithm does not support the action space.
    """
    learner_class = get_algorithm_class(algorithm)
    parsed = learner_class.SETTINGS.parse(settings, kind=f"{algorithm} setting")
    return learner_class(env.observation_space, env.action_space, parsed, seed, device)
