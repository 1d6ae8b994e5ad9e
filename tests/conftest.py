"""What all tests share: no display, no slow tests unless asked for, and a few helpers that say what they do."""

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "200"

import csv
import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import hypothesis
import numpy as np
import probes  # noqa: F401  (registers the probe worlds)
import pytest

import tools  # noqa: F401  (registers the worlds)
from toolkit.registry import our_ids

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
IN_SPACE = [world_id for world_id in our_ids() if gymnasium.spec(world_id).entry_point.startswith("envs3d.")]
OUR_IDS = [world_id for world_id in our_ids() if world_id not in IN_SPACE or importlib.util.find_spec("pybullet")]
"""Worlds of Poise; those in space where there is pybullet."""
BALANCING = ["poise/Cartpole-v0", "poise/Standing-v0", "poise/BollaRolla-v0"]
FALLING = [*BALANCING, "poise/Humanoid3D-v0"]
"""Worlds whose episodes can end by failure."""
FIGURES = ["poise/Standing-v0", "poise/BollaRolla-v0"]

# Ctrl-C is tested too, even where tests are run in the background and a shell has let it be ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

hypothesis.settings.register_profile("poise", deadline=None, max_examples=40, derandomize=True, database=None)
hypothesis.settings.load_profile("poise")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests marked slow run only when asked for: `-m slow`, or by their name."""
    if config.getoption("markexpr") or any("::" in word for word in config.args):
        return
    slow = [item for item in items if "slow" in item.keywords]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]


@pytest.fixture(autouse=True, scope="session")
def quick_disk() -> Iterator[None]:
    """Waiting for the disk makes no test stricter; that checkpoints do wait is tested where they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def python(
    *words: str | Path, cwd: Path = ROOT, timeout: float = 120.0, **environment: str | None
) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with the tests' own modules in reach; an environment variable that is None is taken away."""
    variables = {**os.environ, "PYTHONPATH": f"{TESTS}{os.pathsep}{ROOT}", **environment}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        cwd=cwd,
        env={name: value for name, value in variables.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def make(world_id: str, render_mode: str | None = None, **settings: object) -> gymnasium.Env:
    """A world as Gymnasium makes it, its time limit included."""
    return gymnasium.make(world_id, disable_env_checker=True, render_mode=render_mode, **settings)


def bare(world_id: str, **settings: object) -> gymnasium.Env:
    """A world without any wrapper: no time limit, and stepping on after a failure is allowed."""
    return make(world_id, **settings).unwrapped


def random_actions(world: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """Uniform actions (number, A) in [-1, 1]."""
    return np.random.default_rng(seed).uniform(-1.0, 1.0, (number, *world.action_space.shape)).astype(np.float32)


def bang_bang_actions(world: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """Full actions, -1 or 1, each held for a random while: the roughest way to move a body."""
    rng = np.random.default_rng(seed)
    actions = np.empty((number, *world.action_space.shape), np.float32)
    hold = 0
    for row in actions:
        if hold == 0:
            signs, hold = rng.choice([-1.0, 1.0], world.action_space.shape), int(rng.integers(1, 30))
        row[:] = signs
        hold -= 1
    return actions


def zero_actions(world: gymnasium.Env, number: int, seed: int = 0) -> np.ndarray:
    """No effort at all."""
    return np.zeros((number, *world.action_space.shape), np.float32)


ACTING = {"random": random_actions, "bang-bang": bang_bang_actions, "zero": zero_actions}


def live(world: gymnasium.Env, actions: Sequence[np.ndarray], seed: int = 0) -> Iterator[tuple]:
    """What every step returns; ended episodes are followed by new ones."""
    world.reset(seed=seed)
    for action in actions:
        told = world.step(action)
        yield told
        if told[2] or told[3]:
            seed += 1
            world.reset(seed=seed)


# Small runs.

SMALL_SETTINGS = {"hidden": [8], "batch": 8, "warmup": 30, "buffer": 500}
SMALL_TRAINING = {
    "steps": 200,
    "evaluate_every": 60,
    "evaluate_episodes": 2,
    "checkpoint_every": 50,
    "log_every": 20,
    "solved_at": None,
}


def start_run(
    runs: Path, name: str = "run", world: str = "cartpole", video: bool = False, listen: Any = None, **training: Any
) -> Any:
    """Train a small run, and how it ended."""
    from tools import train_run
    from tools.plan_run import Words

    wanted = {**SMALL_TRAINING, **training}
    return train_run.start(Words(world, "sac", wanted, SMALL_SETTINGS, name=name, runs=runs), listen, video)


def state_of(run: Any, checkpoint: str = "latest") -> dict[str, Any]:
    """All that a checkpoint holds but the seconds of a clock, flat and as bytes, so that two can be compared."""
    flat = {}
    for group, values in run.load(checkpoint)[1].items():
        for name, value in values.items():
            exact = (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value
            flat[f"{group}.{name}"] = exact
    del flat["progress.seconds"]
    return flat


def records_of(run: Any) -> dict[str, list[dict[str, str]]]:
    """The rows of both CSV files, without what a clock measured."""
    records = {}
    for name in ("episodes", "metrics"):
        with (run.path / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows and all(float(row.pop("seconds")) >= 0.0 for row in rows)
        records[name] = [row for row in rows if row.get("name") != "charts/SPS"]
    return records


# Robots that see.

TAKING = ["poise/Reacher2D-v0", "poise/ReacherPlane3D-v0", "poise/Reacher3D-v0", "poise/PoseHumanoid3D-v0"]
"""Worlds that take poses."""


def needs_pybullet(world_id: str) -> None:
    """Skip a test of a world in space where there is no pybullet."""
    if world_id in IN_SPACE:
        pytest.importorskip("pybullet")


def seeing_runs(runs: Path, world_id: str) -> tuple[Any, Any]:
    """A policy `mover` and a translator `eye` of 32 x 32 pixels for a world that takes poses; they have learned nothing."""
    from algos.translator import Translator, TranslatorSettings
    from toolkit.run import Run
    from toolkit.signals import layout
    from tools import train_run
    from tools.plan_run import Words

    training = {"steps": 32, "evaluate_every": 0, "evaluate_episodes": 1, "worlds": 1, "workers": 1}
    train_run.start(Words(world_id, "ppo", training, {"rollout": 32}, runs=runs, name="mover"), video=False)
    place = layout(bare(world_id).OBSERVATION)["pose"]
    settings = TranslatorSettings(channels=(4, 8), hidden=8)
    eye = Run.create(runs, "eye", world_id, "translator", 0)
    seen = {"width": 32, "height": 32, "markers": False}
    told = {"world": world_id, "world_settings": seen, "algorithm": "translator", "settings": settings.plain()}
    eye.write(
        "config.json", {**told, "training": {"seed": 0}, "device": "cpu", "size": [32, 32], "outputs": place.stop - place.start}
    )
    eye.save(1, Translator((32, 32), place.stop - place.start, settings, seed=0).state(), 0.0)
    return Run.open(runs, "mover"), eye


class Hand:
    """Stands for a policy of the cart-pole: feedback of some strength; 1 balances, 0 does nothing."""

    checkpoint = "by hand"

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def act(self, seen: np.ndarray, *, explore: bool) -> np.ndarray:
        return np.clip(-self.strength * seen @ np.array([[-0.3], [-0.5], [4.0], [1.0]]), -1.0, 1.0)


class Hands:
    """Stands for a policy: springs that pull elbow and hand of the reacher to what it sees as their targets."""

    def act(self, observation, *, explore):
        _, elbow, hand, pull, tug, speed = np.split(observation, [4, 6, 8, 10, 12], axis=1)
        pairs = ((elbow, pull), (hand, tug), (hand - elbow, tug))
        levers = [at[:, 0] * force[:, 1] - at[:, 1] * force[:, 0] for at, force in pairs]
        return np.clip(40 * np.stack((levers[0] + levers[1], levers[2]), axis=1) - 0.2 * speed, -1, 1)


JUDGED = {f"eval/{name}" for name in ("return", "length", "success", "return_std")}
JUDGED |= {f"eval/reward/{term}" for term in ("upright", "centred", "quiet", "economy")}
"""What an evaluation of the cart-pole tells."""
