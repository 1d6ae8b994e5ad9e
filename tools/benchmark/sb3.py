"""Speed beside the yardstick: stable-baselines3 at equal settings on the very same environments. Extra `dev`."""

import inspect
import json
import sys
import time
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from poise import algos
from poise.algos.sac import SAC
from poise.toolkit.errors import UserError, unknown_name_error
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import EnvBatch, collect, make_env_batch
from poise.toolkit.loggers import EPISODE, LENGTH, RETURN, CsvLogger
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.toolkit.trainer import TrainSettings
from poise.tools.train.plan import TrainRequest, plan

PEERS = {"sb3-sac": "sac", "sb3-ppo": "ppo", "sb3-td3": "td3"}
"""Names of peers, and the algorithm of ours whose training (steps, evaluations, threshold) they share."""


RESERVED_ARGUMENTS = {"self", "policy", "env", "seed", "device", "_init_setup_model"}


def plan_peer(
    env: str, algorithm: str, settings: Mapping[str, Any], env_settings: Mapping[str, Any]
) -> dict[str, Any]:
    """A peer's config: our training for this environment, in one environment at a time unless told otherwise, and its own settings."""
    training = {key: value for key, value in settings.items() if key in TrainSettings.model_fields}
    config = plan(
        TrainRequest(
            env, PEERS[algorithm], settings={"num_envs": 1, **training}, env_settings=env_settings
        )
    )
    own = {key: value for key, value in settings.items() if key not in training}
    config.update(algorithm=algorithm, settings=own)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Its advice is in the log of every run.
        make_peer(config).get_env().close()
    return config


def make_peer(config: Mapping[str, Any]) -> Any:
    """A new peer; a UserError for a setting that it does not have, or does not take."""
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
    kind = getattr(stable_baselines3, PEERS[name].upper())
    known = inspect.signature(kind.__init__).parameters.keys() - RESERVED_ARGUMENTS
    for key in settings:
        if key not in known:
            raise unknown_name_error(f"{name} setting", key, known)
    make = partial(make_env, config["env"], config["env_settings"])
    envs = DummyVecEnv([lambda: Monitor(make())] * training["num_envs"])
    try:
        if "action_noise" in settings:
            still = np.zeros(envs.action_space.shape or ())
            settings["action_noise"] = NormalActionNoise(
                still, still + float(settings["action_noise"])
            )
        return kind("MlpPolicy", envs, seed=training["seed"], device="cpu", **settings)
    except (TypeError, ValueError, AssertionError, AttributeError) as error:
        raise UserError(f"{name} cannot be made: {' '.join(str(error).split())}") from None


def train_peer(folder: Path, config: Mapping[str, Any]) -> None:
    """Train a peer into a run folder, from the beginning: what an earlier try measured is written anew."""
    from stable_baselines3.common.callbacks import BaseCallback

    torch.set_num_threads(1)
    settings = TrainSettings.parse(config["training"])
    run = Run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    run.write("config.json", config)
    peer = make_peer(config)
    files = CsvLogger(folder)
    evaluator = Evaluator(config["env"], config["env_settings"], settings.evaluate_episodes)
    summary: dict[str, Any] = {
        "steps": 0,
        "episodes": 0,
        "seconds": 0.0,
        "solved": False,
        "solved_step": None,
    }
    began = time.perf_counter()

    class Judge(BaseCallback):
        """Counts, evaluates and stops as toolkit.trainer.train does."""

        def due(self, every: int) -> bool:
            return (
                every > 0
                and self.num_timesteps // every > (self.num_timesteps - settings.num_envs) // every
            )

        def tell(self, metrics: Mapping[str, float]) -> None:
            summary["seconds"] = time.perf_counter() - began
            files(self.num_timesteps, summary["seconds"], metrics)

        def _on_step(self) -> bool:
            summary["steps"] = self.num_timesteps
            for info in self.locals["infos"]:
                if "episode" in info:
                    summary["episodes"] += 1
                    self.tell(
                        {
                            EPISODE: summary["episodes"],
                            RETURN: info["episode"]["r"],
                            LENGTH: info["episode"]["l"],
                        }
                    )
            if self.due(settings.log_every):
                self.tell({"charts/SPS": self.num_timesteps / (time.perf_counter() - began)})
            if self.due(settings.evaluate_every):
                score = evaluator(
                    lambda seen: np.asarray(peer.predict(seen, deterministic=True)[0])
                ).metrics()
                self.tell(score)
                summary.update(score)
                if settings.solved_at is not None and score["eval/return"] >= settings.solved_at:
                    summary.update(
                        solved=True, solved_step=summary["solved_step"] or self.num_timesteps
                    )
            return self.num_timesteps < settings.steps and (
                not (summary["solved"] and settings.stop_when_solved)
            )

    peer.learn(settings.steps, callback=Judge())
    files.close()
    evaluator.close()
    run.write("summary.json", {**summary, "interrupted": None})


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
"""The same settings in our words and in the peer's."""


