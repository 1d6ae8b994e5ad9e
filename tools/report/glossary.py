"""What the numbers of a run mean, and how one sees that they are healthy: a line for each."""

from typing import NamedTuple

from poise.toolkit.evaluation import REWARD_PREFIX


class GlossaryEntry(NamedTuple):
    """A number's name in words, its unit, and what is good and what is bad in its curve."""

    title: str
    unit: str
    interpretation: str


REWARD_TERM_INTERPRETATION = "A part of the return. Healthy: what pays grows, costs shrink. A cost that outgrows the rest has too large a weight."
"""Of what a term of the reward paid."""


METRICS = {
    "eval/return": GlossaryEntry(
        "Return in evaluation",
        "reward in an episode",
        "Healthy: it climbs and then stays, at the dashed line where one says “solved”. "
        "A long plateau far below it, or a fall that does not recover, is not: look at the losses at that step.",
    ),
    "eval/return_std": GlossaryEntry(
        "Spread of returns in evaluation",
        "reward in an episode",
        "The standard deviation over the episodes. Large while the return is high: some starts are not mastered.",
    ),
    "charts/episodic_return": GlossaryEntry(
        "Return in training",
        "reward in an episode",
        "Means of several episodes each. With exploration, so a little below the evaluation. Far below it: it explores too much. "
        "Flat from the first episode: it finds no reward.",
    ),
    "eval/success": GlossaryEntry(
        "Episodes that succeed in evaluation",
        "part of them",
        "Healthy: it goes to 1. A return that rises while this stays at 0 says that the reward pays for something else.",
    ),
    "eval/length": GlossaryEntry(
        "Length in evaluation",
        "steps",
        "Where an episode ends by a fall, longer is better, up to the time limit. Where it never ends early, it is flat.",
    ),
    "charts/episodic_length": GlossaryEntry(
        "Length in training",
        "steps",
        "It should follow the length in evaluation; much shorter means that exploring makes it fall.",
    ),
    "losses/qf_loss": GlossaryEntry(
        "Loss of the critics",
        "reward²",
        "It rises while returns rise, for values are larger then, and settles later. Growing without end: "
        "values run away; a smaller learning_rate or tau helps.",
    ),
    "losses/actor_loss": GlossaryEntry(
        "Loss of the actor",
        "reward",
        "Minus the value of what it does. First it follows the critic, then it falls as the policy improves; "
        "without higher returns the critic flatters it.",
    ),
    "losses/alpha": GlossaryEntry(
        "Temperature",
        "reward / nat",
        "What randomness is worth. Healthy: it falls and settles. Rising without end: it cannot become as random as asked.",
    ),
    "losses/alpha_loss": GlossaryEntry(
        "Loss of the temperature", "", "It goes to about 0: the entropy is what was asked for."
    ),
    "losses/entropy": GlossaryEntry(
        "Entropy of the policy",
        "nats",
        "It should fall slowly. A drop at once: it has stopped exploring too soon. No fall at all: it has not made up its mind.",
    ),
    "losses/policy_loss": GlossaryEntry(
        "Loss of the policy",
        "",
        "A small number around 0 that says little by itself; jumps mean steps that are too large.",
    ),
    "losses/value_loss": GlossaryEntry(
        "Loss of the value",
        "",
        "It falls as the value learns, and may rise for a while when the policy finds something new. Growing without end is bad.",
    ),
    "losses/explained_variance": GlossaryEntry(
        "Explained variance of the value",
        "1 is all",
        "Healthy: near 1. Around 0 the value knows nothing; below 0 it misleads.",
    ),
    "losses/approx_kl": GlossaryEntry(
        "How far an update moved the policy",
        "nats",
        "Healthy: about 0.003 to 0.03. Much more: a smaller learning_rate or fewer epochs. Near 0: it learns nothing.",
    ),
    "losses/clipfrac": GlossaryEntry(
        "Part of the ratios that were clipped",
        "part",
        "Healthy: 0.05 to 0.3. Near 0: steps could be larger. Above: they are too large.",
    ),
    "charts/learning_rate": GlossaryEntry(
        "Learning rate", "", "As the schedule says: constant, or falling."
    ),
    "losses/translation": GlossaryEntry(
        "Error of the translator, on what it learns", "", "It should fall, and flatten late."
    ),
    "losses/translation_held_out": GlossaryEntry(
        "Error of the translator, held out",
        "",
        "It should fall with the one above. Rising while that falls: it learns by heart.",
    ),
    "charts/SPS": GlossaryEntry(
        "Speed",
        "steps a second",
        "Steady. A steady fall means that something grows: memory, or another program.",
    ),
}
"""By the names in metrics.csv, in the order in which one should look."""


TRACKS = {
    "reward": GlossaryEntry(
        "What each term adds to the reward",
        "reward in a step",
        "Healthy: the terms that matter stand near their weights, and costs near 0. A term that never moves teaches nothing.",
    ),
    "value": GlossaryEntry(
        "What the critic expects",
        "discounted reward",
        "Healthy: level while all goes well, falling well before a failure. Level until the end: it does not see the fall.",
    ),
    "margin": GlossaryEntry(
        "Margins to each failure",
        "1 at rest, 0 failed",
        "Healthy: far from 0. Below 0.25 it is narrow; at 0 the episode is over.",
    ),
    "joint": GlossaryEntry(
        "Joint angles",
        "rad",
        "Healthy: smooth, within the limits. Flat at one end: against a stop. A fine saw: the policy chatters.",
    ),
    "torque": GlossaryEntry(
        "Torques at the joints",
        "N m",
        "Healthy: small and changing slowly. From one end to the other at every step: bang-bang, which wears a real motor out.",
    ),
    "action": GlossaryEntry(
        "Actions",
        "-1 to 1 is the full range",
        "Healthy: inside the range most of the time. At an end for long: the motor is too weak for the plan.",
    ),
    "choice": GlossaryEntry(
        "Choices",
        "number of the choice",
        "Healthy: not the same all the time, unless one choice is right everywhere.",
    ),
    "contact": GlossaryEntry(
        "What touches the ground",
        "",
        "Standing: both feet, without a break. Walking: by turns. Many short breaks: it bounces.",
    ),
    "state": GlossaryEntry(
        "State, and dotted where it should be",
        "",
        "Healthy: each line goes to its dotted one, without swinging past it again and again.",
    ),
    "shown": GlossaryEntry(
        "What the environment shows",
        "in its own units",
        "Healthy: quiet around the middle. Swings that grow end in a failure.",
    ),
}
"""By the groups of an episode's tracks, in the order in which one should look."""


def describe_metric(name: str) -> GlossaryEntry:
    """The meaning of a metric; of one that is not known here, its name."""
    if name.startswith(REWARD_PREFIX):
        return GlossaryEntry(
            f"What “{name.removeprefix(REWARD_PREFIX)}” paid in evaluation",
            "reward in an episode",
            REWARD_TERM_INTERPRETATION,
        )
    return METRICS.get(name, GlossaryEntry(name, "", ""))
