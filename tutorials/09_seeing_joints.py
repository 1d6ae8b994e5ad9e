"""Lesson 9: seeing joints: a translator from scratch.

Afterwards you can say how far a linear map gets at reading an arm's pose from its picture, build a
network that gets farther, tell its error in millimetres beside an honest baseline, and find out
what it has really learned.

    a picture    64 x 64 pixels of 3 colours: 12,288 numbers; the pose: 4, elbow (x, y) and
                 hand (x, y)
    baseline     always saying the mean: E|pose - mean|^2
    convolution  h[i, j] = sum of w[a, b] x[2 i + a, 2 j + b] over a window of 3 x 3: the same eye
                 looks everywhere
    coordinates  a convolution finds what, not where; two more channels, column and row, tell it
                 arXiv:1807.03247
"""

# %% What we need.
import os
from collections.abc import Callable
from itertools import pairwise, permutations
from pathlib import Path

import gymnasium
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import poise  # noqa: F401  (registers the environments)
from poise.algos.optim import Adam, gradient_step, scheduled_lr
from poise.toolkit.spaces import Array, slices

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
FRAMES, STEPS = (2500, 250) if QUICK else (20_000, 1500)
OUT.mkdir(exist_ok=True)
torch.set_num_threads(1)
rng = np.random.default_rng(torch.manual_seed(0).initial_seed())

