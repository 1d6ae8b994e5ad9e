"""Poise: reinforcement learning for motor control from scratch. `import poise` registers its environments."""

from poise import envs2d, envs3d

__all__ = ["envs2d", "envs3d"]
