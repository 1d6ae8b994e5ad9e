"""Arms of a body that take poses: their targets, the judge, what is painted of it, and the hooks of worlds about it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import numpy as np
from poise.envs3d.body import Body, Place
from poise.envs3d.camera import Marker
from poise.toolkit.environment import Joint
from poise.toolkit.errors import UserError
from poise.toolkit.observation import Sight
from poise.toolkit.pose_task import ORIGIN, PoseTask
from poise.toolkit.rewards import effort_cost
from poise.toolkit.settings import WorldSettings
from poise.toolkit.spaces import Array, Effort, Signal

ELBOW, HAND = (33, 118, 174), (224, 90, 71)


class PosedArms:
    """One or two arms of a body, each with an elbow and a hand; `places` lists them arm by arm, `roots` where the arms begin.

    `draw` makes angles of all joints (rad) out of chance; `reach` (m) and `hold` (steps) say when a pose is achieved.
    """

    def __init__(
        self,
        body: Body,
        places: Sequence[Place],
        draw: Callable[[np.random.Generator], Array],
        reach: float,
        hold: int,
        roots: Sequence[Place] = (),
    ) -> None:
        self.body, self.places, self.draw = body, places, draw
        self.task = PoseTask(reach, hold, body.points(roots) if roots else ORIGIN)

    def begin(self, rng: np.random.Generator) -> None:
        """Read the pose that the body was placed in, and set the first target."""
        self.sense()
        self.task.poses = 0
        self.aim(rng)

    def aim(self, rng: np.random.Generator) -> None:
        """Set a new target: the pose of random angles."""
        self.goal: Array | None = self.draw(rng)
        self.task.aim(self.body.points_at(self.goal, self.places), self.pose)

    def aim_at(self, pose: Array) -> None:
        """Set a target: the places laid end to end, x and y of each where z is not told (m)."""
        self.goal = None
        points = pose.reshape(len(self.places), -1)
        self.task.aim(np.pad(points, ((0, 0), (0, 3 - points.shape[1]))).tolist(), self.pose)

    def sense(self) -> None:
        """Read joints (rad, rad/s) and points (m)."""
        self.angles, self.speeds = self.body.angles_and_speeds()
        self.pose = self.body.points(self.places)

    def renew(self, rng: np.random.Generator, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        info["success"], info["poses"] = self.task.achieved, self.task.poses
        if self.task.achieved:
            self.aim(rng)

    def at_goal(self) -> AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it. A UserError where the target was told in numbers."""
        if self.goal is None:
            raise UserError("a target that was told in numbers cannot be drawn: leave goal=state")
        return self.body.posed(self.goal)

    def markers(self) -> list[Marker]:
        """The targets of elbows and hands."""
        colours = (ELBOW, HAND) * (len(self.pose) // 2)
        return [Marker(aim, self.task.reach, colour) for aim, colour in zip(self.task.target, colours, strict=True)]


class TakingPoses:
    """The hooks that worlds whose body takes poses with its `arms` have in common, beside SpatialEnvironment."""

    arms: PosedArms
    sight: Sight
    np_random: np.random.Generator
    settings: WorldSettings
    ACTION: ClassVar[tuple[Signal, ...]]

    def begin_with(self, arms: PosedArms) -> None:
        """Take poses with these arms from now on."""
        self.arms, self.task = arms, arms.task

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Any angles of all joints (rad)."""
        return self.arms.body.any_angles(rng)

    def place(self, rng: np.random.Generator) -> None:
        """The arms in any pose, at rest but for the start noise, and their first target."""
        angles = self.any_angles(rng)
        self.arms.body.place(angles, rng.normal(0.0, self.settings.start_noise, len(angles)))
        self.arms.begin(rng)

    def pose_at(self, angles: Array) -> Array:
        """The places of elbows and hands, laid end to end, with the joints at these angles (rad)."""
        return np.array(self.arms.body.points_at(angles, self.arms.places)).ravel()

    def put(self, angles: Array) -> None:
        """Put the joints at these angles (rad), at rest."""
        self.arms.body.place(angles, np.zeros(len(angles)))
        self.sense()

    def apply(self, effort: Effort) -> None:
        """Turn the arms' joints; a full effort is the action's own bound."""
        self.arms.body.torque([share * self.ACTION[0].high for share in effort])

    def sense(self) -> None:
        """Joint angles (rad), elbows and hands (m), joint speeds (rad/s)."""
        self.arms.sense()
        self.angles = self.arms.angles

    def reward_terms(self, effort: Effort) -> dict[str, float]:
        """Progress towards the pose, effort, and whether a pose was achieved just now; where it is paid for, likeness too."""
        return {"alive": 1.0, "effort": effort_cost(effort), **self.task.judge(self.arms.pose), **self.sight.likeness()}

    def renew(self, info: dict[str, Any]) -> None:
        """A pose held long enough counts, and makes room for a new target."""
        self.arms.renew(self.np_random, info)

    def observe(self) -> Array:
        """Pose, target, difference, speeds."""
        target, pose = np.array(self.task.target).ravel(), np.array(self.arms.pose).ravel()
        return np.concatenate((pose, target, target - pose, self.arms.speeds))

    def aim_at(self, pose: Array) -> None:
        """Set a target: the places of the signal `pose` (m)."""
        self.arms.aim_at(pose)

    def at_goal(self) -> AbstractContextManager[None]:
        """The body at its target, for as long as one looks at it."""
        return self.arms.at_goal()

    def joints(self) -> list[Joint]:
        """All joints of the arms."""
        return self.arms.body.read_joints()

    def markers(self) -> list[Marker]:
        """The targets of elbows and hands."""
        return self.arms.markers()
