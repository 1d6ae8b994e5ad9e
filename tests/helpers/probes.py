"""Environments with one property each, made for the tests: what should be learned, or refused, can be told in advance.

`gymnasium.make("probes:probe/SeeDo-v0")` works wherever this folder is on the path.
"""

from pathlib import Path
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete


def unit_box(size: int = 1, bound: float = 1.0) -> Box:
    """[-bound, bound]^size."""
    return Box(-bound, bound, (size,), np.float32)


class Probe(gymnasium.Env):
    """Sees one number, takes one number, pays nothing; the probes below change one thing each."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    observation_space = unit_box()
    action_space = unit_box()

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.age = 0
        return self.see(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.age += 1
        reward = self.pay(action)
        return self.see(), reward, self.over(), False, {}

    def see(self) -> Any:
        return np.zeros(1, np.float32)

    def pay(self, action: Any) -> float:
        return 0.0

    def over(self) -> bool:
        return False


class SeeDo(Probe):
    """Do what you see: reward -(a - o)^2, and every step is an episode of its own."""

    def see(self) -> Any:
        self.shown = self.np_random.uniform(-0.8, 0.8, 1).astype(np.float32)
        return self.shown

    def pay(self, action: Any) -> float:
        return -float(np.square(action - self.shown).sum())

    def over(self) -> bool:
        return True


class One(Probe):
    """Pays 1 a step and never ends by itself: under a time limit its value is still 1 / (1 - gamma)."""

    def pay(self, action: Any) -> float:
        return 1.0


class OneDies(One):
    """Pays 1 a step and dies after its fifth: the value at the start is a finite sum."""

    def see(self) -> Any:
        return np.array([self.age / 5.0], np.float32)

    def over(self) -> bool:
        return self.age >= 5


class Counter(Probe):
    """Shows its seed's mark and its age, so that every observation tells where it comes from. Dies at 7 by a strong action."""

    observation_space = unit_box(2, 1e6)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        gymnasium.Env.reset(self, seed=seed)
        self.mark, self.age, self.last = float(self.np_random.integers(1000)), 0, 0.0
        return self.see(), {}

    def see(self) -> Any:
        return np.array([self.mark, self.age], np.float32)

    def pay(self, action: Any) -> float:
        self.last = float(np.asarray(action).ravel()[0])
        return self.mark + self.age

    def over(self) -> bool:
        return self.age >= 7 and self.last > 0.0


class Forgetful(Probe):
    """Not deterministic: the same seed and actions tell another story in every environment object."""

    made = 0

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        Forgetful.made += 1
        self.number = Forgetful.made

    def see(self) -> Any:
        return np.array([self.age * 0.0137 * self.number % 1.0], np.float32)


class Breaks(Probe):
    """Shows or pays something not finite at its `when`-th step."""

    def __init__(
        self, what: str = "observation", when: int = 5, value: float = float("nan"), **more: Any
    ) -> None:
        super().__init__(**more)
        self.what, self.when, self.value = what, when, value

    def see(self) -> Any:
        bad = self.what == "observation" and self.age >= self.when
        return np.array([self.value if bad else 0.0], np.float32)

    def pay(self, action: Any) -> float:
        return self.value if self.what == "reward" and self.age >= self.when else 0.0


class BreaksLate(Probe):
    """Pays something not finite from its 130th step on; evaluations of it are short."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.lived = 0

    def pay(self, action: Any) -> float:
        self.lived += 1
        return float("nan") if self.lived >= 130 else 0.0


class Named(Probe):
    """Shows a dictionary."""

    observation_space = Dict({"a": unit_box(2), "b": unit_box(3)})

    def see(self) -> Any:
        return {"a": np.full(2, 0.25, np.float32), "b": np.full(3, -0.5, np.float32)}


class Boundless(Probe):
    """Takes any number at all."""

    action_space = Box(-np.inf, np.inf, (1,), np.float32)


class Uneven(Probe):
    """Takes numbers in [0, 10]; pays what it was given."""

    action_space = Box(0.0, 10.0, (1,), np.float32)

    def pay(self, action: Any) -> float:
        return float(action[0])


class Picture(Probe):
    """Shows an image."""

    observation_space = Box(0, 255, (8, 8, 3), np.uint8)

    def see(self) -> Any:
        return np.zeros((8, 8, 3), np.uint8)


class Choices(Probe):
    """Takes one of three choices."""

    action_space = Discrete(3)


class SeeChoose(Probe):
    """Choose what you see: pays 1 for the choice that is shown, and every step is an episode of its own."""

    observation_space = Discrete(3)
    action_space = Discrete(3)

    def see(self) -> Any:
        self.shown = self.np_random.integers(3)
        return self.shown

    def pay(self, action: Any) -> float:
        return float(action == self.action_space.start + self.shown)

    def over(self) -> bool:
        return True


class SeeChooseFromFive(SeeChoose):
    """The same, but its choices are called 5, 6 and 7."""

    action_space = Discrete(3, start=5)


class SeeChooseTwo(SeeChoose):
    """Two things to see and two choices to make, the first of them called 1 and 2; half the pay for each that is right."""

    observation_space = MultiDiscrete([2, 3])
    action_space = MultiDiscrete([2, 3], start=[1, 0])

    def see(self) -> Any:
        self.shown = self.np_random.integers((2, 3))
        return self.shown

    def pay(self, action: Any) -> float:
        return float(np.mean(action == self.action_space.start + self.shown))


class ReadsFile(Probe):
    """Pays the number in a file that a setting names."""

    def __init__(self, path: str, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.paid = float(Path(path).read_text())

    def pay(self, action: Any) -> float:
        return self.paid


PROBES = {
    "SeeDo": (SeeDo, 100),
    "One": (One, 10),
    "OneDies": (OneDies, 100),
    "Counter": (Counter, 10),
    "Forgetful": (Forgetful, 100),
    "Breaks": (Breaks, 50),
    "BreaksLate": (BreaksLate, 10),
    "Named": (Named, 10),
    "Boundless": (Boundless, 10),
    "Uneven": (Uneven, 10),
    "Picture": (Picture, 10),
    "Choices": (Choices, 10),
    "SeeChoose": (SeeChoose, 100),
    "SeeChooseFromFive": (SeeChooseFromFive, 100),
    "SeeChooseTwo": (SeeChooseTwo, 100),
    "ReadsFile": (ReadsFile, 10),
}
for name, (kind, limit) in PROBES.items():
    if f"probe/{name}-v0" not in gymnasium.registry:
        gymnasium.register(f"probe/{name}-v0", entry_point=kind, max_episode_steps=limit)
gymnasium.register("probe/NeedsMore-v0", entry_point="module_of_an_extra.environments:Environment")
