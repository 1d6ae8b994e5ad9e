# Films whose colours are coded by BT.709 or over the full range, and say so; 10 bits; pixels that are no squares. Poise's own film too.
from lib import *
from media import *
import numpy as np
from pathlib import Path
from poise.toolkit.media.video import read_video, VideoRecorder
from av.video.reformatter import Colorspace, ColorRange
bars = [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40), (128, 128, 128), (20, 20, 20), (235, 235, 235), (230, 120, 30)]
p = np.zeros((64, 128, 3), np.uint8)
for i, c in enumerate(bars): p[:, i * 16:(i + 1) * 16] = c
def worst(picture, scale=1): return max(max(abs(int(a) - b) for a, b in zip(picture[picture.shape[0] // 2, int((i * 16 + 8) * scale)], c)) for i, c in enumerate(bars))
with VideoRecorder(Path("work/own.mp4"), 10) as r:
    for _ in range(4): r.add(p)
film("work/plain.mp4", [p] * 4, pix="yuv444p")
def tagged(path, matrix, full, pix="yuv444p"):
    with av.open(path, "w") as c:
        s = c.add_stream("libx264", rate=10); s.height, s.width = p.shape[:2]; s.pix_fmt = pix; s.options = {"crf": "1", "preset": "ultrafast", "x264-params": f"colormatrix={matrix}:colorprim=bt709:transfer=bt709:fullrange={'on' if full else 'off'}"}
        cs = Colorspace.ITU709 if matrix == "bt709" else Colorspace.ITU601
        for _ in range(4):
            v = av.VideoFrame.from_ndarray(p, format="rgb24").reformat(format=pix, dst_colorspace=cs, dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG)
            v.colorspace, v.color_range = int(cs), 2 if full else 1; v.pts = None; c.mux(s.encode(v))
        c.mux(s.encode(None))
tagged("work/709.mp4", "bt709", False); tagged("work/709full.mp4", "bt709", True); tagged("work/601full.mp4", "smpte170m", True); tagged("work/709ten.mp4", "bt709", False, "yuv444p10le")
for name in ("own", "plain", "709", "709full", "601full", "709ten"):
    f = next(iter(read_video(Path(f"work/{name}.mp4")))); check(worst(f) <= 12, f"read {name}.mp4: colours are off by up to {worst(f)} of 255")
    rc, out = poise("combine", f"{name}.mp4", "--caption", "", "--out", f"{name}-out.mp4")
    if rc: check(False, f"combine {name}: exit {rc} {tail(out)}"); continue
    f = next(iter(read_video(Path(f"work/{name}-out.mp4"))))[4:-4, 4:-4]; check(worst(f) <= 16, f"combine {name}.mp4: colours are off by up to {worst(f)}")
film("work/wide.mp4", [p] * 4, sar=Fraction(2, 1)); rc, out = poise("combine", "wide.mp4", "--caption", "", "--out", "wide-out.mp4"); f = frames("work/wide-out.mp4")[0]
check(abs((f.shape[1] - 8) / (f.shape[0] - 8) - 4.0) < .3, f"combine, pixels twice as wide as high: {f.shape[1] - 8} x {f.shape[0] - 8}, shown it is 256 x 64")
end()
