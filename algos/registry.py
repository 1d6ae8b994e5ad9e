"""The algorithms by name; making a learner for a training, and restoring one to act.

Imports torch only when called.
"""

import importlib
import sys
from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

import gymnasium

from poise.toolkit.checkpoint import load as load_groups
from poise.toolkit.errors import UserError, WorkError, printable, unknown_name_error
from poise.toolkit.process import get_physical_memory, keep_freed_memory
from poise.toolkit.registry import EnvDescription, describe_env

if TYPE_CHECKING:
    from poise.algos.base import Learner, LearnerSettings
    from poise.algos.networks import WeightLimit
    from poise.toolkit.run import Run

ALGORITHMS = {
    "sac": "poise.algos.sac:SAC",
    "ppo": "poise.algos.ppo:PPO",
    "td3": "poise.algos.td3:TD3",
}

PRESETS = files("poise.algos") / "presets"
"""The folder of the presets, in a clone or inside a wheel."""

NAMED_PRESETS: dict[str, Traversable] = {
    file.name.removesuffix(".yaml"): file
    for file in sorted((PRESETS / "named").iterdir(), key=lambda file: file.name)
    if file.name.endswith(".yaml")
}
"""Variants of an algorithm that are not tied to one environment, by name."""

CRITIC_GROUPS = ("network_critic", "returns")
"""State groups that values are computed from: the critic's weights, and the scale of rewards."""


MAX_GROWTH = 10
MIN_LIMIT = 10**6
"""A restored learner may have as many times the weights of its checkpoints, and so many more: a
checkpoint may hold the policy alone, and the learner has critics, too."""


def get_algorithm_class(name: str) -> "type[Learner]":
    """Return the class of the algorithm called `name`.

    Raises:
        UserError: no algorithm has this name.

    """
    if name in NAMED_PRESETS:
        raise UserError(f"{name} is a preset: write --preset {name}")
    if name not in ALGORITHMS:
        raise unknown_name_error("algorithm", name, ALGORITHMS)
    module, _, attribute = ALGORITHMS[name].partition(":")
    algorithm_class: type[Learner] = getattr(importlib.import_module(module), attribute)
    return algorithm_class


def get_algorithm_name(run: "Run") -> str:
    """Return the name of the algorithm that trained a run's policy.

    Raises:
        UserError: the run holds no policy, but a translator.

    """
    name: str = run.config["algorithm"]
    if name not in ALGORITHMS:
        raise UserError(
            f"run {run.path.name!r} holds a {name} and no policy: "
            "name a run that `poise train` made"
        )
    return name


def supporting_algorithms(action_space: gymnasium.Space[Any]) -> list[str]:
    """Return the names of the algorithms that can act in this space."""
    return [name for name in ALGORITHMS if get_algorithm_class(name).supports(action_space)]


def make_learner(
    algorithm: str,
    env_id: str,
    env_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    """Return a new learner for an environment, ready to be trained: see `build_learner`."""
    return build_learner(algorithm, describe_env(env_id, env_settings), settings, seed, device)


def build_learner(
    algorithm: str,
    env: EnvDescription,
    settings: Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    """Return a new learner, and set torch's threads and memory for its training.

    Raises:
        UserError: the algorithm cannot learn in this environment, or a setting is wrong.
    """
    import torch

    algorithm_class = get_algorithm_class(algorithm)
    parsed = algorithm_class.SETTINGS.parse(settings, kind=f"{algorithm} setting")
    torch.set_num_threads(parsed.threads)  # First: orthogonal initialization depends on it.
    keep_freed_memory()
    with limit_to_memory(f"settings of {algorithm}"):
        return _build_learner(algorithm_class, env, parsed, seed, device)


def restore_learner(
    run: "Run",
    checkpoint: str | None = None,
    *,
    with_critic: bool = False,
    env: EnvDescription | None = None,
) -> "Learner":
    """Return the learner of a run, ready to act; torch's global state stays unchanged.

    It loads the small `policy` of a checkpoint, and `with_critic` its critic too, where the
    checkpoint still holds one: old checkpoints are reduced to their policy. `env` is the
    environment of the run where that is known already.
    """
    config = run.config
    folder, state = run.load_checkpoint(checkpoint, groups=["policy"])
    settings = dict(config["settings"])
    if "buffer_size" in settings:
        settings["buffer_size"] = 1  # Acting needs no replay buffer: reserve no memory for one.
    algorithm = get_algorithm_name(run)
    algorithm_class = get_algorithm_class(algorithm)
    source = run.path / "config.json"
    parsed = algorithm_class.SETTINGS.parse(settings, f"{algorithm} setting", source)
    env = env or describe_env(config["env"], config["env_settings"])
    with limit_to_checkpoints(run):
        learner = _build_learner(algorithm_class, env, parsed)
    learner.load_state_dict(state)
    critic_groups = [name for name in CRITIC_GROUPS if (folder / name).is_dir()]
    learner.has_critic = with_critic and bool(critic_groups)
    if learner.has_critic:
        learner.load_state_dict(load_groups(folder, critic_groups))
    learner.checkpoint = folder.name
    return learner


def start_from(learner: "Learner", run: "Run") -> None:
    """Give a new learner the networks and normalizers of a run's best policy.

    Raises:
        UserError: the learner's networks are not those of the run.
    """
    folder, state = run.load_checkpoint(None, groups=["policy"])
    others = [path.name for path in folder.iterdir() if path.name.startswith("network_")]
    others += ["returns"] if (folder / "returns").is_dir() else []
    if "network_critic" not in others:
        print(
            f"warning: run {printable(run.path.name)!r} holds no critic: a new one is learned, "
            "and may spoil the policy at first",
            file=sys.stderr,
        )
    try:
        learner.start_from({**state, **load_groups(folder, others)})
    except WorkError:
        raise UserError(
            f"--from {run.path.name}: its networks do not fit: observations, actions and the "
            "settings of the networks must be those of the run"
        ) from None


def limit_to_checkpoints(run: "Run") -> "WeightLimit":
    """Return a block in which networks are little larger than a run's checkpoints, or refused."""
    from poise.algos.networks import WeightLimit

    max_weights = MAX_GROWTH * run.count_weights() + MIN_LIMIT
    return WeightLimit(max_weights, run.path / "config.json")


def limit_to_memory(source: str) -> "WeightLimit":
    """Return a block in which networks can be trained in this machine's memory, or are refused."""
    from poise.algos.networks import BYTES_PER_WEIGHT, WeightLimit

    memory = get_physical_memory()
    return WeightLimit(memory and memory // BYTES_PER_WEIGHT, source)


def _build_learner(
    algorithm_class: "type[Learner]",
    env: EnvDescription,
    settings: "LearnerSettings",
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    if not algorithm_class.supports(env.action_space):
        others = supporting_algorithms(env.action_space)
        advice = f"; --algo {others[0]} takes those" if others else ""
        algorithm_class.require_support(env.action_space, advice)
    return algorithm_class(env.observation_space, env.action_space, settings, seed, device)
