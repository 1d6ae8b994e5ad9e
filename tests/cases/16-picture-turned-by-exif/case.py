# A photograph stored lying with an EXIF note that it is to be turned: JPEG and PNG; as shown its top is red.
from lib import *
from media import *
import numpy as np
from PIL import Image
from pathlib import Path
from poise.tools.mimic.targets import load_image_targets
shown = np.zeros((96, 64, 3), np.uint8); shown[..., 2] = 200; shown[:32] = (220, 0, 0)
stored = {6: np.rot90(shown, 1), 8: np.rot90(shown, 3), 3: np.rot90(shown, 2), 2: shown[:, ::-1]}
for kind in ("jpg", "png"):
    for number, picture in stored.items():
        os.makedirs(f"work/{kind}{number}"); e = Image.Exif(); e[0x112] = number
        Image.fromarray(np.ascontiguousarray(picture)).save(f"work/{kind}{number}/a.{kind}", exif=e, **({"quality": 98} if kind == "jpg" else {}))
        try:
            p = load_image_targets([Path(f"work/{kind}{number}/a.{kind}")], (96, 64))[0].image; check(near(p[6, 32], (220, 0, 0), 30), f"mimic --image, {kind}, orientation {number}: top {p[6, 32]}")
        except Exception as error: check(False, f"mimic --image, {kind}, orientation {number}: {type(error).__name__}: {error}")
        rc, out = poise("images-to-video", f"{kind}{number}", "--out", f"{kind}{number}.mp4")
        f = frames(f"work/{kind}{number}.mp4")[0] if not rc else np.zeros((2, 2, 3), np.uint8); h, w = f.shape[:2]
        check(rc == 0 and h > w and near(f[6, w // 2], (220, 0, 0), 40), f"images-to-video, {kind}, orientation {number}: {w} x {h}, top {f[min(6, h - 1), w // 2]}")
end()
