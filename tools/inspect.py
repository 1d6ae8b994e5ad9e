"""The commands `poise list` and `poise inspect`: environments, signals, rewards and settings."""

import math
from collections.abc import Iterator, Mapping, Sequence
from inspect import cleandoc
from typing import Any, NamedTuple

import gymnasium

from poise.algos.preset import recommend_algorithm
from poise.algos.registry import ALGORITHMS
from poise.toolkit.console import Console, make_table
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import PoseEnvironment
from poise.toolkit.registry import (
    describe_env,
    registered_ids,
    resolve_env_id,
    short_name,
)
from poise.toolkit.spaces import Signal

TARGET_SETTINGS = ("goal", "translator")
"""Settings of environments whose task is to take poses; the others have no target to observe."""


PLACES = {"poise.envs2d": "In the plane", "poise.envs3d": "In space"}
"""Where the environments of a package live."""


LIST_COLUMNS = ("sees", "does", "algo", "what is learned")
"""Columns of the list after the name."""


MIN_WIDTH = 80
"""Columns of text that all columns of the list need, and the lines that explain them."""


class ListEntry(NamedTuple):
    """A row of `poise list`."""

    place: str
    name: str
    sees: str
    """Numbers of an observation; "" where the environment cannot be made here."""
    does: str
    """Numbers of an action."""
    algorithm: str
    description: str
    problem: str
    """Why the environment cannot be made here, or ""."""


def show_list() -> None:
    """Print the environments of Poise by place. A row is never wrapped: columns are left out."""
    console = Console(highlight=False)
    width = console.width
    entries = [_make_entry(env_id) for env_id in registered_ids()]
    name_width = max(len(entry.name) for entry in entries)
    for place in PLACES.values():
        of_place = [entry for entry in entries if entry.place == place]
        for line in format_list(place, of_place, width, name_width):
            console.print(line, soft_wrap=True)
        console.print()
    if width >= MIN_WIDTH:
        console.print("sees, does   how many numbers are observed, and set, in a step")
        console.print("algo         the algorithm that learns it best; --algo chooses another:")
        console.print(f"             {', '.join(ALGORITHMS)}\n")
    console.print("Next:  poise train standing")
    console.print("       poise inspect standing")
    console.print("Also:  any Gymnasium id, such as Pendulum-v1", soft_wrap=True)


def format_list(place: str, entries: Sequence[ListEntry], width: int, name_width: int) -> list[str]:
    """Return heading and rows of the environments of a place.

    Where they are wider than `width`, the sizes are left out, and then the descriptions.
    """
    rows = [(place, *LIST_COLUMNS)]
    rows += [
        (f"  {entry.name}", entry.sees, entry.does, entry.algorithm, entry.description)
        for entry in entries
    ]
    lines: list[str] = []
    for has_sizes, has_descriptions in ((True, True), (False, True), (False, False)):
        lines = []
        for name, sees, does, algorithm, description in rows:
            sizes = f"{sees:>6}{does:>6} " if has_sizes else ""
            learned = f"  {description}" if has_descriptions else ""
            lines.append(f"{name:<{name_width + 2}}{sizes} {algorithm:<4}{learned}".rstrip())
        if max(map(len, lines)) <= width:
            break
    problems = sorted({entry.problem for entry in entries if entry.problem})
    return [*lines, *(f"  {problem}" for problem in problems)]


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
    for paragraph in cleandoc(env.poise_class.__doc__ or "").split("\n\n"):
        console.print(f"\n{' '.join(paragraph.split())}")
    _print_signals(console, "Observation", env.observation_signals)
    _print_signals(console, "Action", env.action_signals)
    if not env.is_state_only:
        console.print(f"\nWith these settings the agent observes {env.observation_space}")
    for line in _format_rewards(env.poise_class, env.settings["reward"]):
        console.print(f"\n{line}")
    is_pose_task = issubclass(env.poise_class, PoseEnvironment)
    rows = [
        (name, str(env.settings[name]), type_name, meaning)
        for name, type_name, _, meaning in env.poise_class.SETTINGS.describe()
        if is_pose_task or name not in TARGET_SETTINGS
    ]
    columns = ("name", "value", "type", "meaning")
    console.print(make_table("\nSettings (--env-set name=value)", columns, rows))


def _make_entry(env_id: str) -> ListEntry:
    package = str(gymnasium.spec(env_id).entry_point).rpartition(".")[0]
    place = PLACES[package]
    name = short_name(env_id)
    try:
        env = describe_env(env_id)
    except UserError as error:  # A package that it needs is not installed.
        return ListEntry(place, name, "", "", "", "", str(error))
    first_line = (env.env_class.__doc__ or "").partition("\n")[0]
    sees, does = (
        str(math.prod(space.shape or ())) for space in (env.observation_space, env.action_space)
    )
    return ListEntry(
        place,
        name,
        sees,
        does,
        recommend_algorithm(env),
        first_line[:1].lower() + first_line[1:].rstrip("."),
        "",
    )


def _print_signals(console: Console, title: str, signals: Sequence[Signal]) -> None:
    rows = [
        (
            signal.name,
            str(signal.size),
            f"{signal.low:g} to {signal.high:g}",
            signal.unit,
            _describe_signal(signal),
        )
        for signal in signals
    ]
    console.print(make_table(f"\n{title}", ("signal", "size", "bounds", "unit", "meaning"), rows))


def _describe_signal(signal: Signal) -> str:
    """Return the meaning of a signal, and the names of its components."""
    if not signal.components:
        return signal.meaning
    return f"{signal.meaning}: {', '.join(signal.components)}"


def _format_rewards(env_class: type[BaseEnvironment], chosen: str) -> Iterator[str]:
    for name, weights in env_class.REWARD.items():
        marker = " (chosen)" if name == chosen else ""
        yield f"Reward {name}{marker}: {_format_sum(weights)}"


def _format_sum(weights: Mapping[str, float]) -> str:
    """Return a weighted sum of terms, such as `1 progress - 0.05 control_cost`."""
    terms = [
        f"{'-' if weight < 0.0 else '+'} {abs(weight):g} {term}" for term, weight in weights.items()
    ]
    return " ".join(terms).removeprefix("+ ")
