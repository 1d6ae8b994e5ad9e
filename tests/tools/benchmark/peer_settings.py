"""Settings of a peer's algorithm, read from its attributes. A process can be asked for them."""

from typing import Any

from poise.tools.benchmark.peers import make_peer
from poise.tools.benchmark.speed import SpeedTest


def list_peer_settings(library: str, test: SpeedTest) -> dict[str, Any]:
    """Make a library's algorithm and list the settings that it has, under Poise's names."""
    peer = make_peer(test.build_peer_config(library))
    policy = peer.policy
    settings = {
        "num_envs": peer.n_envs,
        "hidden_sizes": list(getattr(policy, "net_arch", None) or policy.net_arch_pi),
        "activation": policy.activation_fn.__name__.lower(),
        "learning_rate": peer.lr_schedule(1.0),
        "batch_size": peer.batch_size,
        "gamma": peer.gamma,
    }
    if test.algorithm == "ppo":
        clip_range = peer.clip_range_schedule if library == "sbx" else peer.clip_range
        return settings | {
            "rollout_steps": peer.n_steps,
            "epochs": peer.n_epochs,
            "orthogonal_init": policy.ortho_init,
            "gae_lambda": peer.gae_lambda,
            "clip_range": clip_range(1.0),
            "entropy_coef": peer.ent_coef,
            "value_coef": peer.vf_coef,
            "max_grad_norm": peer.max_grad_norm,
            "normalize_advantage": peer.normalize_advantage,
        }
    settings |= {
        "learning_starts": peer.learning_starts,
        "updates_per_step": peer.gradient_steps / peer.train_freq.frequency,
        "buffer_size": peer.buffer_size,
        "tau": peer.tau,
    }
    if test.algorithm == "td3":
        settings |= {
            "policy_delay": peer.policy_delay,
            "exploration_noise": float(peer.action_noise._sigma[0]),
            "policy_noise": peer.target_policy_noise,
            "noise_clip": peer.target_noise_clip,
        }
    return settings
