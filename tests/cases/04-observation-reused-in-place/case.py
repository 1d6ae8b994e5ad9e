# A world that hands out one and the same array every time and writes into it. What is remembered must not change afterwards.
from lib import *
import numpy as np
from poise import algos
from poise.toolkit.experience import EnvBatch, run_episode
from poise.toolkit.evaluation import Evaluator
from poise.toolkit.registry import make_env
import worlds04
W = EnvBatch("worlds04:OneArray-v0", 2, 0)
for step in range(1, 12):
    t = W.step(np.zeros((2, 1), np.float32))
    before = (step - 1) % 7
    check(np.allclose(t.observation[:, 0], before) and np.allclose(t.next_observation[:, 0], before + 1), f"step {step}: s={t.observation[:,0]} s2={t.next_observation[:,0]}")
seen = []
def act(o): seen.append(o[:, 0].copy()); return np.zeros((len(o), 1), np.float32)
E = Evaluator("worlds04:OneArray-v0", {}, 3); E(act)
check([list(x) for x in seen] == [[i] * 3 for i in range(7)], f"evaluation sees {[x[0] for x in seen]}")
lived = list(run_episode(make_env("worlds04:OneArray-v0"), act, 0))
check([float(m.observation[0]) for m in lived] == [float(i) for i in range(8)], f"moments of an episode keep what was seen: {[float(m.observation[0]) for m in lived]}")
rc, out = poise("train", "worlds04:OneArray-v0", "--algo", "ppo", "--steps", "130", "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", "one", "--no-video")
check(rc == 0, f"training: exit {rc}: {tail(out, 1)}")
rc, out = poise("record", "one", "--tape", "one.tape", "--out", "one.mp4"); check(rc == 0, f"record --tape: exit {rc}: {tail(out, 1)}")
rc, out = poise("replay", "one.tape", "--out", "again.mp4"); check(rc == 0, f"replay of the tape just made: exit {rc}: {tail(out, 1)}")
end()
