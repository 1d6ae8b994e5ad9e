# A film from a telephone: stored lying, 96 x 64, with the note that it stands, turned by 90, 180 or 270 degrees. As shown its top is red.
from lib import *
from media import *
import numpy as np
for degrees in (90, 180, 270):
    shown = np.zeros((96, 64, 3) if degrees != 180 else (64, 96, 3), np.uint8); shown[..., 2] = 200; shown[: len(shown) // 3] = (220, 0, 0)
    stored = np.rot90(shown, degrees // 90)  # counter-clockwise: turned clockwise again when shown
    film(f"work/{degrees}.mp4", [stored] * 6); rotate(f"work/{degrees}.mp4", degrees)
    with av.open(f"work/{degrees}.mp4") as c: told = next(c.decode(video=0)).rotation
    rc, out = poise("combine", f"{degrees}.mp4", "--caption", "", "--out", f"{degrees}-out.mp4")
    if rc: check(False, f"{degrees}: exit {rc} {tail(out)}"); continue
    f = frames(f"work/{degrees}-out.mp4")[0]; h, w = f.shape[:2]
    check(((h > w) == (degrees != 180)) and near(f[10, w // 2], (220, 0, 0), 40) and near(f[h - 12, w // 2], (0, 0, 200), 40), f"combine, turned by {degrees} (PyAV tells {told}): {w} x {h}, top {f[10, w // 2]}, bottom {f[h - 12, w // 2]}")
    from poise.tools.mimic.targets import load_video_targets
    from pathlib import Path
    try:
        p = load_video_targets(Path(f"work/{degrees}.mp4"), shown.shape[:2])[0].image; check(near(p[3, p.shape[1] // 2], (220, 0, 0), 40), f"mimic --video, turned by {degrees}: top {p[3, p.shape[1] // 2]}")
    except Exception as error: check(False, f"mimic --video, turned by {degrees}: {type(error).__name__}: {error}")
end()
