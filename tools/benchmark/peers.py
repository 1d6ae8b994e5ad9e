"""Train peers as yardsticks: other libraries, on the same environments and at equal settings.

They are stable-baselines3 and its sister sbx, which computes with JAX. Both are in the extra
`peers`, and neither is ever imported by the process of a command: `import sbx` warns, takes seconds
and starts threads of its own.
"""

import importlib.util
import inspect
import os
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np

from poise.toolkit.errors import UserError, printable, unknown_name_error
from poise.toolkit.evaluation import make_run_evaluator
from poise.toolkit.experience import EpisodeStats
from poise.toolkit.files import parse_json
from poise.toolkit.loggers import SPEED, CsvLogger, TrainingLog
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.toolkit.trainer import Progress, TrainSettings
from poise.toolkit.workers import Handler, Worker, WorkerStatus, stop_workers
from poise.tools.train.plan import TrainRequest, plan

Result = TypeVar("Result")

LIBRARIES = {"sb3": "stable_baselines3", "sbx": "sbx"}
"""Modules of the libraries, by the first part of a peer's name."""


PACKAGES = {"sb3": "stable-baselines3", "sbx": "sbx-rl"}
"""What pip calls the libraries."""


PEERS = {
    f"{library}-{algorithm}": algorithm
    for library in LIBRARIES
    for algorithm in ("sac", "ppo", "td3")
}
"""Peers, and the algorithm of Poise whose training settings they share."""


RESERVED_ARGUMENTS = {"self", "policy", "env", "seed", "device", "_init_setup_model"}
"""Arguments of a peer's algorithm that are no settings."""


