"""Mimicry: see a pose, take the pose.

`Mimic` reads a pose from an image with a translator, and its policy moves there. `GoalImageRobot`
has no translator: its policy observes the image of the goal itself.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from poise.algos.translator import Translator
from poise.toolkit.appearance import AppearanceRandomization
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import InverseKinematics
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.robot import Robot
from poise.tools.mimic.targets import Target
from poise.tools.translate.load import (
    check_reads_pose_first,
    get_translator_config,
    load_translator,
)

LEAD_TIME = 0.07
"""Time by which the robot extrapolates a moving target (s): about the lag of its arms."""

CORRECTION_INTERVAL = 10
"""Steps between two corrections of the target by the robot's own image."""

CORRECTION_RADIUS = 2.0
"""Largest distance from the target for a correction, in units of the task's tolerance."""


class Mimic(Robot):
    """A robot whose targets are read from images by a translator.

    `policy` and `translator` are runs of the same environment.

    Raises:
        UserError: the two runs do not fit together.
    """

    def __init__(self, policy: Run, translator: Run, size: int, **render_settings: Any) -> None:
        self.translator: Translator = load_translator(translator)
        translator_config = get_translator_config(translator)
        policy_name = policy.path.name
        translator_name = translator.path.name
        if translator_config["env"] != policy.config["env"]:
            raise UserError(
                f"run {translator_name!r} reads {translator_config['env']}, "
                f"run {policy_name!r} moves {policy.config['env']}"
            )
        check_reads_pose_first(self.translator.settings, f"run {translator_name!r}")
        image_env_settings = {**translator_config["env_settings"], "view": "agent"}
        if "camera" in image_env_settings:
            render_settings = {"camera": image_env_settings["camera"], **render_settings}
        super().__init__(policy, size, **render_settings)
        if self.poise_env.settings.goal != "state":
            raise UserError(f"run {policy_name!r} observes its goal image: omit --translator")
        self.image_size = self.translator.image_size
        self.image_env_settings = image_env_settings
        randomization = translator_config.get("randomize_appearance", {})
        self.appearance_randomization = AppearanceRandomization.parse(randomization)
        self.inverse_kinematics: InverseKinematics = InverseKinematics(
            self.poise_env.forward_kinematics, self.poise_env.sample_joint_angles
        )

    def reset(self, seed: int) -> None:
        """Start a new episode and a new image sequence."""
        super().reset(seed)
        self.translator.reset()
        self._previous_pose: Array | None = None

    def set_target_image(self, target: Target, *, use_image: bool = True) -> Array:
        """Set the pose read from an image as the target, or the true pose; return the former."""
        self._raw_reading = self.translator.translate_frame(target.image)
        read_pose = self.find_feasible_pose(self._raw_reading)
        self.set_target(read_pose if use_image or target.pose is None else target.pose)
        return read_pose

    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[Array]:
        """Track the poses read from the frames of a video, and yield them."""
        self.translator.reset()
        for target in frames:
            read_pose = self.estimate_pose(target.image)
            self.track_pose(read_pose, seconds)
            yield read_pose

    def estimate_pose(self, image: Array) -> Array:
        """Return the feasible pose (P,) in the next image (H, W, 3) uint8 of a sequence."""
        return self.find_feasible_pose(self.translator.translate_frame(image))

    def find_feasible_pose(self, reading: Array) -> Array:
        """Return the pose (P,) of the body nearest to a reading, which starts with a pose."""
        num_values = self.pose_slice.stop - self.pose_slice.start
        return self.inverse_kinematics.nearest_pose(reading[:num_values]).astype(np.float32)

    def refine_target(self, step: int) -> None:
        """Subtract the translator's error about the robot itself from the target, now and then.

        The robot's own pose is known, so its image gives the translator's error there. Errors
        are alike for poses that are alike; so this is done only near the target.
        """
        if step % CORRECTION_INTERVAL != 0:
            return
        task = self.poise_env.task
        distance = task.error(self.pose, self._target_pose).metres
        if distance >= CORRECTION_RADIUS * task.position_tolerance:
            return
        height, width = self.image_size
        own_image = self.poise_env.render_observation(width, height)
        own_reading = self.translator.translate(own_image[None])[0]
        difference = (self._raw_reading - own_reading)[: len(self.pose)]
        corrected_pose = self.find_feasible_pose(difference + self.pose)
        # Go half of the way to the corrected pose.
        self.set_target((self._target_pose + corrected_pose) / 2)

    def track_pose(self, pose: Array, seconds: float) -> None:
        """Set a moving target, seen `seconds` after the last one, extrapolated by LEAD_TIME."""
        previous = pose if self._previous_pose is None else self._previous_pose
        self.set_target(pose + (LEAD_TIME / seconds) * (pose - previous))
        self._previous_pose = pose


class GoalImageRobot(Robot):
    """A robot whose policy observes an image of its goal, in place of the environment's own.

    `policy` is a run with goal=pixels, goal=translated, or goal=both and an asymmetric critic.

    Raises:
        UserError: the policy observes the goal's state.
    """

    def __init__(self, policy: Run, size: int, **render_settings: Any) -> None:
        # No markers: the environment may not know the target.
        super().__init__(policy, size, **{"show_markers": False, **render_settings})
        goal = self.poise_env.settings.goal
        name = policy.path.name
        if goal == "state":
            raise UserError(
                f"run {name!r} observes the state of its goal: "
                "--translator RUN reads it from images"
            )
        if goal == "both" and not policy.config["settings"].get("asymmetric_critic"):
            raise UserError(
                f"run {name!r} observes the state of its goal too, which an image alone lacks"
            )
        pixels = self.poise_env.settings.image_size
        self.image_size = (pixels, pixels)
        self.image_env_settings = {
            **policy.config["env_settings"],
            "observation": "state",
            "goal": "state",
            "translator": "",
            "view": "agent",
            "width": pixels,
            "height": pixels,
        }

    def set_target_image(self, target: Target, *, use_image: bool = True) -> None:
        """Set an image as the goal image.

        The environment gets the true pose, or else the current pose, to compute its rewards; the
        policy does not observe it.
        """
        self._target_image = target.image
        self.set_target(self.pose if target.pose is None else target.pose)

    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[None]:
        """Set the frames of a video as goal images, one by one."""
        for target in frames:
            self.set_target_image(target)
            yield

    def refine_target(self, step: int) -> None:
        """Do nothing: the policy observes itself in every step."""

    def set_env_target(self) -> None:
        """Set the environment's target, and replace its goal image."""
        super().set_env_target()
        self.poise_env.agent_view.goal_image.set_image(self._target_image)
