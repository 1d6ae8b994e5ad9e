"""Exploration noise: its distribution, its correlation over time, episodes, saved state."""

import numpy as np
import pytest
import torch
from learners import generator

from poise.algos.noise import TIME_CONSTANTS, ExplorationNoise

NUM_ENVS = 4000


def sample_sequence(noise: ExplorationNoise, steps: int) -> torch.Tensor:
    """Return noise (steps, N, A)."""
    return torch.stack([noise.sample(NUM_ENVS) for _ in range(steps)])


@pytest.mark.parametrize("color", ["white", "pink"])
def test_each_number_is_standard_normal_at_every_step(color):
    epsilon = sample_sequence(ExplorationNoise(color, 2, generator(0)), 40)
    for numbers in epsilon[[0, 1, 7, 39]]:
        assert numbers.mean().item() == pytest.approx(0.0, abs=0.05)
        assert numbers.std().item() == pytest.approx(1.0, abs=0.05)
        assert (numbers.abs() < 1.0).float().mean().item() == pytest.approx(0.683, abs=0.03)
        correlation = torch.corrcoef(numbers.T)[0, 1].item()
        assert correlation == pytest.approx(0.0, abs=0.06), "actions are independent"


@pytest.mark.parametrize("lag", [1, 5, 30])
def test_white_noise_is_independent_and_pink_noise_correlated_over_steps(lag):
    for color, expected in (
        ("white", 0.0),
        ("pink", torch.exp(-lag / TIME_CONSTANTS).mean().item()),
    ):
        epsilon = sample_sequence(ExplorationNoise(color, 1, generator(1)), lag + 1)
        assert (epsilon[0] * epsilon[lag]).mean().item() == pytest.approx(expected, abs=0.06)


def test_pink_noise_has_the_same_power_in_each_octave():
    noise = ExplorationNoise("pink", 1, generator(2))
    epsilon = torch.stack([noise.sample(64) for _ in range(2048)])[..., 0]
    power = torch.fft.rfft(epsilon, dim=0).abs().square().mean(-1)
    octaves = torch.stack([power[first : 2 * first].sum() for first in (8, 16, 32, 64, 128, 256)])
    assert (octaves.max() / octaves.min()).item() < 2.0
    white = torch.randn(2048, 64, generator=generator(3))
    power = torch.fft.rfft(white, dim=0).abs().square().mean(-1)
    assert (power[256:512].sum() / power[8:16].sum()).item() == pytest.approx(32, rel=0.2)


def test_a_new_episode_begins_new_noise_in_its_environment_alone():
    noise = ExplorationNoise("pink", 1, generator(4))
    before = sample_sequence(noise, 3)[-1]
    mask = np.arange(NUM_ENVS) % 2 == 0
    noise.reset(mask)
    after = noise.sample(NUM_ENVS)
    product = (before * after)[:, 0]
    assert product[torch.as_tensor(mask)].mean().item() == pytest.approx(0.0, abs=0.07)
    assert product[torch.as_tensor(~mask)].mean().item() > 0.7
    assert after.std().item() == pytest.approx(1.0, abs=0.05)
    noise.reset()
    product = (after * noise.sample(NUM_ENVS)).mean().item()
    assert product == pytest.approx(0.0, abs=0.07)


@pytest.mark.parametrize("color", ["white", "pink"])
def test_episodes_may_end_before_the_first_noise_as_actions_are_uniform_at_first(color):
    noise = ExplorationNoise(color, 2, generator(0))
    noise.reset(np.array([True, False, True]))
    assert noise.sample(3).shape == (3, 2)


def test_a_restored_state_continues_the_noise():
    one = ExplorationNoise("pink", 2, generator(5))
    sample_sequence(one, 5)
    random_state = one.generator.get_state()
    two = ExplorationNoise("pink", 2, generator(6))
    two.set_state(one.get_state())
    two.generator.set_state(random_state)
    assert torch.equal(sample_sequence(one, 4), sample_sequence(two, 4))
