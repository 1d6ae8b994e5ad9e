"""An environment that raises any error in any of its methods."""

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


gymnasium.register("IllBehaved-v0", "ill_behaved:IllBehaved")
