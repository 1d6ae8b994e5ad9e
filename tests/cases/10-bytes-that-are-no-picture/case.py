# Observations of type uint8 that are a vector (the memory of a game, a board), alone or in a Dict, with and without normalizing.
from lib import *
import worlds10
for algo, more in (("ppo", ["rollout_steps=64", "epochs=1"]), ("sac", ["learning_starts=40", "batch_size=16"]), ("td3", ["learning_starts=40", "batch_size=16"])):
    for normalize in ("true", "false"):
        words = [w for s in (*more, "evaluate_every=0", "hidden_sizes=[8,8]", f"normalize_observations={normalize}") for w in ("--set", s)]
        rc, out = poise("train", "worlds10:Memory-v0", "--algo", algo, "--steps", "130", *words, "--run", f"m-{algo}-{normalize}", "--no-video")
        check(rc == 0 or one_line(rc, out), f"{algo} normalize={normalize}: exit {rc}: {tail(out, 1)}")
rc, out = poise("train", "worlds10:InDict-v0", "--algo", "ppo", "--steps", "130", "--set", "normalize_observations=false", "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", "d", "--no-video")
check(rc == 0 or one_line(rc, out), f"all of a Dict is uint8, ppo normalize=false: exit {rc}: {tail(out, 1)}")
end()
