"""Bodies as text: an arm of links in URDF, and pybullet_data's humanoid in MJCF with its axes put right."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np


class ArmJoint(NamedTuple):
    """A hinge of an arm: its name, its axis, and the length of the link it moves (m); 0 for a bare pivot."""

    name: str
    axis: tuple[int, int, int]
    length: float


LINK_COLOURS = ("0.15 0.20 0.22", "0.28 0.47 0.62", "0.93 0.58 0.32")
"""Of an arm's base, and of its links by turns (red, green, blue in [0, 1])."""


FLOOR_RGBA = (0.86, 0.89, 0.91, 1.0)


HUMANOID_ARM_RGBA = {
    f"{side}_{limb}_arm": (*map(float, colour.split()), 1.0)
    for side in ("right", "left")
    for limb, colour in zip(("upper", "lower"), LINK_COLOURS[1:], strict=True)
}
"""Colours of the humanoid's arms. All else is white; arms that are not can be read from a picture."""


def make_arm_urdf(joints: Sequence[ArmJoint], width: float, mass: float, damping: float) -> str:
    """An arm on a base: boxes in a row along x.

    `width` of the links (m), `mass` of each (kg), `damping` of the joints (N m s). Links are named after their joints.
    """
    parts = ['<robot name="arm">', _make_link("base", 1.5 * width, 0.0, 1.0, LINK_COLOURS[0])]
    parent = "base"
    end = 0.0
    for index, joint in enumerate(joints, start=len(joints)):
        # A bare pivot joins two hinges at one place; it weighs little, but something, or the solver would divide by it.
        parts.append(
            _make_link(
                joint.name + "_link",
                width,
                joint.length,
                mass if joint.length else 0.05 * mass,
                LINK_COLOURS[1 + index % 2],
            )
        )
        axis = " ".join(map(str, joint.axis))
        parts.append(
            f'<joint name="{joint.name}" type="continuous"><parent link="{parent}"/><child link="{joint.name}_link"/>'
            f'<origin xyz="{end} 0 0"/><axis xyz="{axis}"/><dynamics damping="{damping}" friction="0"/></joint>'
        )
        parent = joint.name + "_link"
        end = joint.length
    parts.append("</robot>")
    return "\n".join(parts)


def _make_link(name: str, width: float, length: float, mass: float, colour: str) -> str:
    """A box from the joint along x; a cube about the joint where it has no length."""
    size = (length or width, width, width)
    square = np.square(size)
    ixx, iyy, izz = (mass / 12.0 * (square.sum() - square)).tolist()
    origin = f'<origin xyz="{length / 2} 0 0"/>'
    paint = f'<material name="{name}"><color rgba="{colour} 1"/></material>'
    shape = f'{origin}<geometry><box size="{size[0]} {size[1]} {size[2]}"/></geometry>'
    return (
        f'<link name="{name}"><inertial>{origin}<mass value="{mass}"/>'
        f'<inertia ixx="{ixx}" ixy="0" ixz="0" iyy="{iyy}" iyz="0" izz="{izz}"/></inertial>'
        f"<visual>{shape}{paint}</visual><collision>{shape}</collision></link>"
    )


def make_humanoid_mjcf(mjcf: str, *, upper_body_only: bool = False) -> str:
    """The humanoid's MJCF text with every joint's axis of length 1; as a `upper_body_only`, fixed in the air and without its lower body.

    Its shoulders turn about (2, 1, 1), and Bullet takes a joint's speed times that axis for the limb's: the arm would
    move 2.4 times as fast as its angle changes (tests/test_space.py).
    """
    root = ElementTree.fromstring(mjcf)
    for joint in root.iter("joint"):
        if text := joint.get("axis"):
            axis = np.array(text.split(), float)
            joint.set("axis", " ".join(map(str, (axis / np.linalg.norm(axis)).tolist())))
    torso = root.find("worldbody/body[@name='torso']")
    if upper_body_only and torso is not None:
        torso.set("pos", "0 0 0")
        torso.insert(
            0,
            ElementTree.Element(
                "joint", name="root", type="fixed", axis="0 0 1", pos="0 0 0", limited="false"
            ),
        )
        for part in torso.findall("body[@name='lwaist']"):
            torso.remove(part)
    return ElementTree.tostring(root, encoding="unicode")
