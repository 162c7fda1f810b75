"""How long to wait before trying again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Doubles with each attempt up to a limit, less a random part so that waiters do not come in step."""

    first_delay_s: float
    longest_delay_s: float

    def delay_s(self, attempts: int) -> float:
        """The pause after this many failed attempts, counted from 1: half to all of the doubled delay."""
        doublings = min(attempts - 1, 30)
        longest: float = min(self.longest_delay_s, self.first_delay_s * 2**doublings)
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
