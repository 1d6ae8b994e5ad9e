"""Explanations of metrics and episode channels: what each measures, and how to interpret it."""

from typing import NamedTuple

from poise.toolkit.evaluation import REWARD_PREFIX
from poise.toolkit.media.hud import LOW_MARGIN


class GlossaryEntry(NamedTuple):
    """Title and unit of a quantity, and how to interpret its curve."""

    title: str
    """Technical name."""
    unit: str
    interpretation: str
    plain_title: str = ""
    """What the curve shows, in plain words."""
    healthy: str = ""
    """What a healthy curve does, in a few words."""
    healthy_range: tuple[float, float] | None = None
    """Range of healthy values, where there is one for every environment."""


REWARD_TERM_INTERPRETATION = (
    "Contribution of a weighted reward term to the evaluation return. Healthy: gains increase and "
    "costs shrink. The weight of a cost that dominates the return is too large."
)


METRICS = {
    "eval/return": GlossaryEntry(
        "Evaluation return",
        "reward per episode",
        "Mean sum of rewards per episode, without exploration. Healthy: it rises and then stays, "
        "above the dashed line if there is a threshold for “solved”. Problem: a long plateau far "
        "below, or a drop without recovery; compare the losses at that step.",
        plain_title="Reward of an episode",
        healthy="rises, then stays",
    ),
    "eval/return_std": GlossaryEntry(
        "Standard deviation of evaluation returns",
        "reward per episode",
        "Standard deviation over the episodes of an evaluation. If it is large while the mean "
        "return is high, the policy fails from some initial states.",
    ),
    "charts/episodic_return": GlossaryEntry(
        "Training return",
        "reward per episode",
        "Each point is a mean over several training episodes. Exploration keeps it a little below "
        "the evaluation return. Far below: there is too much exploration. Flat from the first "
        "episode: the agent finds no reward.",
    ),
    "eval/success": GlossaryEntry(
        "Evaluation success rate",
        "fraction of episodes",
        "Healthy: it approaches 1. If the return rises while this stays at 0, the reward "
        "encourages something other than the task.",
        plain_title="Episodes that succeed",
        healthy="approaches 1",
    ),
    "eval/length": GlossaryEntry(
        "Evaluation episode length",
        "steps",
        "If failures end an episode, longer is better, up to the time limit. If no episode ends "
        "early, it is constant.",
        plain_title="How long an episode lasts",
    ),
    "charts/episodic_length": GlossaryEntry(
        "Training episode length",
        "steps",
        "Each point is a mean over several training episodes. It should follow the evaluation "
        "length; if it is much shorter, exploration causes failures.",
    ),
    "losses/qf_loss": GlossaryEntry(
        "Critic loss",
        "reward²",
        "Mean squared Bellman error, summed over the critics. It may rise while returns rise, "
        "since values grow, and settles later. Growth without bound means diverging values: "
        "reduce learning_rate or tau.",
        plain_title="How wrong the critic is",
        healthy="settles",
    ),
    "losses/actor_loss": GlossaryEntry(
        "Actor loss",
        "reward",
        "Negative critic value of the policy's actions; SAC adds the entropy term. It decreases "
        "as the policy improves. If it decreases while returns do not rise, the critic "
        "overestimates.",
        plain_title="What the actor expects",
        healthy="falls",
    ),
    "losses/alpha": GlossaryEntry(
        "Entropy temperature alpha",
        "reward / nat",
        "Weight of the entropy in the objective of SAC. Healthy: it decreases and settles. Growth "
        "without bound: the policy cannot reach the target entropy.",
        plain_title="What randomness is worth",
        healthy="falls, then settles",
    ),
    "losses/entropy": GlossaryEntry(
        "Policy entropy",
        "nats",
        "Randomness of the policy. Healthy: a slow decrease. A sudden drop means that exploration "
        "ended too early; no decrease means that the policy stays random.",
        plain_title="How freely it explores",
        healthy="falls slowly",
    ),
    "losses/policy_loss": GlossaryEntry(
        "Policy loss",
        "no unit",
        "Clipped surrogate objective of PPO, negated. It stays near 0 and says little by itself; "
        "jumps indicate updates that are too large.",
        plain_title="Loss of the policy",
        healthy="without jumps",
    ),
    "losses/value_loss": GlossaryEntry(
        "Value loss",
        "squared normalized return",
        "Half the mean squared error of the value function. It decreases as the value is learned, "
        "and may rise for a while when the policy reaches new states. Growth without bound is a "
        "problem.",
        plain_title="How wrong the critic is",
        healthy="falls, stays low",
    ),
    "losses/explained_variance": GlossaryEntry(
        "Explained variance of the value",
        "1 is perfect",
        "1 - Var(return - value) / Var(return). Healthy: near 1. Near 0, the value predicts no "
        "better than a constant; below 0, worse.",
        plain_title="What the critic explains",
        healthy="near 1",
        healthy_range=(0.8, 1.0),
    ),
    "losses/approx_kl": GlossaryEntry(
        "KL divergence of an update",
        "nats",
        "Approximate KL divergence between the policy before and after an update. Healthy: about "
        "0.003 to 0.03. Much larger: reduce learning_rate or epochs. Near 0: the policy hardly "
        "changes.",
        plain_title="How far one update moves it",
        healthy="0.003 to 0.03",
        healthy_range=(0.003, 0.03),
    ),
    "losses/clipfrac": GlossaryEntry(
        "Clipped fraction",
        "fraction of samples",
        "Fraction of probability ratios outside the clipping range. Healthy: 0.05 to 0.3. Near 0: "
        "updates could be larger. Above 0.3: updates are too large.",
        plain_title="Part of an update cut off",
        healthy="0.05 to 0.3",
        healthy_range=(0.05, 0.3),
    ),
    "charts/learning_rate": GlossaryEntry(
        "Learning rate", "per step", "Set by the schedule: constant or decreasing."
    ),
    "losses/translation": GlossaryEntry(
        "Translation error, training data",
        "mean squared, normalized",
        "Mean squared error of the pose estimator. It should decrease and level off late.",
        plain_title="How it reads known images",
        healthy="falls, levels off",
    ),
    "losses/translation_held_out": GlossaryEntry(
        "Translation error, held-out data",
        "mean squared, normalized",
        "It should decrease with the training error. If it rises while the training error "
        "decreases, the estimator overfits.",
        plain_title="How it reads new images",
        healthy="falls too",
    ),
    "charts/SPS": GlossaryEntry(
        "Speed",
        "steps per second",
        "Healthy: constant. A steady decrease means that memory use grows, or that another "
        "program uses the cores.",
    ),
}
"""Metrics by their name in metrics.csv, in the order of the report."""


