"""Bindings: what each key does in the playground, in one table; its help and its tests read from it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tools.playground import Playground


class Binding(NamedTuple):
    """Keys, by pygame's names, what they do, in a few words, and what does it."""

    keys: tuple[str, ...]
    meaning: str
    do: Callable[[], None]


def bindings(playground: "Playground") -> list[Binding]:
    """The table, without what the playground's world or run has no use for."""
    live, weather = playground.live, playground.live.disturbance.weather
    table = [
        Binding(("space",), "pause, go on", playground.pause),
        Binding((".", "n"), "one step, while paused", live.step_once),
        Binding(("s",), "slow motion", live.slow_down),
        Binding(("r",), "new episode, next seed", live.begin_next),
        Binding(("backspace",), "the same episode again", live.begin_again),
    ]
    if live.policy is not None:
        table += [
            Binding(("tab",), "take over, give back", live.take_over),
            Binding(("c", "]"), "next checkpoint", lambda: playground.switch_checkpoint(1)),
            Binding(("[",), "the checkpoint before", lambda: playground.switch_checkpoint(-1)),
        ]
    if live.disturbance.throws:
        table.append(Binding(("b",), "throw a ball at the mouse", playground.mouse.throw))
    if live.disturbance.hands is not None:
        table += [
            Binding(("1",), "wind", weather.switch_wind),
            Binding(("2",), "pushes by chance", weather.switch_pushes),
        ]
    table.append(Binding(("m",), "keep the last 10 s as a film", playground.keep_film))
    if live.tape.world_id:
        table.append(Binding(("p",), "keep the episode as a tape", playground.keep_tape))
    return [
        *table,
        Binding(("h",), "show the keys, or hide them", playground.toggle_help),
        Binding(("q", "escape"), "leave", playground.leave),
    ]
