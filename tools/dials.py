"""Dials: the sliders of a live world, which follow from what it lets a person turn."""

from functools import partial
from typing import Any

from tools.live_world import LiveWorld
from tools.sliders import Slider

WIND, PUSH = 1.0, 0.5
"""The strongest wind (m/s2) and push (m/s)."""


def dials(live: LiveWorld) -> list[Slider]:
    """A person's share in a policy's actions, the settings that can be turned at once, wind and pushes."""
    sliders, weather = [], live.disturbance.weather
    if live.policy is not None:
        sliders.append(_dial("your share", 0.0, 1.0, live, "share"))
    if live.ours is None or live.disturbance.hands is None:
        return sliders
    for name in live.disturbance.hands.TURNS:
        low, high = live.ours.SETTINGS.bounds(name)
        sliders.append(Slider(name.replace("_", " "), low, high, partial(_setting, live, name), partial(live.turn, name)))
    wind, push = _dial("wind", -WIND, WIND, weather, "wind"), _dial("pushes", 0.0, PUSH, weather, "push")
    wind.switched(lambda: weather.windy, weather.switch_wind)
    push.switched(lambda: weather.pushy, weather.switch_pushes)
    return [*sliders, wind, push]


def _dial(name: str, low: float, high: float, owner: Any, attribute: str) -> Slider:
    """A slider for a number that its owner keeps as an attribute."""
    return Slider(name, low, high, partial(getattr, owner, attribute), partial(setattr, owner, attribute))


def _setting(live: LiveWorld, name: str) -> float:
    value: float = getattr(live.ours and live.ours.settings, name)
    return value