# %% Step 1: pictures and what they show. Every reset puts the arm into any pose at all, so the
# joint space is covered evenly.
env = gymnasium.make(
    "poise/Reacher2D-v0", render_mode="rgb_array", width=64, height=64, view="agent"
).unwrapped
place = slices(env.OBSERVATION)["pose"]  # type: ignore[attr-defined]
pairs = [(env.reset(seed=seed)[0][place], np.asarray(env.render())) for seed in range(FRAMES)]
poses, pictures = (np.stack(column) for column in zip(*pairs, strict=True))
test, train = (
    slice(0, FRAMES // 10),
    slice(FRAMES // 10, FRAMES),
)  # One is for judging, and never teaches.


def error(read: Array) -> float:
    """The mean square error (m2) on the test pictures."""
    return float(np.square(read - poses[test]).mean())


print(
    f"saying the mean: {(mean := error(poses[train].mean(0))):.4f} m2,"
    f" {1000 * mean**0.5:.0f} mm in each coordinate"
)

# %% Step 2: a linear map. Every pixel gets a weight for every number: least squares, held back a
# little by a ridge.
small = (
    pictures[:, ::2, ::2].reshape(FRAMES, -1) / 255.0
)  # Half the size, or the equations would take long.
middle_picture, middle_pose = small[train].mean(0), poses[train].mean(0)
x, y = small[train] - middle_picture, poses[train] - middle_pose
weights = np.linalg.solve(x.T @ x + 10.0 * np.eye(x.shape[1]), x.T @ y)
linear = error((small[test] - middle_picture) @ weights + middle_pose)
print(f"a linear map of {weights.size:,} weights: {linear:.4f} m2, {1000 * linear**0.5:.0f} mm")
# Not bad: it adds up votes, "this place is light blue, so the hand is over there". But whether the
# arm ENDS there depends on the places around, and no sum of votes can ask two places together. More
# pictures do not help it much.


# %% Step 3: convolutions. Three of stride 2 halve the picture each time: 8 x 8 places are left,
# with 64 things seen at each.
class Where(nn.Module):
    """Pictures (N, 64, 64, 3) uint8 to (N, 5, 64, 64) in [-1, 1]: three colours, column, row."""

    def forward(self, frames: Tensor) -> Tensor:
        """The five."""
        where = torch.stack(
            torch.meshgrid(torch.linspace(-1, 1, 64), torch.linspace(-1, 1, 64), indexing="xy")
        )
        return torch.cat(
            (frames.permute(0, 3, 1, 2) / 127.5 - 1.0, where.expand(len(frames), -1, -1, -1)), 1
        )


def new_eye(averaging: bool = False) -> nn.Sequential:
    """Pictures (N, 64, 64, 3) uint8 to poses (N, 4) in metres; `averaging`, it keeps of each thing
    only how much there is.
    """
    see: list[nn.Module] = [Where()]
    for inputs, outputs in pairwise((5, 16, 32, 64)):
        see += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
    see += [nn.AvgPool2d(8) if averaging else nn.Identity(), nn.Flatten()]
    return nn.Sequential(
        *see, nn.Linear(64 if averaging else 64 * 8 * 8, 128), nn.ReLU(), nn.Linear(128, 4)
    )


def read(eye: nn.Module, frames: Array) -> Array:
    """The poses (N, 4) that it reads, in metres."""
    with torch.no_grad():
        return np.concatenate(
            [eye(torch.from_numpy(part)).numpy() for part in np.array_split(frames, 10)]
        )


def taught(
    eye: nn.Module, change: Callable[[Array], Array] = lambda frames: frames
) -> tuple[nn.Module, list[float]]:
    """Down the gradient of the mean square error, each time on 64 pictures drawn at random; the
    errors (m2) on the way.
    """
    optimizer, losses = Adam(1e-3, eye), []
    for step in range(STEPS):
        rows = rng.integers(train.start, train.stop, 64)
        optimizer.learning_rate = scheduled_lr(1e-3, "exponential", step / STEPS, 0.05)
        loss = (
            (eye(torch.from_numpy(change(pictures[rows]))) - torch.from_numpy(poses[rows]))
            .square()
            .mean()
        )
        gradient_step(optimizer, loss)
        losses.append(loss.item())
    return eye, losses


# %% Step 4: teach two of them. One averages over all places before it tells, as networks that name
# what is in a picture do.
(eye, curve), (averaging, _) = taught(new_eye()), taught(new_eye(averaging=True))
told, vague = read(eye, pictures[test]), error(read(averaging, pictures[test]))
elbow, hand = (
    1000 * np.linalg.norm((told - poses[test])[:, part], axis=1).mean()
    for part in (slice(0, 2), slice(2, 4))
)
print(
    f"convolutions: {error(told):.1e} m2, {elbow:.1f} mm off at the elbow, {hand:.1f} at the hand;"
    f" averaging: {vague:.1e} m2"
)
assert 5 * error(told) < min(mean, vague) and (QUICK or error(told) < 0.1 * linear)


# %% Step 5: what has it learned? Ask with pictures unlike all it has seen. What should not matter
# must vary while it learns.
HELD_OUT = (2, 0, 1)  # Blue for red, red for green, green for blue: for the test alone.
ORDERS = np.array([order for order in permutations(range(3)) if order != HELD_OUT])


def mixed(frames: Array) -> Array:
    """Every picture's colours in an order of their own, but never in HELD_OUT."""
    order = ORDERS[rng.integers(len(ORDERS), size=len(frames))][:, None, None]
    return np.take_along_axis(frames, np.broadcast_to(order, frames.shape), axis=-1)


recoloured = pictures[test][..., HELD_OUT]  # A colouring that neither network was trained on.
before, after = error(read(eye, recoloured)), error(read(taught(new_eye(), mixed)[0], recoloured))
print(f"in other colours: {before:.1e} m2; taught with colours in any order: {after:.1e} m2")
assert after < 0.7 * before  # The first had learned a colour, not an arm.

left, right = (figure := Figure(figsize=(13, 5.5), layout="constrained")).subplots(1, 2)
left.plot(np.convolve(curve, np.ones(20) / 20, "valid"), label="convolutions")
left.axhline(linear, color="grey", linestyle=":", label="a linear map")
left.set(title="Learning to see", xlabel="minibatch", ylabel="mean square error (m2)", yscale="log")
right.imshow(np.concatenate(list(pictures[:4]), axis=1))
for index, (true, seen_as) in enumerate(zip(poses[:4], told, strict=False)):
    for pose, style in ((true, "g-"), (seen_as, "rx--")):
        right.plot(
            *(
                np.array([[64 * index + 31.5], [31.5]])
                + 64 * np.array([[0, *pose[::2]], [0, *-pose[1::2]]])
            ),
            style,
        )
right.set(title="true (green) and read (red)", xticks=(), yticks=())
left.legend()
figure.savefig(OUT / "09_seeing_joints.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(pixels: int) -> bool:
    """1. How many pixels wide is the window that one of the 8 x 8 places sees, after three
    convolutions 3 wide of stride 2?
    """
    return pixels == 15


def check_exercise_2(square: float) -> bool:
    """2. Links of 0.2 m at any angles: what is the mean square error of always saying the mean, by
    thought alone (m2)?
    """
    return abs(square - 0.03) < 1e-6 and abs(square - mean) < 0.003


def check_exercise_3(weights: int) -> bool:
    """3. How many weights does the eye that does not average have, all in all? Guess first: where
    are most of them?
    """
    return weights == sum(weight.numel() for weight in eye.parameters())


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(3 + 2 * 2 + 2 * 4) and not check_exercise_1(9)
assert check_exercise_2((0.2**2 / 2 + 2 * 0.2**2 / 2) / 2) and not check_exercise_2(0.2**2 / 2)
convolutions = sum(outputs * (9 * inputs + 1) for inputs, outputs in pairwise((5, 16, 32, 64)))
assert check_exercise_3(
    convolutions + 128 * (64 * 8 * 8 + 1) + 4 * (128 + 1)
) and not check_exercise_3(convolutions)
