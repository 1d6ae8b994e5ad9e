# 16 bits, grey, a palette with a clear colour, alpha, one bit, CMYK, interlaced: a red square on green, by `mimic --image` and by images-to-video.
from lib import *
from media import *
import numpy as np
from PIL import Image
from pathlib import Path
from poise.tools.mimic.targets import load_image_targets
base = np.zeros((64, 64, 3), np.uint8); base[:] = (0, 160, 0); base[16:48, 16:48] = (220, 0, 0); im = Image.fromarray(base); P = Path("work/p"); P.mkdir()
im.save(P / "1_rgb.png"); im.convert("P", palette=Image.Palette.ADAPTIVE).save(P / "2_palette.png"); im.convert("CMYK").save(P / "3_cmyk.jpg", quality=98)
im.convert("L").save(P / "4_grey.png"); Image.fromarray((np.asarray(im.convert("L")).astype(np.uint16) * 257)).save(P / "5_grey16.png")
alpha = np.dstack([base, np.full((64, 64), 255, np.uint8)]); alpha[:8, :, :3] = 0; alpha[:8, :, 3] = 0; Image.fromarray(alpha).save(P / "6_alpha.png")
t = im.convert("P", palette=Image.Palette.ADAPTIVE); t.putpixel((0, 0), 250); t.save(P / "7_clear.png", transparency=250)
import zlib, struct
def png(path, depth, colour, rows):
    chunk = lambda n, d: struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d))
    raw = b"".join(b"\0" + r for r in rows); open(path, "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, depth, colour, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))
png(P / "8_rgb16.png", 16, 2, [(r.astype(">u2") * 257).tobytes() for r in base])
im.convert("L").point(lambda v: 255 if v > 80 else 0).convert("1").save(P / "9_bit.png"); im.save(P / "10_progressive.jpg", quality=98, progressive=True, subsampling=0)
grey_in, grey_out = (int(Image.fromarray(base).convert("L").getpixel(x)) for x in ((30, 30), (5, 30)))
wanted = {}
for path in sorted(P.iterdir(), key=lambda p: int(p.name.split("_")[0])):
    a, b = ((grey_in,) * 3, (grey_out,) * 3) if "grey" in path.name else ((0, 0, 0), (255, 255, 255)) if "bit" in path.name else ((220, 0, 0), (0, 160, 0)); wanted[path.name] = a, b
    try:
        p = load_image_targets([path], (64, 64))[0].image; check(near(p[30, 30], a, 30) and near(p[30, 5], b, 30), f"mimic --image {path.name}: middle {p[30, 30]}, edge {p[30, 5]}")
        if "alpha" in path.name: check(near(p[3, 30], (255, 255, 255)), f"mimic --image {path.name}: under what is clear {p[3, 30]}")
    except Exception as error: check(False, f"mimic --image {path.name}: {type(error).__name__}: {error}")
rc, out = poise("images-to-video", "p", "--out", "p.mp4", "--fps", "5"); fs = frames("work/p.mp4") if not rc else []
check(rc == 0 and len(fs) == 10, f"images-to-video: exit {rc}, {len(fs)} frames; {tail(out, 1)}")
for f, (name, (a, b)) in zip(fs, wanted.items()): check(near(f[30, 30], a, 40) and near(f[30, 5], b, 40), f"images-to-video {name}: middle {f[30, 30]}, edge {f[30, 5]}")
end()
