"""The commands `poise list` and `poise inspect`: environments, signals, rewards and settings."""

from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any

from poise.algos.preset import recommend_algorithm
from poise.algos.registry import ALGORITHMS
from poise.toolkit.console import Console, make_table
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.registry import (
    EnvDescription,
    describe_env,
    registered_ids,
    resolve_env_id,
    short_name,
)
from poise.toolkit.spaces import Signal

LIST_COLUMNS = ("name", "id", "observation", "action", "algorithm", "description")


NARROW_LIST_COLUMNS = ("name", "algorithm", "description")
"""Columns of the list where the terminal is narrower than WIDE_TERMINAL."""


WIDE_TERMINAL = 110
"""Columns of text that all columns of the list need."""


def show_list() -> None:
    """Print the environments of Poise and the algorithms."""
    console = Console(highlight=False)
    columns = LIST_COLUMNS if console.width >= WIDE_TERMINAL else NARROW_LIST_COLUMNS
    rows = []
    for env_id in registered_ids():
        values = dict(zip(LIST_COLUMNS, _make_list_row(env_id), strict=True))
        rows.append([values[column] for column in columns])
    console.print(make_table("Environments", columns, rows))
    if "observation" in columns:
        console.print("\nobservation, action: numbers that the agent observes and sets in a step")
    else:
        console.print()
    console.print("algorithm: the default; --algo chooses another")
    console.print(f"\nAlgorithms: {', '.join(ALGORITHMS)}")
    console.print("Next: poise train standing   poise inspect standing")
    console.print("Also: any other Gymnasium id, such as poise train Pendulum-v1")


def describe_signal(signal: Signal) -> str:
    """Return the meaning of a signal, and the names of its components."""
    if not signal.components:
        return signal.meaning
    return f"{signal.meaning}: {', '.join(signal.components)}"


def show_env(env_name: str, settings: Mapping[str, Any]) -> None:
    """Print the signals, rewards and settings of an environment; its spaces if not Poise's."""
    console = Console()
    env = describe_env(resolve_env_id(env_name), settings)
    threshold = env.spec.reward_threshold
    solved = "" if threshold is None else f", solved at {threshold}"
    console.print(env.env_id, style="bold", end="")
    console.print(f"  time limit {env.spec.max_episode_steps} steps{solved}")
    if env.poise_class is None:
        console.print(f"observation {env.observation_space}\naction {env.action_space}")
        return
    console.print(cleandoc(env.poise_class.__doc__ or ""))
    _print_signals(console, "Observation", env.observation_signals)
    _print_signals(console, "Action", env.action_signals)
    if not env.is_state_only:
        console.print(f"\nWith these settings the agent observes {env.observation_space}")
    for line in _format_rewards(env.poise_class, env.settings["reward"]):
        console.print(f"\n{line}")
    rows = [
        (name, str(env.settings[name]), type_name, meaning)
        for name, type_name, _, meaning in env.poise_class.SETTINGS.describe()
    ]
    columns = ("name", "value", "type", "meaning")
    console.print(make_table("\nSettings (--env-set name=value)", columns, rows))


def _make_list_row(env_id: str) -> tuple[str, ...]:
    """Return the entry of an environment, one text for each of LIST_COLUMNS."""
    try:
        env = describe_env(env_id)
    except UserError as error:  # A package that it needs is not installed.
        return short_name(env_id), env_id, "", "", "", str(error)
    return (
        short_name(env_id),
        env_id,
        _format_size(env.observation_space),
        _format_size(env.action_space),
        recommend_algorithm(env),
        _get_first_line(env),
    )


def _format_size(space: Any) -> str:
    return str(space.shape[0])


def _get_first_line(env: EnvDescription) -> str:
    return (env.env_class.__doc__ or "").partition("\n")[0]


def _print_signals(console: Console, title: str, signals: Sequence[Signal]) -> None:
    rows = [
        (
            signal.name,
            str(signal.size),
            f"{signal.low:g} to {signal.high:g}",
            signal.unit,
            signal.meaning,
        )
        for signal in signals
    ]
    console.print(make_table(f"\n{title}", ("signal", "size", "bounds", "unit", "meaning"), rows))


def _format_rewards(env_class: type[BaseEnvironment], chosen: str) -> Iterator[str]:
    for name, weights in env_class.REWARD.items():
        marker = " (chosen)" if name == chosen else ""
        terms = " + ".join(f"{weight:g} {term}" for term, weight in weights.items())
        yield f"Reward {name}{marker}: {terms}"
