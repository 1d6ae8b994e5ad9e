# Films of worlds that draw oddly: a rate that is a fraction, below one, None, missing or text; grey, alpha, float pictures, another size half-way, one pixel, None.
from lib import *
from media import *
import json, worlds20
rc, out = poise("train", "worlds20:Plain-v0", "--algo", "ppo", "--steps", "130", "--set", "rollout_steps=64", "--set", "epochs=1", "--set", "evaluate_every=0", "--run", "r", "--no-video")
assert rc == 0, out
conf = json.loads(open("work/runs/r/config.json").read())
def as_run(world):
    conf["env"] = f"worlds20:{world}-v0"; open("work/runs/r/config.json", "w").write(json.dumps(conf))
for world, wanted in (("Plain", 8 / 20), ("R12_5", 8 / 12.5), ("R29_97", 8 / 29.97), ("R0_5", 16.0), ("RNone", 8 / 30), ("RMissing", 8 / 30), ("RText", 8 / 30)):
    as_run(world); rc, out = poise("record", "r", "--out", f"{world}.mp4")
    if rc: check(one_line(rc, out), f"{world}: exit {rc}: {tail(out, 1)}"); continue
    length, n = seconds(f"work/{world}.mp4"); check(n == 8 and abs(length - wanted) < .03 * wanted, f"{world}: {n} frames, {length:.3f} s, in the world {wanted:.3f} s")
for world in ("Grey", "Grey1", "Alpha", "Floats", "Grows", "Pixel", "Nothing", "ListOf", "Odd", "ColumnMajor"):
    as_run(world); rc, out = poise("record", "r", "--out", f"{world}.mp4"); check(rc == 0 or one_line(rc, out), f"{world}: exit {rc}: {tail(out, 1)}")
end()
