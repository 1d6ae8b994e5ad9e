"""Lesson 1: an environment of your own.

Afterwards you can turn a thought, "a ball that must stay on a beam", into an environment that a
robot learns in: check the physics against formulas, say what the agent sees, does and is paid for,
give the environment a name, train in it, film it.

    free fall       y = -g t^2 / 2  Galileo (1638)
    a hanging rod   T = 2 pi sqrt(I / (m g d)) with I = m L^2 / 3, d = L / 2:
                    T = 2 pi sqrt(2 L / (3 g))  Huygens (1673)
    the task        the policy with the greatest E[sum_t gamma^t r_t]; we use SAC, arXiv:1812.05905,
                    which lesson 3 explains
"""

# %% What we need. Pictures, films and runs go to lessons_out/ in the folder where you start this
# script.
import os
from pathlib import Path
from typing import ClassVar

import gymnasium
import numpy as np
import pymunk
from gymnasium.utils.env_checker import check_env
from matplotlib.figure import Figure

from poise.envs2d.canvas import BALL_COLOUR, WOOD_COLOUR, Canvas
from poise.envs2d.planar import PlanarEnvironment
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.media.image import TEXT_COLOUR
from poise.toolkit.rewards import control_saving, gaussian_tolerance
from poise.toolkit.spaces import Action, Array, Signal
from poise.tools.record.record_run import record_episode
from poise.tools.train.command import train_with_view
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import TrainingSession

QUICK, OUT = bool(os.environ.get("POISE_QUICK")), Path("lessons_out")
G, DT, LENGTH, THICK, BEAM_MASS, RADIUS, BALL_MASS, TORQUE = (
    9.81,
    1 / 800,
    1.6,
    0.04,
    2.0,
    0.08,
    0.5,
    5.0,
)
TIME = DT * np.arange(
    1, 3201
)  # Four seconds. DT is the physics step of Poise's environments too, unless they choose another.

# %% Step 1: an empty space. Trust an engine once it has done what you can calculate: a stone falls,
# a rod of 1 m swings.
space, stone, rod = (
    pymunk.Space(),
    pymunk.Body(1, 1),
    pymunk.Body(1, 1 / 12),
)  # kg; kg m^2 about the middle
space.gravity = (0, -G)
rod.angle, rod.position = 0.1, pymunk.Vec2d(0, -0.5).rotated(0.1)
space.add(stone, rod, pymunk.PivotJoint(space.static_body, rod, (0, 0)))
rows = []
for _ in TIME:
    space.step(DT)
    rows.append((stone.position.y, rod.angle))
fall, swing = np.array(rows).T
# The engine moves a body with the speed it had before the step: t^2 becomes t (t - dt). A period:
# from one way up to the next.
assert np.allclose(fall, -G * TIME * (TIME - DT) / 2)
assert np.isclose(
    np.diff(TIME[1:][(swing[:-1] < 0) & (swing[1:] >= 0)])[0],
    2 * np.pi * np.sqrt(2 / (3 * G)),
    rtol=2e-3,
)


# %% Step 2: the environment. BaseEnvironment has written reset() and step(); we fill in the hooks
# that they call.
class BallOnBeam(PlanarEnvironment):
    """Turn a beam about its middle so that a ball stays on it, best of all in the middle."""

    OBSERVATION = (
        Signal("x", 1, -1.0, 1.0, "m", "the ball's place along the beam, 0 in the middle"),
        Signal("v", 1, -10.0, 10.0, "m/s", "the ball's velocity along the beam"),
        Signal("tilt", 1, -1.0, 1.0, "rad", "the beam's angle, positive when the right end is up"),
        Signal("turn", 1, -20.0, 20.0, "rad/s", "the beam's angular velocity"),
    )
    ACTION = (Signal("torque", 1, -TORQUE, TORQUE, "N m", "of the motor in the hinge"),)
    REWARD: ClassVar = {
        "posture": {"centred": 0.6, "low_velocity": 0.3, "control_saving": 0.1},
        "survival": {"alive": 1.0},
    }
    GROUND_LEVEL = -1.0  # Of the picture: the ball never gets there.

    def initialize_episode(self, rng: np.random.Generator) -> None:
        """The bodies at the start, in the empty self.space that reset_physics() has made; all
        chance comes from `rng`.
        """
        static, beam, self.ball = self.space.static_body, pymunk.Body(), pymunk.Body()
        beam.angle = rng.normal(0, self.settings.reset_noise_scale)
        self.ball.position = pymunk.Vec2d(rng.uniform(-0.4, 0.4), THICK / 2 + RADIUS).rotated(
            beam.angle
        )
        plank, disc = (
            pymunk.Poly.create_box(beam, (LENGTH, THICK)),
            pymunk.Circle(self.ball, RADIUS),
        )
        plank.mass, disc.mass, plank.friction, disc.friction = BEAM_MASS, BALL_MASS, 1, 1
        self.motor = pymunk.SimpleMotor(static, beam, 0)
        self.space.add(beam, self.ball, plank, disc, self.motor)
        self.add_joint(pymunk.PivotJoint(static, beam, (0, 0)))

    def apply_action(self, action: Action) -> None:
        """Effort in [-1, 1] becomes torque: a motor after a speed out of reach gives all it has,
        all the time.
        """
        self.motor.rate, self.motor.max_force = (
            (-1e6 if action[0] > 0 else 1e6),
            abs(action[0]) * TORQUE,
        )

    def read_state(self) -> None:
        """Read all bodies once: rows of x, y, angle, vx, vy, angular velocity, in the order they
        were added.
        """
        super().read_state()
        (_, _, self.tilt, _, _, self.turn), (x, y, _, vx, vy, _) = self.body_states.tolist()
        self.x, self.v = (
            pymunk.Vec2d(x, y).rotated(-self.tilt).x,
            pymunk.Vec2d(vx, vy).rotated(-self.tilt).x,
        )

    def reward_terms(self, action: Action) -> dict[str, float]:
        """What one may pay for, each in [0, 1]; REWARD says how much."""
        return {
            "alive": 1.0,
            "centred": gaussian_tolerance(self.x, 0.3),
            "low_velocity": gaussian_tolerance(self.v, 0.5),
            "control_saving": control_saving(action),
        }

    def failure_margins(self) -> dict[str, float]:
        """Two ways to fail; at 0 the episode ends."""
        return {"ball": 1 - abs(self.x) / (LENGTH / 2), "tilt": 1 - abs(self.tilt) / 0.6}

    def get_observation(self) -> Array:
        """The numbers of OBSERVATION, in its order."""
        return np.array((self.x, self.v, self.tilt, self.turn))

    def draw_scene(self, canvas: Canvas) -> None:
        """A post, beam, and the ball with a spoke that shows it roll."""
        canvas.draw_capsule((0, 0), (0, -2), 0.08, TEXT_COLOUR)
        canvas.draw_box((0, 0), self.tilt, LENGTH, THICK, WOOD_COLOUR, 0.015)
        canvas.draw_disc(self.ball.position, RADIUS, BALL_COLOUR)
        canvas.draw_capsule(
            self.ball.position, self.ball.local_to_world((0.8 * RADIUS, 0)), 0.015, TEXT_COLOUR
        )


