"""Mimicry: see a pose, take the pose. A translator reads a picture, and a policy that can move to any pose moves there."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from poise.algos.translator import Translator
from poise.toolkit.errors import UserError
from poise.toolkit.pose_task import InverseKinematics
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.mimic.robot import Robot
from poise.tools.mimic.targets import Target
from poise.tools.translate.load import get_translator_config, load_translator

LEAD_TIME = 0.07
"""How far ahead of what it sees the robot aims (s): about as long as its arms are behind a target that moves."""


CORRECTION_INTERVAL = 10
CORRECTION_RADIUS = 2.0
"""Every so many steps a robot that is near its pose looks at itself too; how near, in units of the task's reach."""


class Mimic(Robot):
    """A robot that sees by a translator. `policy` and `translator` are runs of the same environment, whose task is to take poses."""

    def __init__(self, policy: Run, translator: Run, size: int, **render_settings: Any) -> None:
        self.translator: Translator = load_translator(translator)
        config = policy.config
        known = get_translator_config(translator)
        if known["env"] != config["env"]:
            raise UserError(
                f"run {translator.path.name!r} sees {known['env']}, run {policy.path.name!r} moves {config['env']}"
            )
        if known["settings"]["signals"][0] != "pose":
            raise UserError(
                f"run {translator.path.name!r} does not read the signal pose first: train one that does"
            )
        stands = {name: value for name, value in known["env_settings"].items() if name == "camera"}
        super().__init__(policy, size, **{**stands, **render_settings})
        if self.poise_env.settings.goal != "state":
            raise UserError(
                f"run {policy.path.name!r} looks at its targets itself: leave --translator away"
            )
        self.image_size = self.translator.image_size
        self.image_env_settings = known["env_settings"]
        self.inverse_kinematics: InverseKinematics = InverseKinematics(
            self.poise_env.forward_kinematics, self.poise_env.sample_joint_angles
        )

    def reset(self, seed: int) -> None:
        """Begin anew, in any pose, with nothing seen."""
        super().reset(seed)
        self.translator.reset()
        self._previous_pose: Array | None = None

    def set_target_image(self, target: Target, *, use_image: bool = True) -> Array:
        """Move to what is read in a picture, or to its true pose."""
        self._raw_reading = self.translator.translate_frame(target.image)
        read = self.find_feasible_pose(self._raw_reading)
        self.set_target(read if use_image or target.pose is None else target.pose)
        return read

    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[Array]:
        """Move with what is read in a film."""
        self.translator.reset()
        for target in frames:
            read = self.estimate_pose(target.image)
            self.track_pose(read, seconds)
            yield read

    def estimate_pose(self, image: Array) -> Array:
        """The pose that a picture (H, W, 3) shows, after those of the same film, as near as the body can take it."""
        return self.find_feasible_pose(self.translator.translate_frame(image))

    def find_feasible_pose(self, reading: Array) -> Array:
        """The nearest pose to what was read that the body can take."""
        return self.inverse_kinematics.nearest_pose(
            reading[: self.pose_slice.stop - self.pose_slice.start]
        ).astype(np.float32)

    def refine_target(self, step: int) -> None:
        """Look at itself now and then, and take back from what was read what the translator errs about the robot.

        The robot's own pose is known, and the translator errs alike about poses that are alike; so it has to be near.
        """
        if (
            step % CORRECTION_INTERVAL == 0
            and self.poise_env.task.error(self.pose, self._target_pose).metres
            < CORRECTION_RADIUS * self.poise_env.task.position_tolerance
        ):
            own = self.translator.translate(
                self.poise_env.render_observation(self.image_size[0])[None]
            )[0]
            self.set_target(
                (
                    self._target_pose
                    + self.find_feasible_pose(
                        (self._raw_reading - own)[: len(self.pose)] + self.pose
                    )
                )
                / 2
            )

    def track_pose(self, pose: Array, seconds: float) -> None:
        """Move with a pose seen `seconds` after the last one: aim ahead, where it will be once the arms are there."""
        before = pose if self._previous_pose is None else self._previous_pose
        self.set_target(pose + (LEAD_TIME / seconds) * (pose - before))
        self._previous_pose = pose


class GoalImageRobot(Robot):
    """A robot that is shown pictures where its environment would show it one of the target: `policy` is a run with goal=pixels, say."""

    def __init__(self, policy: Run, size: int, **render_settings: Any) -> None:
        super().__init__(
            policy, size, **{"show_markers": False, **render_settings}
        )  # Its environment may not know the target.
        goal = self.poise_env.settings.goal
        name = policy.path.name
        if goal == "state":
            raise UserError(
                f"run {name!r} is told its targets in numbers: --translator RUN names what reads them in pictures"
            )
        if goal == "both" and not policy.config["settings"].get("asymmetric_critic"):
            raise UserError(
                f"run {name!r} is told its targets in numbers too, and a picture alone comes without"
            )
        pixels = self.poise_env.settings.image_size
        self.image_size = pixels, pixels
        plain = {"observation": "state", "goal": "state", "translator": "", "show_markers": False}
        self.image_env_settings = {
            **policy.config["env_settings"],
            **plain,
            "width": pixels,
            "height": pixels,
        }

    def set_target_image(self, target: Target, *, use_image: bool = True) -> None:
        """Look at a picture from now on. The environment is told the pose, or some pose, for its own judgement; the policy is not."""
        self._target_image = target.image
        self.set_target(self.pose if target.pose is None else target.pose)

    def track_video(self, frames: Iterable[Target], seconds: float) -> Iterator[None]:
        """Look at the pictures of a film, one by one."""
        for target in frames:
            self.set_target_image(target)
            yield

    def refine_target(self, step: int) -> None:
        """It looks at every step as it is."""

    def set_env_target(self) -> None:
        """The picture takes the place of the environment's own."""
        super().set_env_target()
        self.poise_env.agent_view.goal_image.set_image(self._target_image)
