"""Learners for tests: probe runs, batches and weights."""

import numpy as np
import torch
from torch import nn

from poise.algos.base import Learner
from poise.algos.off_policy import Batch
from poise.toolkit.experience import EnvBatch, Transition, collect


def generator(seed: int = 0) -> torch.Generator:
    """Return a torch generator of this seed."""
    return torch.Generator().manual_seed(seed)


def rows(seed: int, *shape: int) -> torch.Tensor:
    """Return standard normal numbers of this shape."""
    return torch.randn(*shape, generator=generator(seed))


def batch_of(
    number: int = 8, observation: int = 3, action: int = 2, terminated: float = 0.0, seed: int = 0
) -> Batch:
    """Return a batch of random transitions."""
    r, s, s2 = (
        rows(seed, number),
        rows(seed + 1, number, observation),
        rows(seed + 2, number, observation),
    )
    return Batch(s, rows(seed + 3, number, action).tanh(), r, s2, torch.full((number,), terminated))


def transition_of(
    number: int = 1, observation: int = 3, action: int = 2, seed: int = 0, **marks: bool
) -> Transition:
    """Return a random step of `number` environments."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    flags = [np.full(number, marks.get(name, False)) for name in ("terminated", "truncated")]
    actions = np.tanh(normal(number, action))
    return Transition(
        normal(number, observation), actions, normal(number), normal(number, observation), *flags
    )


def weights(learner: Learner) -> bytes:
    """Return the bytes of all weights."""
    tensors = [
        tensor for module in learner.networks.values() for tensor in module.state_dict().values()
    ]
    return b"".join(tensor.numpy().tobytes() for tensor in tensors)


def school(learner: Learner, env_id: str, steps: int, envs: int = 1, seed: int = 0) -> Learner:
    """Train a learner in an environment, and return it."""
    env_batch = EnvBatch(env_id, envs, seed)
    for count, transition in enumerate(
        collect(env_batch, lambda observation: learner.act(observation, explore=True)), 1
    ):
        learner.observe(transition)
        learner.update()
        if count * envs >= steps:
            env_batch.close()
            return learner
    raise AssertionError


def weights_of(module: nn.Module) -> bytes:
    """Return the bytes of one network's weights."""
    return b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())


# Learning.


def greedy(learner: Learner, observations: list[float]) -> np.ndarray:
    """Return the greedy actions for observations of one number each."""
    return learner.act(np.array(observations, np.float32)[:, None], explore=False)[:, 0]


STILL = {
    "gamma": 0.8,
    "init_alpha": 1e-6,
    "target_entropy": -1000.0,
    "tau": 0.2,
    "hidden_sizes": (32, 32),
}
"""Settings under which entropy has no value, so that values are known."""
