# Worlds in spawned processes. A world of a module of one's own, module:Name-v0, with one worker and with two. Then (by the Python interface, as the
# command does not get that far) an error that cannot be pickled, or not be made anew from its words: it must be told, and the end must come in time.
from lib import *
import worlds21, numpy as np
if __name__ == "__main__":
    for workers in (1, 2):
        rc, out = poise("train", "worlds21:Plain-v0", "--algo", "ppo", "--steps", "400", "--num-envs", "2", "--num-workers", str(workers), "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", f"w{workers}", "--no-video", timeout=100)
        check(rc == 0, f"worlds21:Plain-v0 workers={workers}: exit {rc} {tail(out, 1)}")
    rc, out = poise("inspect", "worlds21:Plain-v0", timeout=100); check(rc == 0, f"inspect worlds21:Plain-v0: exit {rc} {tail(out, 1)}")
    from poise.toolkit.experience import SubprocessEnvBatch
    import threading
    for name in ("TwoWords", "Locked", "Exits"):
        told = []
        def live():
            try:
                W = SubprocessEnvBatch(f"{name}-v0", 2, 0, {}, 2)
                for _ in range(9): W.step(np.zeros((2, 1), np.float32))
            except BaseException as error: told.append(f"{type(error).__name__}: {error}")
        t = threading.Thread(target=live, daemon=True); t.start(); t.join(60)
        check(bool(told) and "the motor is hot" in told[0], f"{name}: {told[0][:150] if told else 'no answer for 60 s'}")
    end()
