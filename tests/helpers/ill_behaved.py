"""Environments that raise any error in any method, and that give any value from any method."""

import ctypes
import os
import random
import time
from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box


class SilentError(Exception):
    """An error whose message cannot be formed."""

    def __str__(self) -> str:
        raise RuntimeError("no message")


class ExactError(Exception):
    """An error that cannot be made, or copied, from its arguments."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}\nsecond line {second}")


ERRORS = {
    "lines": lambda: RuntimeError("first line\nsecond line"),
    "silent": SilentError,
    "exact": lambda: ExactError(1, 2),
    "long": lambda: ValueError("x" * 10_000_000),
    "escape": lambda: OSError("\x1b]0;title\x07\x1b[2J\x1b[31mred [/bold]"),
    "surrogate": lambda: KeyError("\ud800"),
    "recursion": RecursionError,
    "memory": MemoryError,
    "exit": lambda: SystemExit(0),
    "interrupt": KeyboardInterrupt,
    "attribute": lambda: AttributeError("no attribute"),
    "stop": StopIteration,
    "assertion": AssertionError,
}

METHODS = ("init", "spaces", "metadata", "reset", "step", "render", "close")


class IllBehaved(gymnasium.Env[Any, Any]):
    """Raises ERRORS[error] in `method` from the call number `after` on."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(
        self,
        render_mode: str | None = None,
        method: str = "",
        error: str = "lines",
        after: int = 0,
    ) -> None:
        self.render_mode = render_mode
        self.method = method
        self.error = error
        self.after = after
        self.calls = 0
        self.action_space = Box(-1.0, 1.0, (1,), np.float32)
        self._call("init")

    @property
    def observation_space(self) -> Box:
        """Return the space of the observations."""
        self._call("spaces")
        return Box(-1.0, 1.0, (2,), np.float32)

    def __getattribute__(self, name: str) -> Any:
        if name == "metadata":
            self._call("metadata")
        return super().__getattribute__(name)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode of 10 steps."""
        super().reset(seed=seed)
        self._call("reset")
        self.steps = 0
        return self.np_random.uniform(-1.0, 1.0, 2).astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Make a step."""
        self._call("step")
        self.steps += 1
        observation = self.np_random.uniform(-1.0, 1.0, 2).astype(np.float32)
        return observation, 1.0, self.steps >= 10, False, {}

    def render(self) -> Any:
        """Return a black image."""
        self._call("render")
        return np.zeros((32, 32, 3), np.uint8)

    def close(self) -> None:
        """Close."""
        self._call("close")

    def _call(self, method: str) -> None:
        if method == self.method:
            self.calls += 1
            if self.calls > self.after:
                raise ERRORS[self.error]()


def fill(value: float) -> Callable[[Any], Any]:
    """Return the fault that makes every number of an observation `value`."""
    return lambda observation: np.full_like(observation, value)


def give(value: Any) -> Callable[[Any], Any]:
    """Return the fault that gives `value`, whatever is right."""
    return lambda right: value


def do(action: Callable[[], Any]) -> Callable[[Any], Any]:
    """Return the fault that does something, and gives what is right."""
    return lambda right: (action(), right)[1]


def swap(index: int, value: Any) -> Callable[[Any], Any]:
    """Return the fault that replaces one value of a tuple."""
    return lambda result: (*result[:index], value, *result[index + 1 :])


def recurse() -> None:
    """Call itself without end."""
    recurse()


NAN = float("nan")
OBSERVATION, REWARD, TERMINATED, TRUNCATED, INFO = range(5)

OBSERVATION_FAULTS = {
    "not a number": fill(NAN),
    "infinite": fill(np.inf),
    "beyond float32": lambda observation: observation.astype(np.float64) * 1e300,
    "too long": give(np.zeros(5, np.float32)),
    "too short": give(np.zeros(1, np.float32)),
    "scalar": give(np.float32(0.5)),
    "empty": give(np.zeros(0, np.float32)),
    "two rows": lambda observation: np.stack([observation, observation]),
    "none": give(None),
    "text": give("position"),
    "list of texts": give(["a", "b"]),
    "complex": lambda observation: observation.astype(complex),
    "mapping": lambda observation: {"position": observation},
    "objects": lambda observation: np.array([object(), None]),
    "dates": give(np.array(["2026-01-01", "2026-01-02"], "datetime64[D]")),
    "ragged": give([[1.0], [1.0, 2.0]]),
    "function": give(len),
}
"""Observations that training must refuse, from reset and from step."""

