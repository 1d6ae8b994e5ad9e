"""Environments as a user writes them, in a module of the working folder or of a package."""

import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
from gymnasium.spaces import Box

from poise.envs2d.cartpole import Cartpole


def wander():
    """Change the working folder, as some environments do, where this variable names another."""
    folder = os.environ.get("POISE_TEST_WANDER")
    if folder:
        os.chdir(folder)


class MotorError(Exception):
    """An error that cannot be made from its message alone, nor be pickled."""

    def __init__(self, joint, degrees):
        super().__init__(f"the motor is hot: {joint} {degrees}")
        self.lock = threading.Lock()


class Swing(gymnasium.Env):
    """One number to hold near 0. `fault` happens in the third step of an episode if `file` exists.

    The fault `worker` happens when it is made in a worker process; `mark` creates `file`
    at each step, and `close` when the environment is closed.
    """

    metadata: ClassVar[dict] = {"render_modes": ["rgb_array"], "render_fps": 20}
    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-2, 2, (1,), np.float32)

    def __init__(self, strength=0.1, length=7, fault=None, file="", render_mode=None):
        self.strength = strength
        self.length = length
        self.fault = fault
        self.file = file
        self.render_mode = render_mode
        wander()
        if fault == "worker" and multiprocessing.parent_process() is not None:
            raise MotorError("knee", 90)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        wander()
        self.age = 0
        self.place = self.np_random.uniform(-0.5, 0.5)
        return self.observe(), {}

    def step(self, action):
        wander()
        self.age += 1
        if self.fault == "mark":
            Path(self.file).touch()
        elif self.fault in FAULTS and self.age == 3 and Path(self.file).exists():
            FAULTS[self.fault]()
        self.place = float(np.clip(self.place + self.strength * action[0], -1, 1))
        return self.observe(), -abs(self.place), False, self.age >= self.length, {}

    def close(self):
        if self.fault == "close":
            Path(self.file).touch()

    def observe(self):
        return np.array([self.place, self.age / self.length], np.float32)

    def render(self):
        return np.full((48, 64, 3), self.age * 9 % 255, np.uint8)


class MyPole(Cartpole):
    """A body of Poise that the user has changed: it creates the file `mark` at each reset."""

    VIEW_HEIGHT = 3.0

    def initialize_episode(self, rng):
        wander()
        Path("mark").touch()
        super().initialize_episode(rng)


def raise_motor_error():
    raise MotorError("knee", 90)


def leave():
    raise SystemExit("the motor is hot")


def fill_the_memory():
    raise MemoryError


FAULTS = {
    "raise": raise_motor_error,
    "leave": leave,
    "memory": fill_the_memory,
    "exit": lambda: os._exit(3),
    "abort": os.abort,
    "sleep": lambda: time.sleep(3600),
}


ENTRY_POINTS = {
    "Swing-v0": "own_environments:Swing",
    "SwingByFunction-v0": lambda render_mode=None: Swing(render_mode=render_mode),
    "MyPole-v0": MyPole,
}
for name, entry_point in ENTRY_POINTS.items():
    if name not in gymnasium.registry:
        gymnasium.register(name, entry_point=entry_point, max_episode_steps=1000)