class PeerProcess:
    """A process for calls that import peers. What they print, log or warn of is dropped.

    It starts with the first call. Use it in a `with` block.
    """

    def __init__(self, task: str) -> None:
        self.task = task
        self._worker: Worker | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._worker is not None:
            stop_workers([self._worker])

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Return what a function of a module returns in the process.

        Raises:
            UserError, WorkError: the function raised it.
            WorkerError: it raised anything else, or the process died.
        """
        if self._worker is None:
            self._worker = Worker(_start_silent_calls, ())
            self._worker.describe_task = partial(str, self.task)
            self._worker.receive()  # The first answer is that it has started.
        self._worker.send((function, arguments))
        result: Result = self._worker.receive()
        return result


def _start_silent_calls(status: WorkerStatus) -> Handler:
    """Return the handler of a PeerProcess; send all output of this process to nowhere."""
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)

    def call(request: tuple[Callable[..., Any], tuple[Any, ...]]) -> Any:
        function, arguments = request
        return function(*arguments)

    return call


def plan_peer(
    env: str,
    name: str,
    settings: Mapping[str, Any],
    env_settings: Mapping[str, Any],
    process: PeerProcess,
) -> dict[str, Any]:
    """Return the config of a peer's run: Poise's training settings, and the peer's own settings.

    `num_envs` is 1 unless `settings` say otherwise. The peer is made once, in `process`.

    Raises:
        UserError: a name or a value is wrong, or the peer's library is not installed.
    """
    require_library(name)
    training = {key: value for key, value in settings.items() if key in TrainSettings.model_fields}
    peer_settings = {key: value for key, value in settings.items() if key not in training}
    request = TrainRequest(
        env=env,
        algorithm=PEERS[name],
        settings={"num_envs": 1, **training},
        env_settings=env_settings,
    )
    config = plan(request).config
    config.update(algorithm=name, settings=peer_settings)
    process.call(check_peer, config)
    return config


def require_library(name: str) -> None:
    """Raise a UserError unless there is such a peer and its library is installed."""
    if name not in PEERS:
        raise unknown_name_error("peer", name, PEERS)
    library = _get_library(name)
    if importlib.util.find_spec(LIBRARIES[library]) is None:
        raise UserError(
            f"{name} needs {PACKAGES[library]}, which is in the extra `peers`: "
            "pip install -e '.[peers]'"
        )


def check_peer(config: Mapping[str, Any]) -> None:
    """Raise a UserError unless the peer of a config can be made."""
    make_peer(config).get_env().close()


def make_peer(config: Mapping[str, Any]) -> Any:
    """Return a new algorithm of a peer's library for a config; imports the library.

    Raises:
        UserError: a setting is unknown or refused, or the library cannot be imported.
    """
    name = config["algorithm"]
    library = _get_library(name)
    try:
        module, activations = _import_library(library)
        from stable_baselines3.common.monitor import Monitor
        from stable_baselines3.common.noise import NormalActionNoise
        from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError as error:
        raise UserError(f"{name}: {PACKAGES[library]} cannot be used: {printable(error)}") from None
    peer_class = getattr(module, PEERS[name].upper())
    training = config["training"]
    settings = dict(config["settings"])
    arguments = inspect.signature(peer_class.__init__).parameters.keys() - RESERVED_ARGUMENTS
    for key in settings:
        if key not in arguments:
            raise unknown_name_error(f"{name} setting", key, arguments)
    make = partial(make_env, config["env"], config["env_settings"])
    envs = DummyVecEnv([lambda: Monitor(make())] * training["num_envs"])
    try:
        if "action_noise" in settings:
            mean = np.zeros(envs.action_space.shape or ())
            std = mean + float(settings["action_noise"])
            settings["action_noise"] = NormalActionNoise(mean, std)
        if settings.get("policy_kwargs"):
            settings["policy_kwargs"] = _replace_activation(settings["policy_kwargs"], activations)
        return peer_class("MlpPolicy", envs, seed=training["seed"], device="cpu", **settings)
    except (TypeError, ValueError, AssertionError, AttributeError) as error:
        raise UserError(f"{name} cannot be made: {' '.join(str(error).split())}") from None


def _get_library(name: str) -> str:
    return name.partition("-")[0]


def _import_library(library: str) -> tuple[Any, dict[str, Any]]:
    """Return the module of a library, and what it takes for the names of activations."""
    if library == "sbx":
        os.environ["JAX_PLATFORMS"] = "cpu"  # It would take a GPU whatever `device` says.
        import sbx
        from flax import linen

        return sbx, {"relu": linen.relu, "tanh": linen.tanh}
    import stable_baselines3
    from torch import nn

    return stable_baselines3, {"relu": nn.ReLU, "tanh": nn.Tanh}


def _replace_activation(
    policy_settings: Mapping[str, Any], activations: Mapping[str, Any]
) -> dict[str, Any]:
    """Replace the name of an activation, which a config can hold, by what the library takes."""
    if "activation_fn" not in policy_settings:
        return dict(policy_settings)
    activation = policy_settings["activation_fn"]
    if activation not in activations:
        raise unknown_name_error("activation_fn", activation, activations)
    return {**policy_settings, "activation_fn": activations[activation]}


def train_peer(folder: Path, config: Mapping[str, Any]) -> None:
    """Train a peer into a run folder, from step 0; the files of an earlier attempt are replaced."""
    from stable_baselines3.common.callbacks import BaseCallback

    settings = TrainSettings.parse(config["training"])
    run = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    peer = make_peer(config)
    progress = Progress()
    best_metrics: dict[str, float] = {}

    with ExitStack() as stack:
        stack.enter_context(run.lock())
        run.write("config.json", config)
        csv_logger = stack.enter_context(closing(CsvLogger(folder)))
        evaluator = stack.enter_context(
            closing(make_run_evaluator(run, settings.evaluate_episodes))
        )
        log = TrainingLog([csv_logger])

        class TrainingCallback(BaseCallback):
            """Log, evaluate and stop as toolkit.trainer.train does."""

            def _on_step(self) -> bool:
                progress.step = self.num_timesteps
                progress.seconds = log.seconds
                for info in self.locals["infos"]:
                    if "episode" in info:
                        stats = info["episode"]
                        episode = EpisodeStats(stats["r"], stats["l"])
                        log.write(progress.step, progress.add_episode(episode))
                if progress.is_due(settings.log_every, settings.num_envs):
                    log.write(progress.step, {SPEED: progress.step / progress.seconds})
                is_due = progress.is_due(settings.evaluate_every, settings.num_envs)
                if is_due or progress.is_finished(settings):
                    metrics = evaluator(_predict).metrics()
                    progress.seconds = log.seconds
                    log.write(progress.step, metrics)
                    if progress.add_evaluation(metrics["eval/return"], settings.solved_at):
                        best_metrics.update(metrics)
                return not progress.is_finished(settings)

        def _predict(observation: Any) -> Any:
            return np.asarray(peer.predict(observation, deterministic=True)[0])

        peer.learn(settings.steps, callback=TrainingCallback())
    run.write("summary.json", progress.summarize(best_metrics))


if __name__ == "__main__":
    sys.path.append(str(Path.cwd()))  # Finds a user's own environment, my_module:MyEnv-v0.
    train_peer(Path(sys.argv[1]), parse_json(sys.argv[2], "the config"))
