"""Worlds by name: short names, ids of any Gymnasium world, and making one.

The ids themselves are registered by envs2d and envs3d when they are imported; toolkit imports neither.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, unknown
from poise.toolkit.spaces import Array
from poise.toolkit.wrappers import InRows, shows_pictures

NAMESPACE = "poise"


World = gymnasium.Env[Any, Any]


TIME_LIMIT = 1000
"""Steps after which an episode ends in a world of somebody else's that sets no limit; its setting `max_episode_steps` does."""


def our_ids() -> list[str]:
    """All registered ids of Poise's own namespace."""
    return [spec.id for spec in gymnasium.registry.values() if spec.namespace == NAMESPACE]


def short_name(world_id: str) -> str:
    """The name people type: `poise/BollaRolla-v0` is `bolla-rolla`; `my_module:MyWorld-v0` is `my-world`."""
    name = re.sub(r"-v\d+$", "", re.split("[/:]", world_id)[-1])
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()


def resolve(word: str) -> str:
    """The id that `word` means: an id itself, or the short name of one of Poise's worlds."""
    by_short_name = {short_name(world_id): world_id for world_id in our_ids()}
    if word in by_short_name:
        return by_short_name[word]
    if word in gymnasium.registry or ":" in word:
        return word
    raise unknown("world", word, [*by_short_name, *(gymnasium.registry if re.search(r"-v\d+$", word) else ())])


def make_world(world_id: str, settings: Mapping[str, Any] | None = None, render_mode: str | None = None) -> World:
    """One world of any id, as every learner wants it: a Box to see, and choices or a Box of [-1, 1] to act in.

    Actions beyond [-1, 1] are clipped. A Dict, a Tuple or a choice to see is laid out flat; a picture comes in a row of bytes.
    """
    kwargs: dict[str, Any] = dict(settings or {})
    if render_mode is not None:
        kwargs["render_mode"] = render_mode
    try:
        world: World = gymnasium.make(world_id, disable_env_checker=True, **kwargs)
    except UserError:
        raise
    except ModuleNotFoundError as error:
        module = error.name or world_id.partition(":")[0]
        advice = " and is not on PYTHONPATH" if module == world_id.partition(":")[0] else ""
        raise UserError(f"world {world_id!r} needs the module {module!r}, which is not installed{advice}") from None
    except (gymnasium.error.Error, TypeError, ValueError) as error:
        raise UserError(f"world {world_id!r} cannot be made: {str(error).splitlines()[0]}") from None
    if shows_pictures(world.observation_space):
        world = InRows(world)
    if as_ours(world):
        return world
    if world.spec is not None and world.spec.max_episode_steps is None:
        world = gymnasium.wrappers.TimeLimit(world, TIME_LIMIT)
    if not isinstance(world.observation_space, gymnasium.spaces.Box):
        world = gymnasium.wrappers.FlattenObservation(world)
    box = world.action_space
    if isinstance(box, gymnasium.spaces.Box):
        if not box.is_bounded():
            raise UserError(f"world {world_id!r} has an action without bounds; wrap it so that they are finite")
        if not (np.all(box.low == -1.0) and np.all(box.high == 1.0)):
            world = gymnasium.wrappers.RescaleAction(world, np.float32(-1.0), np.float32(1.0))
        world = gymnasium.wrappers.TransformAction(world, lambda action: np.clip(action, -1.0, 1.0), world.action_space)
    return world


def random_actions(world: World, seed: int) -> Callable[[Array], Array]:
    """A policy that does not look: every action it may take is as likely as any other."""
    space = world.action_space
    space.seed(seed)
    return lambda observation: np.stack([space.sample() for _ in observation])


def probe(world: World) -> None:
    """One step of a world, to see that its settings do; a UserError of one line where it breaks."""
    try:
        world.reset(seed=0)
        world.step(world.action_space.sample())
    except UserError:
        raise
    except Exception as error:  # Somebody else's code: whatever it raises is what the user must hear.
        name = world.spec.id if world.spec is not None else str(world)
        raise UserError(f"world {name!r} breaks at its first step with these settings: {error}") from None


def as_ours(world: World) -> BaseEnvironment | None:
    """The BaseEnvironment inside a world, or None where the world is somebody else's."""
    inner = world.unwrapped
    return inner if isinstance(inner, BaseEnvironment) else None
