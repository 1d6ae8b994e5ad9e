"""Poise: reinforcement learning for motor control, from scratch.

Importing it registers the environments with Gymnasium (`poise/Cartpole-v0`, ...) and loads neither
torch nor pygame.

    env = poise.make("standing", reward="survival")      # a Gymnasium environment
    envs = poise.make_vec("standing", num_envs=8)        # a Gymnasium vector environment
    run = poise.train("standing", algo="ppo", seed=0)    # what `poise train` does, silently
    policy = poise.load("standing-ppo-0")
    action = policy(observation)                         # numpy in, numpy out, one or N
"""

# What takes a while to import, as pathlib does, follows the handlers of signals.
# ruff: noqa: E402, PTH119, PTH120, PTH122

import os
import signal
import sys


def _is_command() -> bool:
    """Return whether this process is `poise`, `python -m poise` or `python cli.py`."""
    program = sys.argv[0] if sys.argv else ""
    name, _ = os.path.splitext(os.path.basename(program))
    if program == "-m":
        words = " ".join([*sys.orig_argv, ""])
        return " -m poise " in words or " -m poise." in words
    if name == "cli":
        folder = os.path.dirname(os.path.realpath(__file__))
        return os.path.dirname(os.path.realpath(program)) == folder
    return name == "poise"


def _exit_on_signal(number: int, frame: object) -> None:
    os._exit(128 + number)


if _is_command():
    # During the imports that follow, Ctrl-C would print a traceback.
    signal.signal(signal.SIGINT, _exit_on_signal)
    signal.signal(signal.SIGTERM, _exit_on_signal)

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poise import envs2d, envs3d
from poise.toolkit.observation import TargetEstimator, register_target_estimator

if TYPE_CHECKING:
    import gymnasium

    from poise.algos.policy import TrainedPolicy
    from poise.toolkit.run import Run

__all__ = ["envs2d", "envs3d", "load", "make", "make_vec", "train"]


def make(env: str, *, render_mode: str | None = None, **settings: Any) -> "gymnasium.Env[Any, Any]":
    """Make a Gymnasium environment.

    Args:
        env: a short name from `poise list` ("standing"), or any Gymnasium id.
        render_mode: "rgb_array", "human" or None.
        settings: settings of the environment; `poise inspect ENV` lists them.

    Raises:
        UserError: the environment or one of its settings is unknown, or a package is missing.
    """
    from poise.toolkit.registry import make_unwrapped_env, resolve_env_id

    return make_unwrapped_env(resolve_env_id(env), settings, render_mode)


def make_vec(
    env: str,
    num_envs: int = 1,
    *,
    vectorization_mode: str = "sync",
    vector_kwargs: Mapping[str, Any] | None = None,
    **settings: Any,
) -> "gymnasium.vector.VectorEnv[Any, Any, Any]":
    """Make a Gymnasium vector environment of `num_envs` equal environments.

    Args:
        env: a short name from `poise list`, or any Gymnasium id.
        num_envs: how many.
        vectorization_mode: "sync" steps them in this process, "async" each in a process of its own.
        vector_kwargs: arguments of `gymnasium.vector.SyncVectorEnv` or `AsyncVectorEnv`, such as
            `autoreset_mode`.
        settings: settings of each environment.

    Raises:
        UserError: as `make`.
    """
    import gymnasium

    from poise.toolkit.errors import UserError
    from poise.toolkit.registry import resolve_env_id

    make(env, **settings).close()  # All mistakes become one UserError here.
    if num_envs < 1:
        raise UserError(f"num_envs={num_envs}: a vector environment needs at least one")
    if vectorization_mode not in ("sync", "async"):
        raise UserError(f"vectorization_mode={vectorization_mode!r}: choose sync or async")
    return gymnasium.make_vec(
        resolve_env_id(env),
        num_envs=num_envs,
        vectorization_mode=vectorization_mode,
        vector_kwargs=dict(vector_kwargs or {}),
        **settings,
    )


