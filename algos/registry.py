"""Everything that learns; the only package with torch. `load` finds an algorithm by its name."""

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poise.toolkit.checkpoint import load as load_groups
from poise.toolkit.errors import UserError, unknown

if TYPE_CHECKING:
    from poise.algos.base import Learner
    from poise.toolkit.run import Run


ALGORITHMS = {"sac": "poise.algos.sac:SAC", "ppo": "poise.algos.ppo:PPO", "td3": "poise.algos.td3:TD3"}


CRITIC = ("network_critic", "returns")
"""The groups of a learner's state that say what is worth how much."""


def load(name: str) -> "type[Learner]":
    """The class of the algorithm called `name`; an unknown name is a UserError."""
    if name not in ALGORITHMS:
        from poise.algos.preset import NAMED

        if name in NAMED:
            raise UserError(f"{name} is a preset: write --preset {name}")
        raise unknown("algorithm", name, ALGORITHMS)
    module, _, attribute = ALGORITHMS[name].partition(":")
    found: type[Learner] = getattr(importlib.import_module(module), attribute)
    return found


def algorithm_of(run: "Run") -> str:
    """The name of the algorithm that trained a run's policy; a UserError where the run holds none."""
    name: str = run.config["algorithm"]
    if name not in ALGORITHMS:
        raise UserError(f"run {run.path.name!r} holds a {name} and no policy: name a run that `poise train` made")
    return name


def restore(run: "Run", checkpoint: str | None = None, *, judge: bool = False) -> "Learner":
    """The learner of a run, ready to act; it loads the small `policy` of a checkpoint, and to `judge` its critic too."""
    config = run.config
    folder, state = run.load(checkpoint, groups=["policy"])
    # Whoever only acts remembers nothing: no memory is reserved for it.
    settings = {**config["settings"], **({"buffer": 1} if "buffer" in config["settings"] else {})}
    learner = make(algorithm_of(run), config["world"], config["world_settings"], settings)
    learner.load_state(state)
    critic = [name for name in CRITIC if (folder / name).is_dir()]
    learner.can_judge = judge and bool(critic)  # Of an early checkpoint the policy alone is left.
    if learner.can_judge:
        learner.load_state(load_groups(folder, critic))
    learner.checkpoint = folder.name
    return learner


def make(
    algorithm: str,
    world_id: str,
    world_settings: Mapping[str, Any],
    settings: Mapping[str, Any],
    seed: int = 0,
    device: str = "cpu",
) -> "Learner":
    """A new learner for a world."""
    from poise.toolkit.registry import make_world

    kind = load(algorithm)
    world = make_world(world_id, world_settings)
    spaces = world.observation_space, world.action_space
    world.close()
    return kind(*spaces, kind.SETTINGS.parse(settings, kind=f"{algorithm} setting"), seed, device)
