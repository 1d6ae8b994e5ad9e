"""A body in a PyBullet client: its links, joints and motors, all by name. SI units."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from poise.toolkit.environment import Joint
from poise.toolkit.spaces import Array

Point = Sequence[float]
"""A position: x, y, z (m)."""


LinkPoint = tuple[str, Point]
"""A point of a body: name of the link, and position in the frame of the link's joint (m)."""


UNREACHABLE_SPEED = 1e4
"""A speed (rad/s or m/s) that no motor reaches: it exerts its whole torque on the way."""


NO_ROTATION = (0.0, 0.0, 0.0, 1.0)
"""As a quaternion, w last."""


class Body:
    """A body in a client: a base and links, connected by joints. `joints` holds the movable ones.

    `joint_limits` is (J, 2), lower and upper, in rad; `mass` in kg.
    """

    def __init__(self, client: Any, body_id: int) -> None:
        self.client = client
        self.body_id = body_id
        info = [
            client.getJointInfo(body_id, joint) for joint in range(client.getNumJoints(body_id))
        ]
        base_name = client.getBodyInfo(body_id)[0].decode()
        self.links = {base_name: -1, **{entry[12].decode(): entry[0] for entry in info}}
        movable_types = (client.JOINT_REVOLUTE, client.JOINT_PRISMATIC)
        movable = [entry for entry in info if entry[2] in movable_types]
        self.joints = {entry[1].decode(): entry[0] for entry in movable}
        self.joint_limits: Array = np.array([entry[8:10] for entry in movable]).reshape(-1, 2)
        for link in self.links.values():  # By default Bullet damps the motion of every link.
            client.changeDynamics(body_id, link, linearDamping=0.0, angularDamping=0.0)
        if (client.mass_scale, client.friction_scale) != (1.0, 1.0):
            dampings = [entry[6] for entry in movable]
            self._scale_mass_and_friction(client.mass_scale, client.friction_scale, dampings)
        self.mass = sum(client.getDynamicsInfo(body_id, link)[0] for link in self.links.values())
        self.apply_torques([0.0] * len(self.joints))

    def set_joint_state(self, angles: Iterable[float], speeds: Iterable[float]) -> None:
        """Set the angle (rad) and the speed (rad/s) of every joint, without a motion."""
        for joint, angle, speed in zip(self.joints.values(), angles, speeds, strict=True):
            self.client.resetJointState(self.body_id, joint, angle, speed)

    def set_base_pose(
        self,
        position: Sequence[float],
        orientation: Sequence[float],
        velocity: Sequence[float] = (0, 0, 0),
    ) -> None:
        """Set the base's position (m), orientation (quaternion, w last) and velocity (m/s).

        Its angular velocity is 0 afterwards.
        """
        self.client.resetBasePositionAndOrientation(self.body_id, position, orientation)
        self.client.resetBaseVelocity(self.body_id, velocity, (0.0, 0.0, 0.0))

    def apply_torques(self, torques: Sequence[float], max_speed: float = UNREACHABLE_SPEED) -> None:
        """Apply torques (N m) at all joints, which last until the next call.

        The motors drive towards `max_speed` (rad/s) with at most these torques: below that speed
        they exert exactly these torques, and above it they brake.
        """
        self.set_velocity_targets(
            [math.copysign(max_speed, torque) for torque in torques],
            [abs(torque) for torque in torques],
        )

    def set_velocity_targets(
        self,
        speeds: Sequence[float],
        max_torques: Sequence[float],
        joints: Iterable[str] | None = None,
    ) -> None:
        """Set target speeds (rad/s) and largest torques (N m), of all joints or of those named."""
        self._set_motors(
            joints, self.client.VELOCITY_CONTROL, targetVelocities=speeds, forces=max_torques
        )

    def set_position_targets(
        self,
        angles: Sequence[float],
        max_torques: Sequence[float],
        joints: Iterable[str] | None = None,
    ) -> None:
        """Set target angles (rad) and largest torques (N m), of all joints or of those named."""
        self._set_motors(
            joints, self.client.POSITION_CONTROL, targetPositions=angles, forces=max_torques
        )

    def joint_state(self) -> tuple[list[float], list[float]]:
        """Return the positions and speeds of all joints (rad, rad/s; sliding ones m, m/s)."""
        states = self.client.getJointStates(self.body_id, list(self.joints.values()))
        return [state[0] for state in states], [state[1] for state in states]

    def read_joints(self) -> list[Joint]:
        """Return all joints, each with the torque of its motor in the last physics step."""
        states = self.client.getJointStates(self.body_id, list(self.joints.values()))
        return [
            Joint(name.replace("_", " "), state[0], state[3])
            for name, state in zip(self.joints, states, strict=True)
        ]

    def base_state(self) -> tuple[Array, Array, Array, Array]:
        """Return the base's position (3,), axes (3, 3), velocity (3,) and angular velocity (3,).

        In world coordinates; the axes are the columns.
        """
        position, orientation = self.client.getBasePositionAndOrientation(self.body_id)
        velocity, angular_velocity = self.client.getBaseVelocity(self.body_id)
        axes = np.array(self.client.getMatrixFromQuaternion(orientation)).reshape(3, 3)
        return np.array(position), axes, np.array(velocity), np.array(angular_velocity)

    def point_positions(self, link_points: Iterable[LinkPoint]) -> list[Point]:
        """Return the positions of points of the body (m)."""
        points = list(link_points)
        links = {name: self.links[name] for name, _ in points}
        states = self.client.getLinkStates(
            self.body_id, list(links.values()), computeForwardKinematics=True
        )
        frames = {name: state[4:6] for name, state in zip(links, states, strict=True)}
        return [
            self.client.multiplyTransforms(*frames[name], offset, NO_ROTATION)[0]
            if any(offset)
            else frames[name][0]
            for name, offset in points
        ]

    def center_of_mass(self, link: str) -> Point:
        """Return the position of a link's centre of mass (m)."""
        index = self.links[link]
        if index < 0:
            state = self.client.getBasePositionAndOrientation(self.body_id)
        else:
            state = self.client.getLinkState(self.body_id, index, computeForwardKinematics=True)
        position: Point = state[0]
        return position

    def has_contact(self, other: "Body", link: str) -> bool:
        """Return whether a link of this body touches the other body."""
        return bool(self.client.getContactPoints(self.body_id, other.body_id, self.links[link]))

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Return random angles (J,) within the limits of all joints (rad)."""
        return rng.uniform(self.joint_limits[:, 0], self.joint_limits[:, 1])

    def forward_kinematics(
        self, angles: Iterable[float], link_points: Iterable[LinkPoint]
    ) -> list[Point]:
        """Return the positions of points (m) with the joints at `angles` (J,) in rad."""
        with self.posed_at(angles):
            return self.point_positions(link_points)

    @contextmanager
    def posed_at(self, angles: Iterable[float]) -> Iterator[None]:
        """Put the joints at `angles` (J,) in rad within a `with` block, and back after it."""
        angles_before, speeds_before = self.joint_state()
        self.set_joint_state(angles, [0.0] * len(self.joints))
        yield
        self.set_joint_state(angles_before, speeds_before)

    def set_joint_damping(self, damping: float) -> None:
        """Set the damping of every joint (N m s), as friction_scale multiplies it."""
        scaled_damping = damping * self.client.friction_scale
        for joint in self.joints.values():
            self.client.changeDynamics(self.body_id, joint, jointDamping=scaled_damping)

    def set_link_colour(self, link: str, rgba: Sequence[float]) -> None:
        """Set the colour of a link (red, green, blue, opacity in [0, 1])."""
        self.client.changeVisualShape(self.body_id, self.links[link], rgbaColor=rgba)

    def _set_motors(
        self, joints: Iterable[str] | None, mode: int, **targets: Sequence[float]
    ) -> None:
        names = self.joints if joints is None else joints
        indices = [self.joints[name] for name in names]
        self.client.setJointMotorControlArray(self.body_id, indices, mode, **targets)

    def _scale_mass_and_friction(
        self, mass_scale: float, friction_scale: float, dampings: Iterable[float]
    ) -> None:
        """Scale the mass of each link, and the friction at contacts and in joints.

        `dampings` are those of the joints, which PyBullet does not give back.
        """
        for link in self.links.values():
            mass, friction, inertia = self.client.getDynamicsInfo(self.body_id, link)[:3]
            self.client.changeDynamics(
                self.body_id,
                link,
                mass=mass_scale * mass,
                # Where two bodies touch, Bullet multiplies their frictions.
                lateralFriction=math.sqrt(friction_scale) * friction,
            )
            # Set after the mass, for which Bullet computes an inertia of its own.
            scaled_inertia = [mass_scale * moment for moment in inertia]
            self.client.changeDynamics(self.body_id, link, localInertiaDiagonal=scaled_inertia)
        for joint, damping in zip(self.joints.values(), dampings, strict=True):
            self.client.changeDynamics(self.body_id, joint, jointDamping=friction_scale * damping)
