"""Counting requests in a window of time, for the headers that tell a client what it has left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic


@dataclass
class Window:
    """At most ``most`` requests in ``seconds``; the window starts anew when it has passed."""

    most: int
    seconds: float
    clock: Callable[[], float] = monotonic
    used: int = 0
    started: float = 0.0

    def spend(self) -> None:
        """Count one request."""
        if self.clock() - self.started >= self.seconds:
            self.reset()
        self.used += 1

    def reset(self) -> None:
        """Start the window anew."""
        self.started, self.used = self.clock(), 0

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.most - self.used)

    @property
    def resets_in(self) -> int:
        """Whole seconds until the window starts anew."""
        return max(0, round(self.seconds - (self.clock() - self.started)))
