"""Poise: reinforcement learning for motor control from scratch. `import poise` registers its environments."""

from poise import envs2d, envs3d
from poise.toolkit.observation import TargetEstimator, register_target_estimator

__all__ = ["envs2d", "envs3d"]


def _open_target_estimator(folder: str) -> TargetEstimator:
    from poise.tools.translate.load import load_pose_reader  # loads torch

    return load_pose_reader(folder)


register_target_estimator(_open_target_estimator)
