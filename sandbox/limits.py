"""How many requests a CRM answers in a time: counted, told, and beyond that refused. No vendor's words and headers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any


@dataclass(frozen=True)
class Limit:
    """At most ``most`` requests in ``seconds``: in any such span if it is ``rolling``, else from the first one on."""

    most: int
    seconds: float
    rolling: bool = False


@dataclass
class Window:
    """The requests that count for a limit at present."""

    limit: Limit
    clock: Callable[[], float] = monotonic
    _moments: deque[float] = field(default_factory=deque)

    def spend(self) -> bool:
        """Count one request, if it is allowed; whether it is."""
        if self.remaining == 0:
            return False
        self._moments.append(self.clock())
        return True

    def reset(self) -> None:
        """Start the window anew."""
        self._moments.clear()

    @property
    def used(self) -> int:
        """Requests in this window."""
        over = self.clock() - self.limit.seconds
        if self._moments and self._moments[0] <= over and not self.limit.rolling:
            self._moments.clear()
        while self._moments and self._moments[0] <= over:
            self._moments.popleft()
        return len(self._moments)

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.limit.most - self.used)

    @property
    def resets_in(self) -> int:
        """Whole seconds after which one more is allowed, rounded up; in a window that is not rolling, all are."""
        return math.ceil(self._moments[0] + self.limit.seconds - self.clock()) if self.used else 0


class Limits:
    """The limits of one CRM by name. All are counted; those that are not ``enforced`` are only told."""

    def __init__(
        self, declared: Mapping[str, Limit], *, enforced: bool, clock: Callable[[], float] = monotonic
    ) -> None:
        self._declared, self._clock = declared, clock
        self._at_start = frozenset(declared) if enforced else frozenset[str]()
        self.reset()

    def reset(self) -> None:
        """As at the start; all that was spent is there again."""
        self._windows = {name: Window(limit, self._clock) for name, limit in self._declared.items()}
        self._enforced = set(self._at_start)

    def __getitem__(self, name: str) -> Window:
        return self._windows[name]

    def left(self, name: str) -> int:
        """What is told to be left: never nothing of a limit that is not enforced, since a client would wait for it."""
        return max(self._windows[name].remaining, int(name not in self._enforced))

    def exceeded(self, *names: str) -> str | None:
        """Count a request that all these limits hold for.

        Returns:
            The first of them that forbids it, which is then not counted; None where it is allowed.
        """
        for name in names:
            if name in self._enforced and self._windows[name].remaining == 0:
                return name
        for name in names:
            self._windows[name].spend()
        return None

    def enforce(self, name: str, most: int, seconds: float) -> None:
        """Give a limit other numbers, from now on enforced. Raises ``KeyError`` where there is none of that name."""
        limit = Limit(most, seconds, self._declared[name].rolling)
        self._windows[name] = Window(limit, self._clock)
        self._enforced.add(name)

    def shown(self) -> dict[str, dict[str, Any]]:
        """Every limit: its numbers, what is left, whether it is enforced."""
        return {
            name: {
                "most": window.limit.most,
                "seconds": window.limit.seconds,
                "remaining": window.remaining,
                "enforced": name in self._enforced,
            }
            for name, window in self._windows.items()
        }
