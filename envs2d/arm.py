"""An arm of two links seen from above: its bodies and motors, where its points are, and how it is drawn."""

import math
from collections.abc import Sequence

import pymunk

from envs2d.canvas import BODY, INK, NEAR, Canvas, Point
from envs2d.world import PlanarEnvironment
from toolkit.look import Colour
from toolkit.signals import Array, Effort

LINK, LINK_WIDTH, LINK_MASS = 0.2, 0.04, 0.5
TORQUE = 1.0
SHOULDER = (0.0, 0.0)
PALE = (208, 216, 222)


class Arm:
    """An arm in a world's empty space: its joints' angles (rad), speeds (rad/s) and friction (N m s)."""

    def __init__(self, world: PlanarEnvironment, angles: Array, speeds: Array, friction: float) -> None:
        parent, angle, speed = world.space.static_body, 0.0, 0.0
        at = velocity = pymunk.Vec2d(0.0, 0.0)
        self.links: list[pymunk.Body] = []
        self.motors: list[pymunk.SimpleMotor] = []
        self.dampers: list[pymunk.DampedRotarySpring] = []
        for turn, rate in zip(angles.tolist(), speeds.tolist(), strict=True):
            angle, speed = angle + turn, speed + rate
            along = pymunk.Vec2d(LINK, 0.0).rotated(angle)
            link = pymunk.Body(LINK_MASS, pymunk.moment_for_box(LINK_MASS, (LINK, LINK_WIDTH)))
            link.position, link.angle = at + along / 2, angle
            link.velocity, link.angular_velocity = velocity + speed * along.perpendicular() / 2, speed
            motor = pymunk.SimpleMotor(parent, link, 0.0)
            motor.max_force = 0.0
            damper = pymunk.DampedRotarySpring(parent, link, 0.0, 0.0, friction)
            world.space.add(link, motor, damper)
            world.join(pymunk.PivotJoint(parent, link, at))
            self.links.append(link)
            self.motors.append(motor)
            self.dampers.append(damper)
            parent, at, velocity = link, at + along, velocity + speed * along.perpendicular()

    def apply(self, effort: Effort) -> None:
        """Turn effort in [-1, 1] into torques at the joints."""
        for motor, share in zip(self.motors, effort, strict=True):
            motor.rate = -1e6 if share > 0.0 else 1e6
            motor.max_force = abs(share) * TORQUE

    def damp(self, friction: float) -> None:
        """Give the joints another friction (N m s)."""
        for damper in self.dampers:
            damper.damping = friction

    def solids(self) -> list[pymunk.Shape]:
        """The links as shapes; the arm itself moves without."""
        return [pymunk.Poly.create_box(link, (LINK, LINK_WIDTH)) for link in self.links]


def pose_of(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Where elbow and hand are (m) for the angles of shoulder and elbow (rad)."""
    bend = (LINK * math.cos(shoulder), LINK * math.sin(shoulder))
    return bend, (bend[0] + LINK * math.cos(shoulder + elbow), bend[1] + LINK * math.sin(shoulder + elbow))


def paint_arm(canvas: Canvas, pose: Sequence[Point]) -> None:
    """An arm in a pose, and how far it reaches."""
    canvas.ring(SHOULDER, 2 * LINK + 0.02, PALE, 0.003)
    paint_links(canvas, pose, (BODY, NEAR))
    for point, radius in zip((SHOULDER, *pose), (0.03, 0.012, 0.012), strict=True):
        canvas.joint(point, radius, INK)


def paint_links(canvas: Canvas, pose: Sequence[Point], colours: Sequence[Colour]) -> None:
    """The links of an arm in a pose."""
    for start, end, colour in zip((SHOULDER, pose[0]), pose, colours, strict=True):
        canvas.capsule(start, end, LINK_WIDTH, colour)
