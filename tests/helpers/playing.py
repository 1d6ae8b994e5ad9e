"""A playground without a display, controlled by posted events."""

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
    """Return an untrained run with two checkpoints."""
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


def make(env_id="poise/Cartpole-v0", policy=None, running=True, **session_options):
    """Return a playground in a small window, running or paused."""
    render_settings = {**SMALL, "hud": True} if env_id.startswith("poise/") else {}
    live = PlaySession(make_render_env(env_id, {}, render_settings), policy, **session_options)
    playground = Playground(Window("test", has_sidebar=True), live)
    playground.run_frame(0.0)
    live.is_paused = not running
    return playground


def key(name, event_type=pygame.KEYDOWN):
    """Post a key event; `name` is pygame's."""
    pygame.event.post(pygame.event.Event(event_type, key=pygame.key.key_code(name)))


def press(playground, name):
    """Press and release a key while no time passes."""
    key(name)
    key(name, pygame.KEYUP)
    playground.run_frame(0.0)


def mouse(playground, event_type, x, y, button=pygame.BUTTON_LEFT):
    """Move or press the mouse at a point of the image, in fractions of its size."""
    rect = playground.window.image_rect
    pixel = (rect.left + round(x * rect.width), rect.top + round(y * rect.height))
    post_mouse_event(event_type, pixel, button)


def post_mouse_event(event_type, pixel, button=pygame.BUTTON_LEFT):
    """Post a motion with the left button held, or a press or release of `button`."""
    if event_type == pygame.MOUSEMOTION:
        attributes = {"rel": (0, 0), "buttons": (1, 0, 0)}
    else:
        attributes = {"button": button}
    pygame.event.post(pygame.event.Event(event_type, pos=pixel, **attributes))
