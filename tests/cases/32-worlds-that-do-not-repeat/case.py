# A world that draws its chance from the global generator, and one that counts its episodes and refuses a step after the end: what does --resume say?
from lib import *
import worlds32
for name in ("Global", "Strict", "Counts"):
    w = ("--algo", "ppo", "--num-envs", "2", "--set", "rollout_steps=32", "--set", "epochs=1", "--set", "evaluate_every=0", "--no-video")
    rc, out = poise("train", f"worlds32:{name}-v0", "--steps", "333", *w, "--run", name); check(rc == 0, f"{name}: exit {rc} {tail(out, 1)}")
    rc, out = poise("train", "--resume", name, "--steps", "700", "--no-video"); check(rc == 0 or one_line(rc, out), f"{name} --resume: exit {rc}: {tail(out, 1)}")
end()
