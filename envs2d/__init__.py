"""Environments in the plane. Importing this package registers their ids and loads nothing heavy.

`gymnasium.make("poise:poise/Cartpole-v0")` needs no import; `gymnasium.make("poise/Cartpole-v0")`
needs `import poise` before it.
"""

import gymnasium

gymnasium.register(
    "poise/Cartpole-v0",
    "poise.envs2d.cartpole:Cartpole",
    max_episode_steps=400,
    reward_threshold=385.0,
)
gymnasium.register(
    "poise/Standing-v0",
    "poise.envs2d.standing:Standing",
    max_episode_steps=400,
    reward_threshold=385.0,
)
gymnasium.register(
    "poise/BollaRolla-v0",
    "poise.envs2d.bolla_rolla:BollaRolla",
    max_episode_steps=400,
    reward_threshold=380.0,
)
gymnasium.register(
    "poise/Reacher2D-v0",
    "poise.envs2d.reacher:Reacher2D",
    max_episode_steps=300,
    reward_threshold=24.0,
)
