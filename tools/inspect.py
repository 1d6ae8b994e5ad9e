"""What the command prints: lists, environments, the state of this machine, and how a training ended."""

from collections.abc import Mapping
from inspect import cleandoc
from typing import Any

import gymnasium
from rich.console import Console

from poise.algos.preset import recommend_algorithm
from poise.algos.registry import ALGORITHMS
from poise.toolkit.console import make_table
from poise.toolkit.errors import UserError
from poise.toolkit.registry import (
    make_env,
    registered_ids,
    resolve_env_id,
    short_name,
    unwrap_poise_env,
)
from poise.toolkit.spaces import Signal


def show_list() -> None:
    """Print the environments and the algorithms."""
    console = Console()
    rows = []
    for env_id in registered_ids():
        try:
            env = make_env(env_id)
        except UserError as error:  # What it needs is not installed.
            rows.append((short_name(env_id), env_id, "", "", str(error)))
            continue
        told = (type(unwrap_poise_env(env)).__doc__ or "").splitlines()[0]
        sizes = f"{env.observation_space.shape[0]} -> {env.action_space.shape[0]}"  # type: ignore[index]
        rows.append(
            (short_name(env_id), env_id, sizes, recommend_algorithm(env_id, env.action_space), told)
        )
        env.close()
    console.print(
        make_table("Worlds", ["name", "id", "sees -> does", "learns best with", ""], rows)
    )
    console.print(
        f"\nAlgorithms: {', '.join(ALGORITHMS)}. Any other Gymnasium id works too: poise train Pendulum-v1"
    )


def describe_signal(signal: Signal) -> str:
    """Return the meaning of a signal, and the names of its components."""
    if not signal.components:
        return signal.meaning
    return f"{signal.meaning}: {', '.join(signal.components)}"


def show_env(env_name: str, settings: Mapping[str, Any]) -> None:
    """Print an environment's signals, rewards and settings; for somebody else's environment, its spaces."""
    console = Console()
    env_id = resolve_env_id(env_name)
    env = make_env(env_id, settings)
    spec = gymnasium.spec(env_id)
    ours = unwrap_poise_env(env)
    console.print(
        f"[bold]{env_id}[/bold]  time limit {spec.max_episode_steps} steps, solved at {spec.reward_threshold}"
    )
    if ours is None:
        console.print(f"sees {env.observation_space}\ndoes {env.action_space}")
    else:
        console.print(cleandoc(type(ours).__doc__ or ""))
        for title, signals in (("Sees", ours.OBSERVATION), ("Does", ours.ACTION)):
            rows = [
                (s.name, str(s.size), f"{s.low:g} to {s.high:g}", s.unit, describe_signal(s))
                for s in signals
            ]
            console.print(
                make_table(f"\n{title}", ["signal", "size", "bounds", "unit", "meaning"], rows)
            )
        if not ours.agent_view.has_no_pixels:
            console.print(f"\nWith these settings its agent is shown {ours.observation_space}")
        for name, weights in ours.REWARD.items():
            chosen = " (chosen)" if name == ours.settings.reward else ""
            console.print(
                f"\nReward {name}{chosen}: "
                + " + ".join(f"{weight:g} {term}" for term, weight in weights.items())
            )
        values = ours.settings.to_dict()
        known = [
            (name, str(values[name]), kind, told)
            for name, kind, _, told in ours.SETTINGS.describe()
        ]
        console.print(
            make_table(
                "\nSettings (--env-set name=value)", ["name", "value", "type", "meaning"], known
            )
        )
    env.close()
