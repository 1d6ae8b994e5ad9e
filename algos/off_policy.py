"""Off-policy learning: the replay buffer, random first steps, and the number of updates due."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from gymnasium.spaces import Box
from pydantic import Field
from torch import Tensor

from poise.algos.base import LearnerSettings
from poise.algos.frame_store import FrameStore
from poise.algos.normalization import make_normalizer
from poise.toolkit.conversion import PixelVectorSpace
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Transition
from poise.toolkit.process import get_physical_memory
from poise.toolkit.spaces import Array


class OffPolicySettings(LearnerSettings):
    """Settings of the off-policy algorithms.

    The defaults are those of the authors' later code, but for `learning_starts`.
    """

    tau: float = Field(0.005, gt=0, le=1, description="step of the target networks, per update")
    policy_tau: float = Field(
        1.0,
        gt=0,
        le=1,
        description="step of the policy that acts without exploring towards the actor, per update",
    )
    batch_size: int = Field(256, ge=1, le=65536, description="transitions in a minibatch")
    buffer_size: int = Field(1_000_000, ge=1, description="transitions that the buffer holds")
    learning_starts: int = Field(
        1000, ge=0, description="first steps, with uniform actions and without updates"
    )
    updates_per_step: float = Field(
        1.0, gt=0, le=100, description="updates for each step of one environment"
    )
    noise_color: str = Field(
        "white",
        pattern="^(white|pink)$",
        description="of exploration: white, or pink, correlated over steps",
    )
    layer_norm: bool = Field(
        False, description="normalize the critics' hidden layers (arXiv:2302.02948)"
    )
    normalize_observations: bool = Field(
        False, description="normalize observations to mean 0 and standard deviation 1"
    )


class Batch(NamedTuple):
    """B transitions: s (B, O), a (B, A), r (B,), s2 (B, O), terminated (B,) as 0 or 1."""

    s: Tensor
    a: Tensor
    r: Tensor
    s2: Tensor
    terminated: Tensor


class ReplayBuffer:
    """The last `capacity` transitions, in a ring.

    Memory is reserved at once, but used only as the buffer fills.

    Observations keep the type of their space (uint8 for images). Those with images are kept as
    compact rows: the channels of their images are in a FrameStore, each once.

    A truncated episode is not a terminated one: only `terminated` is kept, so that the value of the
    state that followed a time limit is still bootstrapped.
    """

    def __init__(self, capacity: int, observation_space: Box, action_space: Box) -> None:
        self.capacity = capacity
        self.size = 0
        self.position = 0
        number = np.dtype(np.float32)
        action = np.dtype((np.float32, action_space.shape))
        is_bytes = observation_space.dtype == np.uint8
        observation = np.dtype((np.uint8 if is_bytes else np.float32, observation_space.shape))
        _check_memory(capacity, 2 * observation.itemsize + action.itemsize + 2 * number.itemsize)
        self.frame_store: FrameStore | None = None
        if isinstance(observation_space, PixelVectorSpace):
            self.frame_store = FrameStore(observation_space, max_rows=2 * capacity)
            observation = np.dtype((np.uint8, self.frame_store.compact_row_bytes))
        rows = {"s": observation, "a": action, "r": number, "s2": observation, "terminated": number}
        self.columns: dict[str, Array] = {
            name: np.zeros(capacity, row) for name, row in rows.items()
        }

    @property
    def nbytes(self) -> int:
        """Memory of the full buffer, in bytes."""
        frames = self.frame_store.channels.nbytes if self.frame_store else 0
        return frames + sum(column.nbytes for column in self.columns.values())

    def add(self, transition: Transition) -> None:
        """Store the N rows of one step, over the oldest ones where the buffer is full."""
        t = Transition(*(values[-self.capacity :] for values in transition))
        number = len(t.reward)
        rows = np.arange(self.position, self.position + number) % self.capacity
        s = t.observation
        s2 = t.next_observation
        if self.frame_store:
            for name in ("s", "s2"):
                self.frame_store.release(self.columns[name][rows])
            s = self.frame_store.add(s)
            s2 = self.frame_store.add(s2)
        values_by_column = (s, t.action, t.reward, s2, t.terminated)
        for column, values in zip(self.columns.values(), values_by_column, strict=True):
            column[rows] = values
        self.position = (self.position + number) % self.capacity
        self.size = min(self.size + number, self.capacity)

    def sample(self, batch_size: int, rng: np.random.Generator, device: torch.device) -> Batch:
        """Return `batch_size` rows, each drawn uniformly, with replacement."""
        rows = rng.integers(0, self.size, batch_size)
        columns = {name: column[rows] for name, column in self.columns.items()}
        if self.frame_store:
            for name in ("s", "s2"):
                columns[name] = self.frame_store.reconstruct(columns[name])
        return Batch(*(torch.from_numpy(values).to(device) for values in columns.values()))

    def get_state(self) -> dict[str, Any]:
        """Return the rows that are filled and the position of the next one."""
        filled = {name: column[: self.size] for name, column in self.columns.items()}
        frames = self.frame_store.get_state() if self.frame_store else {}
        return {"next": self.position, **filled, **frames}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.position = state["next"]
        self.size = len(state["r"])
        for name, column in self.columns.items():
            column[: self.size] = state[name]
        if self.frame_store:
            self.frame_store.set_state(state, state["s"], state["s2"])


class OffPolicyReplay:
    """A replay buffer, the normalizer of its observations, and the number of updates due."""

    def __init__(
        self,
        observation_space: Box,
        action_space: Box,
        settings: OffPolicySettings,
        rng: np.random.Generator,
        device: torch.device,
    ) -> None:
        self.buffer = ReplayBuffer(settings.buffer_size, observation_space, action_space)
        self.normalizer = make_normalizer(observation_space, settings.normalize_observations)
        self.settings = settings
        self.rng = rng
        self.device = device
        self.action_dim = action_space.shape[0]
        self.steps = 0
        self.updates = 0
        self.pending_updates = 0.0
        self.starts_trained = False
        """Whether the policy was trained before, and acts from the first step on."""

    @property
    def is_warming_up(self) -> bool:
        """Whether actions are still uniform."""
        return self.steps < self.settings.learning_starts and not self.starts_trained

    def sample_random_actions(self, num_envs: int) -> Array:
        """Return uniform actions (num_envs, A) in [-1, 1]."""
        return self.rng.uniform(-1.0, 1.0, (num_envs, self.action_dim)).astype(np.float32)

    def add(self, transition: Transition) -> None:
        """Store one step of N environments.

        After the warm-up, N * `updates_per_step` more updates are due.
        """
        self.buffer.add(transition)
        number = len(transition.reward)
        self.steps += number
        self.normalizer.update(torch.as_tensor(transition.next_observation, device=self.device))
        if self.steps > self.settings.learning_starts:
            self.pending_updates += number * self.settings.updates_per_step

    def pending_batches(self) -> Iterator[Batch]:
        """Yield one new minibatch for each update that is due."""
        while self.pending_updates >= 1.0:
            self.pending_updates -= 1.0
            self.updates += 1
            yield self.sample()

    def sample(self) -> Batch:
        """Return a minibatch with normalized observations."""
        batch = self.buffer.sample(self.settings.batch_size, self.rng, self.device)
        return batch._replace(s=self.normalizer(batch.s), s2=self.normalizer(batch.s2))

    def get_state(self) -> dict[str, Any]:
        """Return the counters.

        The buffer is saved apart, and the normalizer with the policy, which needs it to act.
        """
        return {
            "steps": self.steps,
            "updates": self.updates,
            "pending_updates": self.pending_updates,
            "starts_trained": self.starts_trained,
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state."""
        self.steps = state["steps"]
        self.updates = state["updates"]
        self.pending_updates = state["pending_updates"]
        self.starts_trained = state["starts_trained"]


def _check_memory(capacity: int, bytes_per_transition: int) -> None:
    """Raise a UserError where a full buffer would exceed the machine's memory."""
    memory = get_physical_memory()
    if memory is not None and capacity * bytes_per_transition > memory:
        needed = capacity * bytes_per_transition / 2**30
        available = memory / 2**30
        advised = memory // 4 // bytes_per_transition
        raise UserError(
            f"a buffer of {capacity:,} transitions takes up to {needed:,.0f} GiB, "
            f"the memory here is {available:,.0f}: "
            f"--set buffer_size={advised} takes a quarter of it"
        )
