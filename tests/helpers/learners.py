"""Learners for tests: probe runs, batches and weights."""

import numpy as np
import torch
from poise.algos.base import Learner
from poise.algos.off_policy import Batch
from poise.toolkit.experience import EnvBatch, Transition, collect
from torch import nn


def generator(seed: int = 0) -> torch.Generator:
    """A stream of chance for torch."""
    return torch.Generator().manual_seed(seed)


def rows(seed: int, *shape: int) -> torch.Tensor:
    """Standard normal numbers."""
    return torch.randn(*shape, generator=generator(seed))


def batch_of(
    number: int = 8, observation: int = 3, action: int = 2, terminated: float = 0.0, seed: int = 0
) -> Batch:
    """A batch of made-up transitions."""
    r, s, s2 = (
        rows(seed, number),
        rows(seed + 1, number, observation),
        rows(seed + 2, number, observation),
    )
    return Batch(s, rows(seed + 3, number, action).tanh(), r, s2, torch.full((number,), terminated))


def transition_of(
    number: int = 1, observation: int = 3, action: int = 2, seed: int = 0, **marks: bool
) -> Transition:
    """A step of `number` environments, made up."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    flags = [np.full(number, marks.get(name, False)) for name in ("terminated", "truncated")]
    actions = np.tanh(normal(number, action))
    return Transition(
        normal(number, observation), actions, normal(number), normal(number, observation), *flags
    )


def weights(learner: Learner) -> bytes:
    """Every bit of every network."""
    tensors = [
        tensor for module in learner.networks.values() for tensor in module.state_dict().values()
    ]
    return b"".join(tensor.numpy().tobytes() for tensor in tensors)


def school(learner: Learner, env_id: str, steps: int, envs: int = 1, seed: int = 0) -> Learner:
    """Let a learner learn in an environment."""
    many = EnvBatch(env_id, envs, seed)
    for count, transition in enumerate(
        collect(many, lambda seen: learner.act(seen, explore=True)), 1
    ):
        learner.observe(transition)
        learner.update()
        if count * envs >= steps:
            many.close()
            return learner
    raise AssertionError


def weights_of(module: nn.Module) -> bytes:
    """Every bit of one network."""
    return b"".join(tensor.numpy().tobytes() for tensor in module.state_dict().values())


# Learning.


def greedy(learner: Learner, seen: list[float]) -> np.ndarray:
    """What a learner does where it sees each of some numbers."""
    return learner.act(np.array(seen, np.float32)[:, None], explore=False)[:, 0]


STILL = {
    "gamma": 0.8,
    "init_alpha": 1e-6,
    "target_entropy": -1000.0,
    "tau": 0.2,
    "hidden_sizes": (32, 32),
}
"""Settings under which entropy is worth nothing, so that values can be told in advance."""
