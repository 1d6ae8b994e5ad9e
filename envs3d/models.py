"""Bodies as text: an arm in URDF, and pybullet_data's humanoid in MJCF with normalized axes."""

from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np


class ArmJoint(NamedTuple):
    """A hinge of an arm: name, axis, and length of the link that it moves (m); 0 for a pivot."""

    name: str
    axis: tuple[int, int, int]
    length: float


LINK_COLOURS = ("0.15 0.20 0.22", "0.28 0.47 0.62", "0.93 0.58 0.32")
"""Of the base of an arm, and of its links in alternation (red, green, blue in [0, 1])."""


PIVOT_MASS_FRACTION = 0.05
"""Mass of a pivot as a fraction of a link's mass: 0 would make the solver divide by 0."""


BASE_SCALE = 1.5
"""Size of an arm's base as a multiple of the links' width."""


BASE_MASS = 1.0
"""In kg; of no effect, since the base is fixed."""


FLOOR_RGBA = (0.86, 0.89, 0.91, 1.0)


HUMANOID_ARM_RGBA = {
    f"{side}_{limb}_arm": (*map(float, colour.split()), 1.0)
    for side in ("right", "left")
    for limb, colour in zip(("upper", "lower"), LINK_COLOURS[1:], strict=True)
}
"""Colours of the humanoid's arms: all else is white, so that an image shows the arms clearly."""


def make_arm_urdf(joints: Sequence[ArmJoint], width: float, mass: float, damping: float) -> str:
    """Return the URDF of an arm on a base: boxes in a row along x.

    `width` of the links (m), `mass` of each (kg), `damping` of the joints (N m s). The link of the
    joint `elbow` is `elbow_link`.
    """
    base = _make_link("base", BASE_SCALE * width, 0.0, BASE_MASS, LINK_COLOURS[0])
    parts = ['<robot name="arm">', base]
    parent = "base"
    parent_length = 0.0
    for index, joint in enumerate(joints, start=len(joints)):
        link = f"{joint.name}_link"
        link_mass = mass if joint.length else PIVOT_MASS_FRACTION * mass
        colour = LINK_COLOURS[1 + index % 2]
        axis = " ".join(map(str, joint.axis))
        parts.append(_make_link(link, width, joint.length, link_mass, colour))
        parts.append(
            f'<joint name="{joint.name}" type="continuous">'
            f'<parent link="{parent}"/><child link="{link}"/>'
            f'<origin xyz="{parent_length} 0 0"/><axis xyz="{axis}"/>'
            f'<dynamics damping="{damping}" friction="0"/></joint>'
        )
        parent = link
        parent_length = joint.length
    parts.append("</robot>")
    return "\n".join(parts)


def make_humanoid_mjcf(mjcf: str, *, upper_body_only: bool = False) -> str:
    """Return the humanoid's MJCF text with every joint axis of length 1.

    With `upper_body_only` it is fixed in the air, without its lower body. In the original text the
    shoulders' axes are (2, 1, 1), and Bullet multiplies a joint's speed by that axis: the arm would
    move 2.4 times as fast as its angle changes (tests/envs3d/test_spatial.py).
    """
    root = ElementTree.fromstring(mjcf)
    for joint in root.iter("joint"):
        if text := joint.get("axis"):
            axis = np.array(text.split(), float)
            unit_axis = (axis / np.linalg.norm(axis)).tolist()
            joint.set("axis", " ".join(map(str, unit_axis)))
    torso = root.find("worldbody/body[@name='torso']")
    if upper_body_only and torso is not None:
        torso.set("pos", "0 0 0")
        fixed_joint = ElementTree.Element(
            "joint", name="root", type="fixed", axis="0 0 1", pos="0 0 0", limited="false"
        )
        torso.insert(0, fixed_joint)
        for lower_body in torso.findall("body[@name='lwaist']"):
            torso.remove(lower_body)
    return ElementTree.tostring(root, encoding="unicode")


def _make_link(name: str, width: float, length: float, mass: float, colour: str) -> str:
    """Return the URDF of a box from the joint along x; without a length, a cube about the joint."""
    size = (length or width, width, width)
    squares = np.square(size)
    ixx, iyy, izz = (mass / 12.0 * (squares.sum() - squares)).tolist()
    origin = f'<origin xyz="{length / 2} 0 0"/>'
    material = f'<material name="{name}"><color rgba="{colour} 1"/></material>'
    shape = f'{origin}<geometry><box size="{size[0]} {size[1]} {size[2]}"/></geometry>'
    return (
        f'<link name="{name}"><inertial>{origin}<mass value="{mass}"/>'
        f'<inertia ixx="{ixx}" ixy="0" ixz="0" iyy="{iyy}" iyz="0" izz="{izz}"/></inertial>'
        f"<visual>{shape}{material}</visual><collision>{shape}</collision></link>"
    )
