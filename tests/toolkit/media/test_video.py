"""Videos: frames read back as written, in a format that browsers play and that survives a kill."""

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

import av
import gymnasium
import numpy as np
import pytest
from commands import invoke, said
from frames import frame
from processes import HELPERS, ROOT
from sample_envs import make
from sample_runs import start_run

from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import run_episode
from poise.toolkit.media.gif import GifRecorder
from poise.toolkit.media.video import (
    MAX_PENDING_FRAMES,
    VideoRecorder,
    open_recorder,
    read_frame_rate,
    read_video,
)
from poise.toolkit.registry import make_random_policy
from poise.toolkit.run import Run
from poise.tools.record.record_run import (
    get_frame_rate,
    make_render_env,
    record_episode,
    record_steps,
)


def write_video(path, frames, rate=25):
    """Write frames to a video file."""
    with VideoRecorder(path, rate) as recorder:
        for image in frames:
            recorder.add(image)
    return path


@pytest.mark.parametrize("number", [1, 2, MAX_PENDING_FRAMES + 3, 60])
def test_frames_read_back_equal_frames_added(tmp_path, number):
    added = [frame(7 * index) for index in range(number)]
    decoded = list(read_video(write_video(tmp_path / "video.mp4", added)))
    assert len(decoded) == number
    for one, two in zip(added, decoded, strict=True):
        assert two.shape == one.shape and two.dtype == np.uint8
        assert np.abs(one.astype(int) - two.astype(int)).mean() < 6.0, "lossy, but the same image"


def test_video_format_is_playable_in_browsers(tmp_path):
    path = write_video(tmp_path / "video.mp4", [frame(index) for index in range(50)], rate=50)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert "mp4" in container.format.name
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 50
        times = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.pts is not None
        ]
        assert max(times) - min(times) == pytest.approx(49 / 50)
    atoms = path.read_bytes()
    assert 0 < atoms.index(b"moov") < atoms.index(b"moof"), (
        "the index comes first, then the fragments"
    )


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 97), (17, 30), (101, 64)])
def test_odd_sizes_lose_one_pixel(tmp_path, height, width):
    added = frame(50, height, width)
    decoded = next(read_video(write_video(tmp_path / "video.mp4", [added])))
    assert decoded.shape == (height // 2 * 2, width // 2 * 2, 3)
    assert np.abs(decoded.astype(int) - added[: height // 2 * 2, : width // 2 * 2]).mean() < 6.0


def test_frame_may_be_overwritten_after_add(tmp_path):
    """Frames wait for the encoder, so that add must not keep a reference to the caller's array."""
    env = make("poise/Cartpole-v0", "rgb_array", width=64, height=64)
    env.reset(seed=0)
    kept = []
    with VideoRecorder(tmp_path / "video.mp4", 25) as recorder:
        for _ in range(20):
            image = env.render()
            kept.append(image.copy())
            recorder.add(image)
            env.step(np.array([1.0], np.float32))
    for one, two in zip(kept, read_video(tmp_path / "video.mp4"), strict=True):
        assert np.abs(one.astype(int) - two.astype(int)).mean() < 6.0


def test_same_frames_give_byte_identical_video(tmp_path):
    drawn = []
    env = make("poise/Cartpole-v0", "rgb_array", width=96, height=96)
    env.reset(seed=0)
    for _ in range(22):
        drawn.append(env.render())
        env.step(np.array([0.3], np.float32))
    made = {write_video(tmp_path / "video.mp4", drawn, 50).read_bytes() for _ in range(40)}
    assert len(made) == 1


def test_frame_of_another_size_is_refused(tmp_path):
    with VideoRecorder(tmp_path / "video.mp4", 25) as recorder:
        recorder.add(frame(1))
        with pytest.raises(ValueError, match="in a video of 96 x 64"):
            recorder.add(frame(1, 32, 32))
        recorder.add(frame(2))
    assert len(list(read_video(tmp_path / "video.mp4"))) == 2


def test_closing_twice_without_frames_is_no_error(tmp_path):
    recorder = VideoRecorder(tmp_path / "video.mp4", 25)
    recorder.close()
    recorder.close()


def test_frames_added_before_an_error_are_kept(tmp_path):
    with (
        pytest.raises(RuntimeError, match="mine"),
        VideoRecorder(tmp_path / "a" / "video.mp4", 25) as recorder,
    ):
        for index in range(30):
            recorder.add(frame(index))
        raise RuntimeError("mine")
    assert len(list(read_video(tmp_path / "a" / "video.mp4"))) == 30


RECORD_FOR_EVER = """
import pathlib, sys
from commands import invoke, said
from frames import frame
from poise.toolkit.media.video import VideoRecorder
recorder = VideoRecorder(pathlib.Path(sys.argv[1]), 10)
for index in range(1_000_000):
    recorder.add(frame(index))
    if index == 200:
        print("ready", flush=True)
"""


def test_kill_while_recording_leaves_a_readable_video(tmp_path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")]),
    }
    for turn in range(3):
        path = tmp_path / f"{turn}.mp4"
        command = [sys.executable, "-c", RECORD_FOR_EVER, str(path)]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, env=environment, cwd=ROOT
        ) as recorder:
            assert recorder.stdout.readline() == b"ready\n"
            time.sleep(0.03 * turn)
            recorder.kill()
        frames = list(read_video(path))
        assert len(frames) >= 100
        assert np.abs(frames[99].astype(int) - frame(99)).mean() < 6.0


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100, None])
def test_reading_another_file_as_video_is_user_error(tmp_path, content):
    path = tmp_path / "video.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"video\.mp4 cannot be read as a video"):
        list(read_video(path))


