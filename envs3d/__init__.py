"""Environments in space. Importing this package registers their ids and loads nothing heavy.

Making an environment needs pybullet.
"""

import platform
import shutil
import sys
import sysconfig
from pathlib import Path

import gymnasium


def advise_installation() -> str:
    """Return how to install PyBullet on this system.

    Its only wheels are for Linux on x86-64 with Python up to 3.11. Elsewhere on Linux pip builds it
    from source.
    """
    command = "pip install -e '.[3d]' in the clone"
    if not sys.platform.startswith("linux"):
        return "conda install -c conda-forge pybullet"
    if platform.machine() == "x86_64" and sys.version_info < (3, 12):
        return command
    missing = []
    if shutil.which("g++") is None:
        missing.append("the compiler g++")
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        missing.append("the headers of Python, python3-dev")
    first = f"install {' and '.join(missing)} first; then " if missing else ""
    return f"{first}{command}, which builds it from source in about ten minutes"


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
