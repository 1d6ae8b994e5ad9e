# One part of an action that cannot move (low = high); whole-number bounds; bounds as far as float32 goes. Right: it works, or one line refuses it.
# Never: a NaN or infinite action handed to the world.
from lib import *
import json, numpy as np
import worlds08
for name in ("Still", "Whole", "Vast", "Vast64", "NoShape"):
    rc, out = poise("train", f"worlds08:{name}-v0", "--steps", "260", "--algo", "ppo", "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", name, "--no-video")
    got = [json.loads(l) for l in open("work/handed.txt")] if os.path.exists("work/handed.txt") else []
    odd = [g for g in got if not np.isfinite(np.array(g, float)).all()]
    check(not odd and (rc == 0 or one_line(rc, out)), f"{name}: exit {rc}, {len(odd)} of {len(got)} actions handed over are not finite, e.g. {odd[:1]}; {tail(out, 1)}")
    if got: os.remove("work/handed.txt")
end()
