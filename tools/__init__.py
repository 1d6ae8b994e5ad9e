"""Programs about worlds and runs. tools are run, toolkit is imported; some run alone: `python -m tools.combine_recordings`.

Importing the package registers the worlds of Poise, which loads nothing heavy.
"""

import envs2d
import envs3d

__all__ = ["envs2d", "envs3d"]
