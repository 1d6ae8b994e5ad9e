"""Policies with memory: every rollout loop clears it where episodes start and end."""

import numpy as np
import pytest
from sample_envs import make

from poise.toolkit.evaluation import Evaluator
from poise.toolkit.experience import (
    ActorPolicy,
    EnvBatch,
    MemorylessPolicy,
    as_policy,
    collect,
    run_episode,
)

CARTPOLE = "poise/Cartpole-v0"
FALLS = {"reward": "survival"}


class StepCounter:
    """A policy whose memory counts the steps of each environment since its last reset."""

    def __init__(self, num_envs):
        self.counts = np.full(num_envs, -100)

    def __call__(self, observation):
        assert len(observation) == len(self.counts)
        self.counts += 1
        self.last = self.counts.copy()
        return np.ones((len(observation), 1), np.float32)  # The pole falls.

    def reset(self, mask=None):
        self.counts[slice(None) if mask is None else mask] = 0


def test_run_episode_resets_the_memory_before_each_episode():
    policy = StepCounter(1)
    with make(CARTPOLE) as env:
        for seed in range(3):
            steps = list(run_episode(env, policy, seed))
            assert steps[-1].terminated and policy.last.tolist() == [len(steps) - 1]


def test_collect_resets_only_the_environments_whose_episode_ended():
    policy = StepCounter(3)
    policy.reset()
    envs = EnvBatch(CARTPOLE, 3, 0, FALLS)
    expected = np.zeros(3, int)
    num_ends = 0
    for _, transition in zip(range(200), collect(envs, policy), strict=False):
        expected += 1
        np.testing.assert_array_equal(policy.last, expected)
        ended = transition.terminated | transition.truncated
        expected[ended] = 0
        num_ends += ended.sum()
    assert num_ends > 3


def test_evaluator_resets_the_memory_and_keeps_rows_in_place():
    policy = StepCounter(5)
    evaluator = Evaluator(CARTPOLE, FALLS, 5)
    for _ in range(2):
        result = evaluator(policy)
        assert len(set(result.lengths)) > 1, "episodes end at different steps"
        np.testing.assert_array_equal(policy.last, result.lengths.max())
    evaluator.close()


def test_actor_policy_passes_reset_and_exploration_to_its_actor():
    calls = []

    class RecordingActor:
        def act(self, observation, *, explore):
            calls.append(("act", explore))
            return observation

        def reset(self, mask=None, *, explore):
            calls.append(("reset", mask, explore))

    policy = ActorPolicy(RecordingActor(), explore=True)
    policy(np.zeros((1, 1)))
    policy.reset()
    assert calls == [("act", True), ("reset", None, True)]


@pytest.mark.parametrize("mask", [None, np.ones(2, bool)])
def test_function_is_a_policy_without_memory(mask):
    policy = as_policy(lambda observation: 2.0 * observation)
    assert isinstance(policy, MemorylessPolicy) and as_policy(policy) is policy
    policy.reset(mask)
    np.testing.assert_array_equal(policy(np.ones((2, 1))), np.full((2, 1), 2.0))