def test_reading_sound_as_video_is_user_error(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(
            np.zeros((1, 800), np.int16), format="s16", layout="mono"
        )
        sound.sample_rate, sound.time_base = 8000, Fraction(1, 8000)
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match="contains no images"):
        list(read_video(path))


def test_truncated_video_is_read_to_its_end(tmp_path):
    path = write_video(tmp_path / "video.mp4", [frame(index) for index in range(100)], rate=10)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert 30 <= len(list(read_video(path))) < 100


def test_gif_of_50_hz_keeps_every_other_frame_in_real_time(tmp_path):
    path = tmp_path / "video.gif"
    with open_recorder(path, 50) as recorder:
        for index in range(21):
            recorder.add(frame(index))
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        assert len(frames) == 11 and frames[0].to_ndarray(format="rgb24").shape == (64, 96, 3)
        assert float(frames[-1].time - frames[0].time) == pytest.approx(10 / 25, abs=0.02)


@pytest.mark.parametrize("suffix", ["mp4", "gif"])
@pytest.mark.parametrize("rate", [0.5, 1 / 3, 7, 12.5, 29.97])
def test_fractional_frame_rate_plays_in_real_time(tmp_path, suffix, rate):
    path = tmp_path / f"video.{suffix}"
    with open_recorder(path, rate) as recorder:
        for index in range(9):
            recorder.add(frame(20 * index))
    assert read_frame_rate(path) == pytest.approx(rate, rel=0.03)
    with av.open(str(path)) as container:
        times = [float(image.time) for image in container.decode(video=0)]
    assert times[-1] - times[0] == pytest.approx(8 / rate, rel=0.03)


@pytest.mark.parametrize("name", ["video.mp4", "video.gif", "video.MP4", "video.GIF"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 3), (40, 2)])
def test_tiny_images_are_recorded_in_the_format_of_the_suffix(tmp_path, name, shape):
    with open_recorder(tmp_path / name, 10) as recorder:
        for _ in range(3):
            recorder.add(np.full((*shape, 3), 120, np.uint8))
    with av.open(str(tmp_path / name)) as container:
        assert name[-3:].lower() in container.format.name
    frames = list(read_video(tmp_path / name))
    assert len(frames) == 3 and abs(float(frames[0].mean()) - 120) < 6