# %% Step 3: a name, a time limit and the score that counts as solved; then train. First: how good
# is chance?
ID = "lesson/BallOnBeam-v0"
# (In a file of its own, my_world.py, the environment serves the command too: PYTHONPATH=. poise
# train my_world:lesson/BallOnBeam-v0)
gymnasium.register(ID, BallOnBeam, max_episode_steps=400, reward_threshold=360)
check_env(gymnasium.make(ID).unwrapped, skip_render_check=True)
judge, rng = Evaluator(ID, {}, 20), np.random.default_rng(0)
chance = judge(lambda seen: rng.uniform(-1, 1, (len(seen), 1))).metrics()["eval/return"]
settings = {
    "hidden_sizes": [64, 64],
    "learning_rate": 0.002,
    "batch_size": 128,
    "learning_starts": 500,
    "tau": 0.01,
    "updates_per_step": 1,
    "policy_tau": 1.0,
    "noise_color": "white",
    "layer_norm": False,
    "normalize_observations": False,
}
request = TrainRequest(
    env=ID,
    algorithm="sac",
    training={"steps": 2500 if QUICK else 10_000, "num_envs": 1, "evaluate_every": 500},
    settings=settings,
    runs_dir=OUT / "runs",
)
outcome = train_with_view(TrainingSession.create(request))
assert outcome.metrics["eval/return"] > 2 * chance
record_episode(outcome.run, OUT / "01_ball_on_beam.mp4", size=480, hud=True)
left, curve = Figure(figsize=(10, 4), layout="constrained").subplots(1, 2)
left.plot(TIME, 0.1 * np.cos(np.sqrt(1.5 * G) * TIME), "C0", TIME[::80], swing[::80], "C1.")
left.set(
    title="A hanging rod: the formula (line), the engine (dots)",
    xlabel="time (s)",
    ylabel="angle (rad)",
)
steps, _, returns, _, _ = np.loadtxt(outcome.run.path / "episodes.csv", delimiter=",", skiprows=1).T
curve.plot(steps, returns, "C0.-", [0, outcome.progress.step], [chance, chance], "C1--")
curve.set(title="Learning: dots are episodes, dashed is chance", xlabel="step", ylabel="return")
left.figure.savefig(OUT / "01_a_world_of_your_own.png")


# %% Three exercises. Each has a check that takes your answer and says whether it is right.
def check_exercise_1(share: float) -> bool:
    """1. The engine holds the beam at a tilt; the ball, I = m r^2 / 2, rolls with a share of g
    sin(tilt). Derive it.
    """
    env = BallOnBeam(reset_noise_scale=0.2)
    env.reset(seed=1)  # apply_action() has told the motor nothing yet: it holds the beam still.
    for _ in range(80):
        env.step_physics(DT)
    env.read_state()
    return bool(np.isclose(env.v, -share * G * np.sin(env.tilt) * 0.1, rtol=0.02))


def check_exercise_2(k: float) -> bool:
    """2. A torque of k x holds the beam level under a ball that rests at x. Find k (N)."""
    env = BallOnBeam(reset_noise_scale=0)
    x = env.reset(seed=3)[0][0]
    return bool(abs([env.step(np.array([k * x / TORQUE]))[0][2] for _ in range(25)][-1]) < 0.005)


def check_exercise_3(gains: tuple[float, float, float, float]) -> bool:
    """3. Be the learner: find four gains with which the effort gains . (x, v, tilt, turn) earns
    more than 360.
    """
    return (
        judge(lambda seen: np.clip(seen @ np.array([gains]).T, -1, 1)).metrics()["eval/return"]
        > 360
    )


# %% The answers, each with a wrong one that the check refuses. Look when you have tried.
assert check_exercise_1(2 / 3) and not check_exercise_1(1.0)
assert check_exercise_2(BALL_MASS * G) and not check_exercise_2(2 * BALL_MASS * G)
assert check_exercise_3((1.5, 1, -4, -1)) and not check_exercise_3((-1, -1, -4, -1))
