"""Environments in space. Importing this package registers their ids and loads nothing heavy.

Making an environment needs pybullet.
"""

import gymnasium

gymnasium.register(
    "poise/ReacherPlane3D-v0",
    "poise.envs3d.reacher:ReacherPlane3D",
    max_episode_steps=300,
    reward_threshold=24.0,
)
gymnasium.register(
    "poise/Reacher3D-v0",
    "poise.envs3d.reacher:Reacher3D",
    max_episode_steps=300,
    reward_threshold=20.0,
)
gymnasium.register(
    "poise/PoseHumanoid3D-v0",
    "poise.envs3d.pose_humanoid:PoseHumanoid3D",
    max_episode_steps=400,
    reward_threshold=75.0,
)
gymnasium.register(
    "poise/Humanoid3D-v0",
    "poise.envs3d.humanoid:Humanoid3D",
    max_episode_steps=400,
    reward_threshold=350.0,
)
gymnasium.register(
    "poise/Arm7-v0", "poise.envs3d.arm:Arm7", max_episode_steps=300, reward_threshold=50.0
)
