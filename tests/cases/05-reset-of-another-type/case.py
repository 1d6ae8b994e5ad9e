# reset() answers in whole numbers (np.zeros(2, int), np.array([0, 1])), step() in fractions, as the space says. No fraction may be lost.
from lib import *
import numpy as np
from poise import algos
from poise.toolkit.experience import EnvBatch
from poise.toolkit.registry import make_env
import worlds05
for name in ("IntReset", "BoolReset", "Int32Reset", "Float16Reset"):
    W = EnvBatch(f"worlds05:{name}-v0", 2, 0); true = make_env(f"worlds05:{name}-v0"); true.reset(seed=0)
    worst = 0.0
    for step in range(5):
        t = W.step(np.zeros((2, 1), np.float32)); o = true.step(np.zeros(1, np.float32))[0]
        worst = max(worst, float(np.abs(t.next_observation[0].astype(float) - o).max()))
    check(worst < 1e-3, f"{name}: what the learner is shown differs from what the world told by up to {worst:.2f}; type {t.next_observation.dtype}")
# What it costs: the sign of a fraction in the observation says which action pays.
for name in ("Sign", "SignInt"):
    rc, out = poise("train", f"worlds05:{name}-v0", "--algo", "ppo", "--steps", "6000", "--num-envs", "4", "--set", "rollout_steps=64", "--set", "evaluate_every=6000", "--set", "learning_rate=0.003", "--run", name, "--no-video")
    import json, pathlib
    got = json.loads(pathlib.Path(f"work/runs/{name}/summary.json").read_text()).get("eval/return")
    print(f"       {name}: return in evaluation {got}, of 8 possible"); globals()[name] = got
check(SignInt > 0.8 * Sign, f"training on the same world comes to {SignInt:.2f} where reset() tells ints, to {Sign:.2f} where it tells floats")
end()
