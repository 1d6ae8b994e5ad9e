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


Place = tuple[str, Point]
"""A point of a body: its link's name and the point in the frame of the joint that moves the link (m)."""


OUT_OF_REACH = 1e4
"""A speed that no motor gets to (rad/s or m/s): on its way there it exerts all the torque it is allowed."""


class Body:
    """A body in a client: a root and, joint by joint, its links; all by name. `joints` are those that move."""

    def __init__(self, client: Any, number: int) -> None:
        self.client, self.number = client, number
        info = [client.getJointInfo(number, joint) for joint in range(client.getNumJoints(number))]
        self.links = {client.getBodyInfo(number)[0].decode(): -1, **{entry[12].decode(): entry[0] for entry in info}}
        moving = [entry for entry in info if entry[2] in (client.JOINT_REVOLUTE, client.JOINT_PRISMATIC)]
        self.joints = {entry[1].decode(): entry[0] for entry in moving}
        self.limits: Array = np.array([entry[8:10] for entry in moving]).reshape(-1, 2)
        for link in self.links.values():  # Bullet slows every link down a little, as no air does.
            client.changeDynamics(number, link, linearDamping=0.0, angularDamping=0.0)
        if (client.mass_scale, client.friction_scale) != (1.0, 1.0):
            self._scale(client.mass_scale, client.friction_scale, [entry[6] for entry in moving])
        self.mass = sum(client.getDynamicsInfo(number, link)[0] for link in self.links.values())
        self.torque([0.0] * len(self.joints))

    def place(self, angles: Iterable[float], speeds: Iterable[float]) -> None:
        """Put every joint at an angle (rad) and a speed (rad/s), without a motion."""
        for joint, angle, speed in zip(self.joints.values(), angles, speeds, strict=True):
            self.client.resetJointState(self.number, joint, angle, speed)

    def place_root(self, position: Sequence[float], orientation: Sequence[float], velocity: Sequence[float] = (0, 0, 0)) -> None:
        """Put the root at a place (m), at an orientation (quaternion, w last) and a velocity (m/s), without turning."""
        self.client.resetBasePositionAndOrientation(self.number, position, orientation)
        self.client.resetBaseVelocity(self.number, velocity, (0.0, 0.0, 0.0))

    def torque(self, torques: Sequence[float], top_speed: float = OUT_OF_REACH) -> None:
        """Torques (N m) at all joints that last until the next call: motors bound for their top speed (rad/s), held to them.

        Up to the top speed the torque is the one asked for; beyond it the motor brakes.
        """
        self.drive([math.copysign(top_speed, torque) for torque in torques], [abs(torque) for torque in torques])

    def drive(self, speeds: Sequence[float], torques: Sequence[float], joints: Iterable[str] | None = None) -> None:
        """Motors that keep speeds (rad/s) with at most so much torque (N m), at all joints or at those named."""
        self._motors(joints, self.client.VELOCITY_CONTROL, targetVelocities=speeds, forces=torques)

    def hold(self, angles: Sequence[float], torques: Sequence[float], joints: Iterable[str] | None = None) -> None:
        """Motors that go to angles (rad) and stay, with at most so much torque (N m), at all joints or at those named."""
        self._motors(joints, self.client.POSITION_CONTROL, targetPositions=angles, forces=torques)

    def _motors(self, joints: Iterable[str] | None, mode: int, **targets: Sequence[float]) -> None:
        numbers = list(self.joints.values()) if joints is None else [self.joints[name] for name in joints]
        self.client.setJointMotorControlArray(self.number, numbers, mode, **targets)

    def angles_and_speeds(self) -> tuple[list[float], list[float]]:
        """Of all joints (rad and rad/s; m and m/s where they slide)."""
        states = self.client.getJointStates(self.number, list(self.joints.values()))
        return [state[0] for state in states], [state[1] for state in states]

    def read_joints(self) -> list[Joint]:
        """All joints, each with the torque that its motor has exerted in the last step of the physics."""
        states = self.client.getJointStates(self.number, list(self.joints.values()))
        return [Joint(name.replace("_", " "), state[0], state[3]) for name, state in zip(self.joints, states, strict=True)]

    def root(self) -> tuple[Array, Array, Array, Array]:
        """Place (3,), axes (3, 3) one a column, velocity (3,) and angular velocity (3,) of the root, in the world."""
        position, orientation = self.client.getBasePositionAndOrientation(self.number)
        velocity, spin = self.client.getBaseVelocity(self.number)
        axes = np.array(self.client.getMatrixFromQuaternion(orientation)).reshape(3, 3)
        return np.array(position), axes, np.array(velocity), np.array(spin)

    def points(self, places: Iterable[Place]) -> list[Point]:
        """Where points of the body are (m)."""
        named = list(places)
        links = {name: self.links[name] for name, _ in named}
        frames = self.client.getLinkStates(self.number, list(links.values()), computeForwardKinematics=True)
        of = {name: frame[4:6] for name, frame in zip(links, frames, strict=True)}
        return [self.client.multiplyTransforms(*of[name], at, (0, 0, 0, 1))[0] if any(at) else of[name][0] for name, at in named]

    def any_angles(self, rng: np.random.Generator) -> Array:
        """Random angles (rad) within the limits of all joints."""
        return rng.uniform(self.limits[:, 0], self.limits[:, 1])

    def points_at(self, angles: Iterable[float], places: Iterable[Place]) -> list[Point]:
        """Where they would be (m) if the joints were at these angles (rad)."""
        with self.posed(angles):
            return self.points(places)

    @contextmanager
    def posed(self, angles: Iterable[float]) -> Iterator[None]:
        """The body with its joints at these angles (rad), for as long as one looks at it."""
        here = self.angles_and_speeds()
        self.place(angles, [0.0] * len(self.joints))
        yield
        self.place(*here)

    def rub(self, friction: float) -> None:
        """Give every joint a friction (N m s)."""
        for joint in self.joints.values():
            self.client.changeDynamics(self.number, joint, jointDamping=friction * self.client.friction_scale)

    def _scale(self, mass: float, friction: float, dampings: Iterable[float]) -> None:
        """So many times the mass of each link, and the friction at contacts and in joints, of which the dampings are told."""
        for link in self.links.values():
            weight, rough, inertia = self.client.getDynamicsInfo(self.number, link)[:3]
            # Where two bodies touch, Bullet multiplies their frictions. It makes up an inertia of its own for a new mass.
            self.client.changeDynamics(self.number, link, mass=mass * weight, lateralFriction=math.sqrt(friction) * rough)
            self.client.changeDynamics(self.number, link, localInertiaDiagonal=[mass * part for part in inertia])
        for joint, damping in zip(self.joints.values(), dampings, strict=True):
            self.client.changeDynamics(self.number, joint, jointDamping=friction * damping)

    def paint(self, link: str, colour: Sequence[float]) -> None:
        """Give a link a colour (red, green, blue, opacity in [0, 1])."""
        self.client.changeVisualShape(self.number, self.links[link], rgbaColor=colour)

    def middle(self, link: str) -> Point:
        """Where a link's centre of mass is (m)."""
        index, client = self.links[link], self.client
        state = client.getLinkState(self.number, index, computeForwardKinematics=True) if index >= 0 else None
        place: Point = (state or client.getBasePositionAndOrientation(self.number))[0]
        return place

    def touches(self, other: "Body", link: str) -> bool:
        """Whether a link of this body touches the other one."""
        return bool(self.client.getContactPoints(self.number, other.number, self.links[link]))