@pytest.mark.parametrize("suffix", [".mp4", ".gif"])
def test_image_that_no_encoder_takes_is_one_error_and_leaves_no_file(suffix, tmp_path):
    path = tmp_path / f"film{suffix}"
    image = np.broadcast_to(np.uint8(9), (2, 20_000, 3))
    with pytest.raises(WorkError, match="20000 x 2"), open_recorder(path, 10) as recorder:
        recorder.add(image)
    assert not list(tmp_path.iterdir())


def test_gif_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "video.gif"
    recorder = GifRecorder(path, 10)
    for index in range(5):
        recorder.add(frame(20 * index))
        assert not path.exists(), "a kill here would leave an unreadable file"
    recorder.close()
    assert len(list(read_video(path))) == 5
    assert [item.name for item in tmp_path.iterdir()] == ["video.gif"]


def test_gif_keeps_the_frames_before_an_error(tmp_path):
    path = tmp_path / "video.gif"
    with pytest.raises(RuntimeError, match="mine"), GifRecorder(path, 10) as recorder:
        for index in range(5):
            recorder.add(frame(20 * index))
        raise RuntimeError("mine")
    assert len(list(read_video(path))) == 5


def test_video_states_how_its_colours_are_coded(tmp_path):
    path = write_video(tmp_path / "video.mp4", [frame(40)] * 3)
    with av.open(str(path)) as container:
        image = next(container.decode(video=0))
    assert (image.colorspace, image.color_range) == (6, 1), "BT.601, limited range"


@pytest.mark.parametrize("name", ["video.avi", "video", "video.mp3"])
def test_unknown_video_suffix_is_user_error(tmp_path, name):
    with pytest.raises(UserError, match=r"\.mp4"), open_recorder(tmp_path / name, 25):
        pass
    assert list(tmp_path.iterdir()) == []


# Videos of runs.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run too short to have learned anything."""
    return start_run(tmp_path_factory.mktemp("runs"), steps=60, evaluate_every=0).run


def test_recorded_episode_has_one_frame_for_start_and_each_step(run, tmp_path):
    path = record_episode(run, tmp_path / "video.mp4", size=64, tape=tmp_path / "tape")
    from poise.toolkit.tape import Tape

    steps = len(Tape.load(tmp_path / "tape").actions)
    frames = list(read_video(path))
    assert len(frames) == steps + 1
    assert frames[0].shape == (64, 64, 3)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 50, (
            "one second of simulation is one second of video"
        )


def test_recording_depends_on_seed_only(run, tmp_path):
    def frames(name: str, seed: int) -> bytes:
        return b"".join(
            image.tobytes()
            for image in read_video(record_episode(run, tmp_path / name, seed=seed, size=64))
        )

    first = frames("a.mp4", EVALUATION_SEED)
    assert frames("b.mp4", EVALUATION_SEED) == first
    assert frames("c.mp4", EVALUATION_SEED + 1) != first


def test_hud_changes_images_and_not_the_episode(run, tmp_path):
    plain = list(read_video(record_episode(run, tmp_path / "plain.mp4", size=128)))
    with_hud = list(read_video(record_episode(run, tmp_path / "hud.mp4", size=128, hud=True)))
    assert len(plain) == len(with_hud)
    pairs = zip(plain, with_hud, strict=True)
    assert all(np.abs(two[:128].astype(int) - one).mean() < 6.0 for one, two in pairs)
    assert {frame.shape[1] for frame in with_hud} == {128}
    assert {frame.shape[0] > 128 for frame in with_hud} == {True}


def test_env_of_another_package_is_recorded_at_its_frame_rate():
    env = make_render_env("Pendulum-v1", {}, {"hud": False})
    env.reset(seed=0)
    assert env.render().ndim == 3 and get_frame_rate(env) == 30
    env.close()


