"""What the command prints: lists, worlds, the state of this machine, and how a training ended."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import gymnasium
from poise.algos.preset import recommended
from poise.algos.registry import ALGORITHMS
from poise.toolkit.console import table
from poise.toolkit.errors import UserError
from poise.toolkit.registry import as_ours, make_world, our_ids, resolve, short_name
from rich.console import Console


def show_list() -> None:
    """Print the worlds and the algorithms."""
    console = Console()
    rows = []
    for world_id in our_ids():
        try:
            world = make_world(world_id)
        except UserError as error:  # What it needs is not installed.
            rows.append((short_name(world_id), world_id, "", "", str(error)))
            continue
        told = (type(as_ours(world)).__doc__ or "").splitlines()[0]
        sizes = f"{world.observation_space.shape[0]} -> {world.action_space.shape[0]}"  # type: ignore[index]
        rows.append((short_name(world_id), world_id, sizes, recommended(world_id, world.action_space), told))
        world.close()
    console.print(table("Worlds", ["name", "id", "sees -> does", "learns best with", ""], rows))
    console.print(f"\nAlgorithms: {', '.join(ALGORITHMS)}. Any other Gymnasium id works too: poise train Pendulum-v1")


def show_world(word: str, settings: Mapping[str, Any]) -> None:
    """Print a world's signals, rewards and settings; for somebody else's world, its spaces."""
    console = Console()
    world_id = resolve(word)
    world = make_world(world_id, settings)
    spec, ours = gymnasium.spec(world_id), as_ours(world)
    console.print(f"[bold]{world_id}[/bold]  time limit {spec.max_episode_steps} steps, solved at {spec.reward_threshold}")
    if ours is None:
        console.print(f"sees {world.observation_space}\ndoes {world.action_space}")
    else:
        console.print(cleandoc(type(ours).__doc__ or ""))
        for title, signals in (("Sees", ours.OBSERVATION), ("Does", ours.ACTION)):
            rows = [(s.name, str(s.size), f"{s.low:g} to {s.high:g}", s.unit, s.meaning) for s in signals]
            console.print(table(f"\n{title}", ["signal", "size", "bounds", "unit", "meaning"], rows))
        if not ours.sight.blind:
            console.print(f"\nWith these settings its agent is shown {ours.observation_space}")
        for name, weights in ours.REWARD.items():
            chosen = " (chosen)" if name == ours.settings.reward else ""
            console.print(f"\nReward {name}{chosen}: " + " + ".join(f"{weight:g} {term}" for term, weight in weights.items()))
        values = ours.settings.plain()
        known = [(name, str(values[name]), kind, told) for name, kind, _, told in ours.SETTINGS.describe()]
        console.print(table("\nSettings (--env-set name=value)", ["name", "value", "type", "meaning"], known))
    world.close()
