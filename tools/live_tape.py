"""The tape of a live world's episode, as it grows; none can be had where seed and actions do not tell all of it."""

from collections.abc import Mapping
from typing import Any

from toolkit.errors import UserError
from toolkit.experience import Moment
from toolkit.signals import Array
from toolkit.tape import Tape, tape_of
from tools.versions import versions


class LiveTape:
    """What was seen and done since an episode began, in the world of an id with some settings."""

    def __init__(self, world_id: str = "", settings: Mapping[str, Any] | None = None) -> None:
        self.world_id, self.settings = world_id, dict(settings or {})

    def begin(self, seed: int, turned: Mapping[str, float], observation: Array) -> None:
        """An episode begins, with these settings turned."""
        self._seed, self._settings = seed, {**self.settings, **turned}
        self._moments: list[Moment] = []
        self.add(observation, None)

    def add(self, observation: Array, action: Any) -> None:
        """A step was made."""
        self._moments.append(Moment(observation, action, 0.0, False, False, {}))

    def cut(self, disturbed_by: str) -> Tape:
        """The tape up to now; a UserError where something has disturbed the episode, or nobody knows which world it is."""
        if disturbed_by:
            raise UserError(f"no tape: {disturbed_by} disturbed this episode, and a tape knows only seed and actions")
        if not self.world_id or len(self._moments) < 2:
            raise UserError("no tape: there is no episode yet that it could tell")
        return tape_of(self.world_id, self._settings, self._seed, self._moments, versions())