@pytest.mark.parametrize(
    ("declared", "frame_rate"),
    [
        (12.5, 12.5),
        (0.5, 0.5),
        (np.float32(60), 60),
        (1000, 1000),
        (None, 30),
        ("30 fps", 30),
        (0, 30),
        (-5, 30),
        (True, 30),
        (float("nan"), 30),
        (float("inf"), 30),
        (1e9, 30),
    ],
)
def test_frame_rate_is_the_declared_one_if_it_is_a_rate(declared, frame_rate):
    env = gymnasium.Env()
    env.metadata = {"render_fps": declared}
    assert get_frame_rate(env) == frame_rate
    env.metadata = {}
    assert get_frame_rate(env) == 30


class Rendering(gymnasium.Env):
    """Five steps; renders an image of what `IMAGES` holds for each."""

    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Box(-1, 1, (1,))
    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 20}
    IMAGES: ClassVar = []

    def __init__(self, render_mode=None):
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.steps += 1
        return np.zeros(1, np.float32), 0.0, False, self.steps >= 5, {}

    def render(self):
        return self.IMAGES[min(self.steps, len(self.IMAGES) - 1)]


@pytest.fixture
def rendering(monkeypatch):
    """A registered environment whose images a test may choose."""
    gymnasium.register("Rendering-v0", entry_point=Rendering)
    yield lambda *images: monkeypatch.setattr(Rendering, "IMAGES", images)
    del gymnasium.registry["Rendering-v0"]


def record_random_episode(path):
    env = make_render_env("Rendering-v0", {}, {})
    steps = run_episode(env, make_random_policy(env, 0), 0)
    return record_steps(env, steps, path)


def test_images_of_changing_size_are_fitted_into_the_first(rendering, tmp_path):
    rendering(*(np.full((size, size, 3), 200, np.uint8) for size in (32, 32, 64, 16, 33, 32)))
    record_random_episode(tmp_path / "video.mp4")
    frames = list(read_video(tmp_path / "video.mp4"))
    assert len(frames) == 6 and {image.shape for image in frames} == {(32, 32, 3)}
    assert all(abs(float(image.mean()) - 200) < 6 for image in frames)


@pytest.mark.parametrize("images", [[None], [np.zeros((8, 8, 3), np.uint8), "no image"]])
def test_env_that_renders_no_image_is_one_error_and_leaves_no_file(rendering, tmp_path, images):
    rendering(*images)
    with pytest.raises(WorkError, match="'Rendering-v0' cannot be rendered: it returns"):
        record_random_episode(tmp_path / "video.mp4")
    assert list(tmp_path.iterdir()) == []


def test_training_is_complete_where_its_video_fails(rendering, elsewhere):
    rendering(np.zeros((8, 8, 3), np.uint8), "no image")
    words = ("--steps", "128", "--algo", "ppo", "--run", "mine", "--set", "rollout_steps=64")
    output = said(invoke("train", "Rendering-v0", *words, "--set", "evaluate_every=0"))
    assert "no video: environment 'Rendering-v0' cannot be rendered: it returns a str" in output
    assert Run(Path("runs/mine")).load_checkpoint()[1]
    assert not list(Path("runs/mine").rglob("*.mp4"))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_sdls_dummy_driver_is_no_display_for_other_libraries(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "MUJOCO_GL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    make_render_env("poise/Cartpole-v0", {}, {}).close()
    assert os.environ["MUJOCO_GL"] == "egl" and os.environ["SDL_VIDEODRIVER"] == "dummy"
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("MUJOCO_GL")
    make_render_env("poise/Cartpole-v0", {}, {}).close()
    assert "MUJOCO_GL" not in os.environ


def test_env_without_rendering_is_user_error():
    with pytest.raises(UserError, match="cannot be rendered: it has no rgb_array mode"):
        make_render_env("probe/Counter-v0", {}, {})
