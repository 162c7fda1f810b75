"""The learning rate of each step."""

from math import cos, pi

from training.config import Optimiser


def learning_rate(settings: Optimiser, step: int, done: float) -> float:
    """Rises evenly over the warm-up, then falls along half a cosine to nothing; or stays what it is.

    Args:
        step: from 0.
        done: share of the training that lies behind, of its steps or of its time, 0 to 1.
    """
    if settings.schedule == "constant":
        return settings.learning_rate
    warm = min(1.0, (step + 1) / (settings.warmup_steps + 1))
    return settings.learning_rate * warm * (1 + cos(pi * min(done, 1.0))) / 2