def measure_speeds(
    algorithm: str,
    env_id: str,
    steps: int,
    threads: int,
    envs: int,
    ppo_settings: tuple[int, int, int],
) -> tuple[float, float]:
    """Steps a second of ours and of the peer, one after the other, after a warm-up. `ppo_settings`: PPO's steps, batch and epochs."""
    own, theirs = EQUAL_SETTINGS[algorithm]
    if algorithm == "ppo":
        own = {
            **own,
            "rollout_steps": ppo_settings[0],
            "batch_size": ppo_settings[1],
            "epochs": ppo_settings[2],
        }
        theirs = {
            **theirs,
            "n_steps": ppo_settings[0],
            "batch_size": ppo_settings[1],
            "n_epochs": ppo_settings[2],
        }
    ours = measure_poise_speed(algorithm, env_id, steps, envs, {**own, "threads": threads})
    training = TrainSettings(steps=steps, num_envs=envs).to_dict()
    config = {
        "algorithm": f"sb3-{algorithm}",
        "env": env_id,
        "env_settings": {},
        "settings": theirs,
        "training": training,
    }
    peer = make_peer(config)
    peer.learn(count_warmup_steps(algorithm, envs, ppo_settings[0]))
    began = time.perf_counter()
    peer.learn(steps, reset_num_timesteps=False)
    return ours, steps / (time.perf_counter() - began)


def measure_poise_speed(
    algorithm: str, env_id: str, steps: int, envs: int, settings: dict[str, Any], workers: int = 1
) -> float:
    """Steps a second of ours, after a warm-up."""
    learner = algos.make_learner(algorithm, env_id, {}, settings)
    many = make_env_batch(env_id, envs, 0, {}, workers)
    first = count_warmup_steps(algorithm, envs, settings.get("rollout_steps", 1))
    began = 0.0
    for count, transition in enumerate(
        collect(many, lambda seen: learner.act(seen, explore=True)), 1
    ):
        learner.observe(transition)
        learner.update()
        if count * envs == first:
            began = time.perf_counter()
        if count * envs >= first + steps:
            break
    many.close()
    return steps / (time.perf_counter() - began)


def count_warmup_steps(algorithm: str, envs: int, rollout_steps: int) -> int:
    """Steps before the clock starts: one rollout, or the first updates."""
    return envs * rollout_steps if algorithm == "ppo" else envs * (600 // envs)


def measure_update_times(rounds: int) -> tuple[float, float]:
    """Median seconds of one SAC update at 256x256 and batch 256, and of the one product of matrices it makes most."""
    learner = algos.make_learner("sac", "poise/Cartpole-v0", {}, {"threads": 1})
    envs = EnvBatch("poise/Cartpole-v0", 1, seed=0)
    for _, transition in zip(
        range(600), collect(envs, lambda seen: learner.act(seen, explore=True)), strict=False
    ):
        learner.observe(transition)
    assert isinstance(learner, SAC)
    batch = learner.replay.sample()
    left, right = torch.randn(256, 256), torch.randn(256, 256)
    times = []
    for work in (lambda: learner.train_on_batch(batch), lambda: left @ right):
        laps = []
        for _ in range(rounds):
            began = time.perf_counter()
            work()
            laps.append(time.perf_counter() - began)
        times.append(median(laps))
    return times[0], times[1]


if __name__ == "__main__":
    sys.path.append(str(Path.cwd()))  # An environment of the user's own may lie there.
    train_peer(Path(sys.argv[1]), json.loads(sys.argv[2]))