TRACE_GROUPS = {
    "reward": GlossaryEntry(
        "Reward terms",
        "reward per step",
        "Weighted terms of the reward. Healthy: the terms that define the task are near their "
        "weights, and costs near 0. A constant term gives no learning signal.",
    ),
    "value": GlossaryEntry(
        "Critic value",
        "discounted reward",
        "Expected discounted return, of scaled rewards where `normalize_reward` is on (PPO). "
        "Healthy: level while the task goes well, decreasing well "
        "before a failure. Level until the end: the critic does not predict the failure.",
    ),
    "margin": GlossaryEntry(
        "Failure margins",
        "1 at rest, 0 failed",
        "Remaining distance to each failure. Healthy: far from 0. Below "
        f"{LOW_MARGIN:g} it is low; at 0 the episode ends.",
    ),
    "joint": GlossaryEntry(
        "Joint angles",
        "rad",
        "Healthy: smooth, and inside the limits. Flat at an extreme: the joint is at its limit. "
        "A fine sawtooth: the policy chatters.",
    ),
    "torque": GlossaryEntry(
        "Joint torques",
        "N m",
        "Healthy: small and slowly changing. Jumps between the extremes at every step are "
        "bang-bang control, which wears out real motors.",
    ),
    "action": GlossaryEntry(
        "Actions",
        "full range: -1 to 1",
        "Healthy: inside the range most of the time. Long periods at a limit: the motor is too "
        "weak for what the policy attempts.",
    ),
    "choice": GlossaryEntry(
        "Discrete actions",
        "index of the action",
        "Healthy: several actions are used, unless one action is right everywhere.",
    ),
    "contact": GlossaryEntry(
        "Ground contacts",
        "",
        "Standing: both feet, without gaps. Walking: alternating feet. Many short gaps: the body "
        "bounces.",
    ),
    "state": GlossaryEntry(
        "State, with its target dotted",
        "",
        "Healthy: each line approaches its target without repeated overshoot.",
    ),
    "shown": GlossaryEntry(
        "Observation",
        "in its own units",
        "Healthy: small variations around the middle. Growing oscillations end in a failure.",
    ),
}
"""Groups of channels of an EpisodeTrace, in the order of the report."""


def describe_metric(name: str) -> GlossaryEntry:
    """Return the entry of a metric; one without an entry has its name as title."""
    if name.startswith(REWARD_PREFIX):
        term = name.removeprefix(REWARD_PREFIX)
        title = f"Evaluation reward term “{term}”"
        return GlossaryEntry(title, "reward per episode", REWARD_TERM_INTERPRETATION)
    return METRICS.get(name, GlossaryEntry(name, "", ""))
