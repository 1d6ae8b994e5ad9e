# A reward that is an array of shape (1,), as worlds that compute it from an action of shape (1,) tell; an int, a bool, a 0-d array.
from lib import *
import worlds06
for name in ("Array1", "Array0", "Whole", "Boolean"):
    rc, out = poise("train", f"worlds06:{name}-v0", "--algo", "ppo", "--steps", "130", "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", name, "--no-video")
    check(rc == 0 or one_line(rc, out), f"{name}: exit {rc}: {tail(out, 1)}")
end()