def train(
    env: str,
    *,
    algo: str | None = None,
    steps: int | None = None,
    minutes: float | None = None,
    seed: int = 0,
    num_envs: int | None = None,
    num_workers: int | None = None,
    settings: Mapping[str, Any] | None = None,
    env_settings: Mapping[str, Any] | None = None,
    preset: str | None = None,
    start_from: "Run | str | Path | None" = None,
    stop_when_solved: bool = True,
    device: str = "auto",
    run: str | None = None,
    runs_dir: str | Path = "runs",
    **unknown: Any,
) -> "Run":
    """Train a policy into a new run folder, as `poise train` does, without console and video.

    Args:
        env: a short name from `poise list`, or any Gymnasium id.
        algo: "sac", "ppo" or "td3"; None: the one recommended for the environment.
        steps: environment steps to train, over all environments; None: the preset's.
        minutes: minutes to train; without `steps`, nothing else limits them.
        seed: seed of the weights, of exploration and of the episodes.
        num_envs: environments that are stepped together; None: the preset's.
        num_workers: processes that step them, to the same bits; None: the preset's.
        settings: settings of the algorithm and of the training, over the preset's.
        env_settings: settings of the environment.
        preset: a YAML file, or the name of a variant.
        start_from: a run, or its name or folder: begin with its networks and settings.
        stop_when_solved: end at the evaluation that reaches the reward threshold.
        device: "auto", "cpu", "cuda" or "mps".
        run: name of the run; None: `<env>-<algo>-<seed>`.
        runs_dir: folder of the runs.
        unknown: refused with the name to use; what is not listed here belongs into `settings`.

    Returns:
        The run: `run.path`, `run.config`, `run.summary()`; `poise.load(run.path)` gives its policy.

    Raises:
        UserError: a name or a setting is wrong; nothing was written.
        WorkError: the training failed; what was saved before is kept.
    """
    for name, value in unknown.items():
        raise _unknown_argument_error(name, value)

    from poise.toolkit.errors import UserError
    from poise.toolkit.run import Run
    from poise.tools.train.plan import TrainRequest
    from poise.tools.train.session import start_training

    source = start_from
    if isinstance(source, str | Path):
        source = Run.open(Path(runs_dir).absolute(), str(source))
    if source is not None and not isinstance(source, Run):
        raise UserError(f"start_from={source!r}: give a run, its name, or its folder")
    chosen = {"steps": steps, "minutes": minutes, "num_envs": num_envs, "num_workers": num_workers}
    request = TrainRequest(
        env=env,
        algorithm=algo,
        training={
            "seed": seed,
            "stop_when_solved": stop_when_solved,
            **{key: value for key, value in chosen.items() if value is not None},
        },
        settings=settings or {},
        env_settings=env_settings or {},
        preset=preset,
        name=run,
        runs_dir=Path(runs_dir).absolute(),
        device=device,
        start_from=source,
    )
    return start_training(request).run


def _unknown_argument_error(name: str, value: Any) -> Exception:
    """Return the error for an argument that `train` has not: it says how to write it."""
    from poise.algos.registry import ALGORITHMS, get_algorithm_class
    from poise.toolkit.errors import UserError
    from poise.toolkit.settings import find_setting, unknown_setting_error
    from poise.toolkit.trainer import TrainSettings

    arguments = {*inspect.signature(train).parameters} - {"unknown"}
    settings = {*TrainSettings.model_fields}
    for algorithm in ALGORITHMS:
        settings |= get_algorithm_class(algorithm).SETTINGS.model_fields.keys()
    here = find_setting(name, arguments | settings)
    if not here:
        return unknown_setting_error("argument of poise.train", name, arguments)
    advice = f"{here}={value!r}" if here in arguments else f"settings={{{here!r}: {value!r}}}"
    return UserError(f"unknown argument {name!r} of poise.train: write {advice}")


def load(
    run: str | Path,
    *,
    checkpoint: str | int | None = None,
    runs_dir: str | Path = "runs",
    trust: bool = False,
) -> "TrainedPolicy":
    """Load the policy of a run, ready to act: `action = policy(observation)`.

    Args:
        run: name of a run below `runs_dir`, or the path of a run folder.
        checkpoint: "latest", "best" or a step; None: the best.
        runs_dir: folder of the runs.
        trust: import the module that a run from elsewhere names; runs in `runs_dir` need none.

    Raises:
        UserError: there is no such run or checkpoint, or the run holds no policy, or it lies
            elsewhere and names a module that is not trusted.
    """
    from poise.algos.policy import TrainedPolicy
    from poise.toolkit.registry import deciding_trust
    from poise.toolkit.run import Run

    step = None if checkpoint is None else str(checkpoint)
    with deciding_trust(lambda module, file: trust):
        return TrainedPolicy(Run.open(Path(runs_dir).absolute(), str(run)), step)


def _open_target_estimator(folder: str) -> TargetEstimator:
    from poise.tools.translate.load import load_pose_reader  # loads torch

    return load_pose_reader(folder)


register_target_estimator(_open_target_estimator)
