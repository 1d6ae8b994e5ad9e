"""A playground without a display, and a person at it."""

import pygame
import pytest
from poise.toolkit.media.window import Window
from poise.tools.play.playground import Playground
from poise.tools.play.session import PlaySession
from poise.tools.record.record_run import make_render_env
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import start_training

TICK = 0.02


SMALL = {"width": 64, "height": 64}


@pytest.fixture(autouse=True)
def dummy_display(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    yield
    pygame.display.quit()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run too short to have learned anything, with two checkpoints."""
    runs = tmp_path_factory.mktemp("runs")
    training = {"steps": 40, "checkpoint_every": 20, "evaluate_every": 0}
    settings = {"hidden_sizes": [8], "learning_starts": 10, "batch_size": 8, "evaluate_episodes": 1}
    request = TrainRequest(
        env="cartpole",
        algorithm="sac",
        training=training,
        settings=settings,
        runs_dir=runs,
        name="tiny",
    )
    return start_training(request).run


def make(env_id="poise/Cartpole-v0", policy=None, running=True, **how):
    looks = {**SMALL, "hud": True} if env_id.startswith("poise/") else {}
    live = PlaySession(make_render_env(env_id, {}, looks), policy, **how)
    playground = Playground(Window("test", has_sidebar=True), live)
    playground.run_frame(0.0)
    live.is_paused = not running
    return playground


def key(name, event_type=pygame.KEYDOWN):
    pygame.event.post(pygame.event.Event(event_type, key=pygame.key.key_code(name)))


def press(playground, name):
    """Press a key while no time passes."""
    key(name)
    key(name, pygame.KEYUP)
    playground.run_frame(0.0)


def mouse(playground, event_type, x, y, button=pygame.BUTTON_LEFT):
    """Move or press the mouse at a fraction of the picture."""
    picture = playground.window.image_rect
    pos = (picture.left + round(x * picture.width), picture.top + round(y * picture.height))
    more = (
        {"rel": (0, 0), "buttons": (1, 0, 0)}
        if event_type == pygame.MOUSEMOTION
        else {"button": button}
    )
    pygame.event.post(pygame.event.Event(event_type, pos=pos, **more))
