"""A body in a PyBullet client: its links, joints and motors, all by name. SI units."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from poise.toolkit.environment import Joint
from poise.toolkit.spaces import Array

Point = Sequence[float]
"""A place: x, y, z (m)."""


LinkPoint = tuple[str, Point]
"""A point of a body: its link's name and the point in the frame of the joint that moves the link (m)."""


UNREACHABLE_SPEED = 1e4
"""A speed that no motor gets to (rad/s or m/s): on its way there it exerts all the torque it is allowed."""


class Body:
    """A body in a client: a root and, joint by joint, its links; all by name. `joints` are those that move."""

    def __init__(self, client: Any, body_id: int) -> None:
        self.client = client
        self.body_id = body_id
        info = [
            client.getJointInfo(body_id, joint) for joint in range(client.getNumJoints(body_id))
        ]
        self.links = {
            client.getBodyInfo(body_id)[0].decode(): -1,
            **{entry[12].decode(): entry[0] for entry in info},
        }
        moving = [
            entry for entry in info if entry[2] in (client.JOINT_REVOLUTE, client.JOINT_PRISMATIC)
        ]
        self.joints = {entry[1].decode(): entry[0] for entry in moving}
        self.joint_limits: Array = np.array([entry[8:10] for entry in moving]).reshape(-1, 2)
        for link in self.links.values():  # Bullet slows every link down a little, as no air does.
            client.changeDynamics(body_id, link, linearDamping=0.0, angularDamping=0.0)
        if (client.mass_scale, client.friction_scale) != (1.0, 1.0):
            self._scale_mass_and_friction(
                client.mass_scale, client.friction_scale, [entry[6] for entry in moving]
            )
        self.mass = sum(client.getDynamicsInfo(body_id, link)[0] for link in self.links.values())
        self.apply_torques([0.0] * len(self.joints))

    def set_joint_state(self, angles: Iterable[float], speeds: Iterable[float]) -> None:
        """Put every joint at an angle (rad) and a speed (rad/s), without a motion."""
        for joint, angle, speed in zip(self.joints.values(), angles, speeds, strict=True):
            self.client.resetJointState(self.body_id, joint, angle, speed)

    def set_base_pose(
        self,
        position: Sequence[float],
        orientation: Sequence[float],
        velocity: Sequence[float] = (0, 0, 0),
    ) -> None:
        """Put the root at a place (m), at an orientation (quaternion, w last) and a velocity (m/s), without turning."""
        self.client.resetBasePositionAndOrientation(self.body_id, position, orientation)
        self.client.resetBaseVelocity(self.body_id, velocity, (0.0, 0.0, 0.0))

    def apply_torques(self, torques: Sequence[float], max_speed: float = UNREACHABLE_SPEED) -> None:
        """Torques (N m) at all joints that last until the next call: motors bound for their top speed (rad/s), held to them.

        Up to the top speed the torque is the one asked for; beyond it the motor brakes.
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
        """Motors that keep speeds (rad/s) with at most so much torque (N m), at all joints or at those named."""
        self._set_motors(
            joints, self.client.VELOCITY_CONTROL, targetVelocities=speeds, forces=max_torques
        )

    def set_position_targets(
        self,
        angles: Sequence[float],
        max_torques: Sequence[float],
        joints: Iterable[str] | None = None,
    ) -> None:
        """Motors that go to angles (rad) and stay, with at most so much torque (N m), at all joints or at those named."""
        self._set_motors(
            joints, self.client.POSITION_CONTROL, targetPositions=angles, forces=max_torques
        )

    def _set_motors(
        self, joints: Iterable[str] | None, mode: int, **targets: Sequence[float]
    ) -> None:
        numbers = (
            list(self.joints.values()) if joints is None else [self.joints[name] for name in joints]
        )
        self.client.setJointMotorControlArray(self.body_id, numbers, mode, **targets)

    def joint_state(self) -> tuple[list[float], list[float]]:
        """Of all joints (rad and rad/s; m and m/s where they slide)."""
        states = self.client.getJointStates(self.body_id, list(self.joints.values()))
        return [state[0] for state in states], [state[1] for state in states]

    def read_joints(self) -> list[Joint]:
        """All joints, each with the torque that its motor has exerted in the last step of the physics."""
        states = self.client.getJointStates(self.body_id, list(self.joints.values()))
        return [
            Joint(name.replace("_", " "), state[0], state[3])
            for name, state in zip(self.joints, states, strict=True)
        ]

    def base_state(self) -> tuple[Array, Array, Array, Array]:
        """Place (3,), axes (3, 3) one a column, velocity (3,) and angular velocity (3,) of the root, in the environment."""
        position, orientation = self.client.getBasePositionAndOrientation(self.body_id)
        velocity, spin = self.client.getBaseVelocity(self.body_id)
        axes = np.array(self.client.getMatrixFromQuaternion(orientation)).reshape(3, 3)
        return np.array(position), axes, np.array(velocity), np.array(spin)

    def point_positions(self, link_points: Iterable[LinkPoint]) -> list[Point]:
        """Where points of the body are (m)."""
        named = list(link_points)
        links = {name: self.links[name] for name, _ in named}
        frames = self.client.getLinkStates(
            self.body_id, list(links.values()), computeForwardKinematics=True
        )
        of = {name: frame[4:6] for name, frame in zip(links, frames, strict=True)}
        return [
            self.client.multiplyTransforms(*of[name], at, (0, 0, 0, 1))[0]
            if any(at)
            else of[name][0]
            for name, at in named
        ]

    def sample_joint_angles(self, rng: np.random.Generator) -> Array:
        """Random angles (rad) within the limits of all joints."""
        return rng.uniform(self.joint_limits[:, 0], self.joint_limits[:, 1])

    def forward_kinematics(
        self, angles: Iterable[float], link_points: Iterable[LinkPoint]
    ) -> list[Point]:
        """Where they would be (m) if the joints were at these angles (rad)."""
        with self.posed_at(angles):
            return self.point_positions(link_points)

    @contextmanager
    def posed_at(self, angles: Iterable[float]) -> Iterator[None]:
        """The body with its joints at these angles (rad), for as long as one looks at it."""
        here = self.joint_state()
        self.set_joint_state(angles, [0.0] * len(self.joints))
        yield
        self.set_joint_state(*here)

    def set_joint_damping(self, damping: float) -> None:
        """Give every joint a friction (N m s)."""
        for joint in self.joints.values():
            self.client.changeDynamics(
                self.body_id, joint, jointDamping=damping * self.client.friction_scale
            )

    def _scale_mass_and_friction(
        self, mass_scale: float, friction_scale: float, dampings: Iterable[float]
    ) -> None:
        """So many times the mass of each link, and the friction at contacts and in joints, of which the dampings are told."""
        for link in self.links.values():
            weight, rough, inertia = self.client.getDynamicsInfo(self.body_id, link)[:3]
            # Where two bodies touch, Bullet multiplies their frictions. It makes up an inertia of its own for a new mass.
            self.client.changeDynamics(
                self.body_id,
                link,
                mass=mass_scale * weight,
                lateralFriction=math.sqrt(friction_scale) * rough,
            )
            self.client.changeDynamics(
                self.body_id, link, localInertiaDiagonal=[mass_scale * part for part in inertia]
            )
        for joint, damping in zip(self.joints.values(), dampings, strict=True):
            self.client.changeDynamics(self.body_id, joint, jointDamping=friction_scale * damping)

    def set_link_colour(self, link: str, rgba: Sequence[float]) -> None:
        """Give a link a colour (red, green, blue, opacity in [0, 1])."""
        self.client.changeVisualShape(self.body_id, self.links[link], rgbaColor=rgba)

    def center_of_mass(self, link: str) -> Point:
        """Where a link's centre of mass is (m)."""
        index = self.links[link]
        client = self.client
        state = (
            client.getLinkState(self.body_id, index, computeForwardKinematics=True)
            if index >= 0
            else None
        )
        place: Point = (state or client.getBasePositionAndOrientation(self.body_id))[0]
        return place

    def has_contact(self, other: "Body", link: str) -> bool:
        """Whether a link of this body touches the other one."""
        return bool(self.client.getContactPoints(self.body_id, other.body_id, self.links[link]))
