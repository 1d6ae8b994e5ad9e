"""Environments with one property each: what is to be learned, or refused, is known.

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
    """One number as observation and as action, no reward; each probe below changes one thing."""

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
    """Reward -(a - o)^2; every step is an episode."""

    def see(self) -> Any:
        self.shown = self.np_random.uniform(-0.8, 0.8, 1).astype(np.float32)
        return self.shown

    def pay(self, action: Any) -> float:
        return -float(np.square(action - self.shown).sum())

    def over(self) -> bool:
        return True


class One(Probe):
    """Reward 1, never terminal: under a time limit the value is still 1 / (1 - gamma)."""

    def pay(self, action: Any) -> float:
        return 1.0


class OneDies(One):
    """Reward 1, terminal after the fifth step: the value at the start is a finite sum."""

    def see(self) -> Any:
        return np.array([self.age / 5.0], np.float32)

    def over(self) -> bool:
        return self.age >= 5


class Counter(Probe):
    """Observes its seed's mark and its age, which identify every observation.

    It terminates at age 7 after a positive action.
    """

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
    """Not deterministic: each environment object has another trajectory for the same actions."""

    made = 0

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        Forgetful.made += 1
        self.number = Forgetful.made

    def see(self) -> Any:
        return np.array([self.age * 0.0137 * self.number % 1.0], np.float32)


class Breaks(Probe):
    """An observation or reward that is not finite from step `when` on."""

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
    """A reward that is not finite from step 130 on; evaluations are shorter."""

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.total_steps = 0

    def pay(self, action: Any) -> float:
        self.total_steps += 1
        return float("nan") if self.total_steps >= 130 else 0.0


class Reports(Probe):
    """Reports under the name `is_success`: a success at the third step after a positive action."""

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, _ = super().step(action)
        info = {"is_success": bool(action[0] > 0.0 and self.age == 3)}
        return observation, reward, terminated, truncated, info


class Named(Probe):
    """A dictionary as observation."""

    observation_space = Dict({"a": unit_box(2), "b": unit_box(3)})

    def see(self) -> Any:
        return {"a": np.full(2, 0.25, np.float32), "b": np.full(3, -0.5, np.float32)}


class Boundless(Probe):
    """An unbounded action."""

    action_space = Box(-np.inf, np.inf, (1,), np.float32)


class Uneven(Probe):
    """Actions in [0, 10]; the reward is the action."""

    action_space = Box(0.0, 10.0, (1,), np.float32)

    def pay(self, action: Any) -> float:
        return float(action[0])


class Picture(Probe):
    """An image as observation."""

    observation_space = Box(0, 255, (8, 8, 3), np.uint8)

    def see(self) -> Any:
        return np.zeros((8, 8, 3), np.uint8)


class Choices(Probe):
    """One of three choices as action."""

    action_space = Discrete(3)


class SeeChoose(Probe):
    """Reward 1 for the choice that is observed; every step is an episode."""

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
    """SeeChoose with choices 5, 6 and 7."""

    action_space = Discrete(3, start=5)


class SeeChooseTwo(SeeChoose):
    """Two observed choices and two to make, the first from 1 on; reward 1/2 for each match."""

    observation_space = MultiDiscrete([2, 3])
    action_space = MultiDiscrete([2, 3], start=[1, 0])

    def see(self) -> Any:
        self.shown = self.np_random.integers((2, 3))
        return self.shown

    def pay(self, action: Any) -> float:
        return float(np.mean(action == self.action_space.start + self.shown))


class Typed(Probe):
    """Observes fractions, the first ones in another type than its space's, in one array."""

    observation_space = unit_box(2, 10.0)

    def __init__(self, kind: str = "int64", render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.kind = kind
        self.shown = np.zeros(2, np.float32)

    def see(self) -> Any:
        self.shown[:] = [self.age, 0.3 * self.age]
        return self.shown.astype(self.kind) if self.age == 0 else self.shown

    def over(self) -> bool:
        return self.age >= 5


class Glitch(Probe):
    """Fails in its third episode, or in every later one than `episode`, at a reset or a step."""

    def __init__(
        self,
        what: str = "nan",
        at_step: int = 0,
        episode: int = 3,
        render_mode: str | None = None,
    ) -> None:
        super().__init__(render_mode)
        self.what, self.at_step, self.episode = what, at_step, episode
        self.resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.resets += 1
        return super().reset(seed=seed, options=options)

    def see(self) -> Any:
        if self.resets < self.episode or self.age != self.at_step:
            return np.full(1, 0.1 * self.age, np.float32)
        if self.what == "exit":
            raise SystemExit(0)
        if self.what == "interrupt":
            raise KeyboardInterrupt
        if self.what == "error":
            raise ZeroDivisionError("no wheel turns")
        return np.array([float(self.what)], np.float32)


class ReadsFile(Probe):
    """The reward is the number in a file that a setting names."""

    def __init__(self, path: str, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.reward = float(Path(path).read_text(encoding="utf-8"))

    def pay(self, action: Any) -> float:
        return self.reward


PROBES = {
    "SeeDo": (SeeDo, 100),
    "One": (One, 10),
    "OneDies": (OneDies, 100),
    "Counter": (Counter, 10),
    "Forgetful": (Forgetful, 100),
    "Breaks": (Breaks, 50),
    "BreaksLate": (BreaksLate, 10),
    "Reports": (Reports, 10),
    "Named": (Named, 10),
    "Boundless": (Boundless, 10),
    "Uneven": (Uneven, 10),
    "Picture": (Picture, 10),
    "Choices": (Choices, 10),
    "SeeChoose": (SeeChoose, 100),
    "SeeChooseFromFive": (SeeChooseFromFive, 100),
    "SeeChooseTwo": (SeeChooseTwo, 100),
    "Typed": (Typed, 10),
    "Glitch": (Glitch, 10),
    "ReadsFile": (ReadsFile, 10),
}
for name, (kind, limit) in PROBES.items():
    if f"probe/{name}-v0" not in gymnasium.registry:
        gymnasium.register(f"probe/{name}-v0", entry_point=kind, max_episode_steps=limit)
gymnasium.register("probe/NeedsMore-v0", entry_point="module_of_an_extra.environments:Environment")