STEP_FAULTS = {
    "reward NaN": swap(REWARD, NAN),
    "reward infinite": swap(REWARD, -np.inf),
    "reward text": swap(REWARD, "one"),
    "reward none": swap(REWARD, None),
    "reward of two": swap(REWARD, np.array([1.0, 2.0])),
    "reward empty": swap(REWARD, []),
    "reward complex": swap(REWARD, 1j),
    "reward beyond float32": swap(REWARD, 1e300),
    "reward huge integer": swap(REWARD, 10**400),
    "terminated none": swap(TERMINATED, None),
    "terminated of two": swap(TERMINATED, np.array([True, False])),
    "terminated text": swap(TERMINATED, "yes"),
    "terminated NaN": swap(TERMINATED, NAN),
    "truncated none": swap(TRUNCATED, None),
    "truncated of two": swap(TRUNCATED, [True, False]),
    "info none": swap(INFO, None),
    "info list": swap(INFO, [1]),
    "info text": swap(INFO, "fine"),
    "four values": lambda result: (*result[:3], result[4]),
    "six values": lambda result: (*result, {}),
    "observation alone": lambda result: result[0],
    "nothing": give(None),
    "mapping": give({"observation": 0}),
    "recursion": do(recurse),
    "too much memory": do(lambda: np.empty(2**60, np.uint8)),
}
"""Results of step that training must refuse."""

RESET_FAULTS = {
    "alone": lambda result: result[0],
    "nothing": give(None),
    "three values": lambda result: (*result, {}),
    "info none": swap(1, None),
    "info text": swap(1, "fine"),
}
"""Results of reset that training must refuse."""

HARMLESS_FAULTS = {
    "outside of the space": swap(OBSERVATION, np.full(2, 1e6, np.float32)),
    "float64": swap(OBSERVATION, np.full(2, 0.1)),
    "float16": swap(OBSERVATION, np.full(2, 0.1, np.float16)),
    "whole numbers": swap(OBSERVATION, np.zeros(2, np.int64)),
    "booleans": swap(OBSERVATION, np.zeros(2, bool)),
    "axes of length 1": swap(OBSERVATION, np.full((1, 2, 1), 0.1, np.float32)),
    "list": swap(OBSERVATION, [0.1, 0.2]),
    "tuple of numpy numbers": swap(OBSERVATION, (np.float64(0.1), np.int8(0))),
    "read only": swap(OBSERVATION, np.broadcast_to(np.float32(0.1), 2)),
    "other byte order": swap(OBSERVATION, np.full(2, 0.1, ">f4")),
    "reward whole": swap(REWARD, 1),
    "reward boolean": swap(REWARD, True),
    "reward in an array": swap(REWARD, np.array([1.0])),
    "reward 0-d": swap(REWARD, np.array(1.0, np.float16)),
    "terminated of numpy": swap(TERMINATED, np.bool_(False)),
    "terminated 0 or 1": swap(TERMINATED, 0),
    "truncated 0-d": swap(TRUNCATED, np.array(False)),
    "list of five": list,
    "success NaN": swap(INFO, {"success": NAN, "is_success": NAN}),
    "success of two": swap(INFO, {"success": np.array([True, False])}),
    "success text": swap(INFO, {"is_success": "no"}),
    "info of anything": swap(INFO, {1: object(), "episode": "r", "x": NAN, "y": [{}]}),
    "prints escape codes": do(lambda: print("\x1b]0;title\x07\x1b[2J")),
    "enters another folder": do(
        lambda: (os.makedirs("other", exist_ok=True), os.chdir("other"))  # noqa: PTH103
    ),
    "global random state": do(lambda: (np.random.seed(0), random.seed(0))),  # noqa: NPY002
}
"""Results of step that training can take, or need not look at."""

PROCESS_FAULTS = {
    "leaves": do(lambda: os._exit(0)),
    "leaves with 3": do(lambda: os._exit(3)),
    "aborts": do(os.abort),
    "reads no memory": do(lambda: ctypes.string_at(0)),
    "sleeps": do(lambda: time.sleep(3600.0)),
}
"""What ends or stops a process, so that only a worker can be tried."""


FAULTS: dict[str, tuple[str, dict[str, Callable[[Any], Any]]]] = {
    "reset observation": (
        "reset",
        {
            name: lambda result, fault=fault: (fault(result[0]), *result[1:])
            for name, fault in OBSERVATION_FAULTS.items()
        },
    ),
    "step observation": (
        "step",
        {
            name: lambda result, fault=fault: (fault(result[0]), *result[1:])
            for name, fault in OBSERVATION_FAULTS.items()
        },
    ),
    "reset": ("reset", RESET_FAULTS),
    "step": ("step", STEP_FAULTS),
    "harmless": ("step", HARMLESS_FAULTS),
    "process": ("step", PROCESS_FAULTS),
}
"""Kind -> the method at fault, and its faults by name."""


class IllValued(IllBehaved):
    """Gives FAULTS[kind][name] from its second episode on."""

    def __init__(self, kind: str, name: str, render_mode: str | None = None) -> None:
        super().__init__(render_mode)
        self.method_at_fault, faults = FAULTS[kind]
        self.fault = faults[name]
        self.resets = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Start an episode of 10 steps."""
        self.resets += 1
        return self._break("reset", super().reset(seed=seed, options=options))

    def step(self, action: Any) -> Any:
        """Make a step."""
        return self._break("step", super().step(action))

    def _break(self, method: str, result: Any) -> Any:
        is_at_fault = method == self.method_at_fault and self.resets > 1
        return self.fault(result) if is_at_fault else result


gymnasium.register("IllBehaved-v0", "ill_behaved:IllBehaved")
gymnasium.register("IllValued-v0", "ill_behaved:IllValued")
