"""Train stable-baselines3 as a yardstick, on the same environments and at equal settings.

Needs the extra `dev`.
"""

import inspect
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from poise import algos
from poise.algos.sac import SAC
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.evaluation import make_run_evaluator
from poise.toolkit.experience import ActorPolicy, EnvBatch, EpisodeStats, collect, make_env_batch
from poise.toolkit.files import parse_json
from poise.toolkit.loggers import SPEED, CsvLogger, TrainingLog
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.toolkit.trainer import Progress, TrainSettings
from poise.tools.train.plan import TrainRequest, plan

PEERS = {"sb3-sac": "sac", "sb3-ppo": "ppo", "sb3-td3": "td3"}
"""Peers, and the algorithm of Poise whose training settings they share."""


RESERVED_ARGUMENTS = {"self", "policy", "env", "seed", "device", "_init_setup_model"}
"""Arguments of a stable-baselines3 algorithm that are no settings."""


def plan_peer(
    env: str, algorithm: str, settings: Mapping[str, Any], env_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the config of a peer's run: Poise's training settings, and the peer's own settings.

    `num_envs` is 1 unless `settings` say otherwise.

    Raises:
        UserError: a name or a value is wrong, or stable-baselines3 is not installed.
    """
    training = {key: value for key, value in settings.items() if key in TrainSettings.model_fields}
    peer_settings = {key: value for key, value in settings.items() if key not in training}
    request = TrainRequest(
        env=env,
        algorithm=PEERS[algorithm],
        settings={"num_envs": 1, **training},
        env_settings=env_settings,
    )
    config = plan(request).config
    config.update(algorithm=algorithm, settings=peer_settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # The log of every run holds them too.
        make_peer(config).get_env().close()
    return config


def make_peer(config: Mapping[str, Any]) -> Any:
    """Return a new stable-baselines3 algorithm for a config.

    Raises:
        UserError: a setting is unknown or refused, or stable-baselines3 is not installed.
    """
    try:
        import stable_baselines3
        from stable_baselines3.common.monitor import Monitor
        from stable_baselines3.common.noise import NormalActionNoise
        from stable_baselines3.common.vec_env import DummyVecEnv
    except ImportError:
        raise UserError(
            "peers need stable-baselines3, which is in the extra `dev`: pip install -e '.[dev]'"
        ) from None
    name = config["algorithm"]
    training = config["training"]
    settings = dict(config["settings"])
    peer_class = getattr(stable_baselines3, PEERS[name].upper())
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
        return peer_class("MlpPolicy", envs, seed=training["seed"], device="cpu", **settings)
    except (TypeError, ValueError, AssertionError, AttributeError) as error:
        raise UserError(f"{name} cannot be made: {' '.join(str(error).split())}") from None


def train_peer(folder: Path, config: Mapping[str, Any]) -> None:
    """Train a peer into a run folder, from step 0; the files of an earlier attempt are replaced."""
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
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


EQUAL_SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sac": (
        {"hidden_sizes": [256, 256], "batch_size": 256, "learning_starts": 500},
        {"policy_kwargs": {"net_arch": [256, 256]}, "batch_size": 256, "learning_starts": 500},
    ),
    "td3": (
        {"hidden_sizes": [256, 256], "batch_size": 256, "learning_starts": 500},
        {
            "policy_kwargs": {"net_arch": [256, 256]},
            "batch_size": 256,
            "learning_starts": 500,
            "action_noise": 0.1,
        },
    ),
    "ppo": (
        {
            "hidden_sizes": [64, 64],
            "activation": "tanh",
            "normalize_observations": False,
            "normalize_reward": False,
        },
        {"policy_kwargs": {"net_arch": [64, 64]}},
    ),
}
"""By algorithm, the same settings under Poise's names and under the peer's."""


def measure_speeds(
    algorithm: str,
    env_id: str,
    steps: int,
    threads: int,
    envs: int,
    ppo_settings: tuple[int, int, int],
) -> tuple[float, float]:
    """Return steps per second of Poise and of the peer, measured one after the other.

    Args:
        algorithm: sac, ppo or td3.
        env_id: environment of both.
        steps: steps to time, after a warm-up.
        threads: torch threads of Poise's learner.
        envs: environments that are stepped together.
        ppo_settings: rollout steps, batch size and epochs; only PPO uses them.
    """
    poise_settings, peer_settings = EQUAL_SETTINGS[algorithm]
    rollout_steps, batch_size, epochs = ppo_settings
    if algorithm == "ppo":
        poise_settings = {
            **poise_settings,
            "rollout_steps": rollout_steps,
            "batch_size": batch_size,
            "epochs": epochs,
        }
        peer_settings = {
            **peer_settings,
            "n_steps": rollout_steps,
            "batch_size": batch_size,
            "n_epochs": epochs,
        }
    poise_speed = measure_poise_speed(
        algorithm, env_id, steps, envs, {**poise_settings, "threads": threads}
    )
    config = {
        "algorithm": f"sb3-{algorithm}",
        "env": env_id,
        "env_settings": {},
        "settings": peer_settings,
        "training": TrainSettings(steps=steps, num_envs=envs).to_dict(),
    }
    peer = make_peer(config)
    peer.learn(count_warmup_steps(algorithm, envs, rollout_steps))
    start_time = time.perf_counter()
    peer.learn(steps, reset_num_timesteps=False)
    return poise_speed, steps / (time.perf_counter() - start_time)


def measure_poise_speed(
    algorithm: str, env_id: str, steps: int, envs: int, settings: dict[str, Any], workers: int = 1
) -> float:
    """Return steps per second of Poise's learner, after a warm-up."""
    learner = algos.make_learner(algorithm, env_id, {}, settings)
    env_batch = make_env_batch(env_id, envs, 0, {}, workers)
    warmup_steps = count_warmup_steps(algorithm, envs, settings.get("rollout_steps", 1))
    start_time = 0.0
    transitions = collect(env_batch, ActorPolicy(learner, explore=True))
    for count, transition in enumerate(transitions, 1):
        learner.observe(transition)
        learner.update()
        if count * envs == warmup_steps:
            start_time = time.perf_counter()
        if count * envs >= warmup_steps + steps:
            break
    env_batch.close()
    return steps / (time.perf_counter() - start_time)


def count_warmup_steps(algorithm: str, envs: int, rollout_steps: int) -> int:
    """Return the steps before the clock starts: one rollout, or about 600 for the first updates."""
    return envs * rollout_steps if algorithm == "ppo" else envs * (600 // envs)


def measure_update_times(rounds: int) -> tuple[float, float]:
    """Return median seconds of one SAC update (256x256, batch 256) and of one 256^3 product.

    The product is the matrix multiplication that an update makes most often.
    """
    learner = algos.make_learner("sac", "poise/Cartpole-v0", {}, {"threads": 1})
    envs = EnvBatch("poise/Cartpole-v0", 1, seed=0)
    transitions = collect(envs, ActorPolicy(learner, explore=True))
    for _, transition in zip(range(600), transitions, strict=False):
        learner.observe(transition)
    assert isinstance(learner, SAC)
    batch = learner.replay.sample()
    left = torch.randn(256, 256)
    right = torch.randn(256, 256)
    update_time = _measure_median_time(lambda: learner.train_on_batch(batch), rounds)
    product_time = _measure_median_time(lambda: left @ right, rounds)
    return update_time, product_time


def _measure_median_time(work: Callable[[], Any], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        start_time = time.perf_counter()
        work()
        times.append(time.perf_counter() - start_time)
    return median(times)


if __name__ == "__main__":
    sys.path.append(str(Path.cwd()))  # Finds a user's own environment, my_module:MyEnv-v0.
    train_peer(Path(sys.argv[1]), parse_json(sys.argv[2], "the config"))
