"""The minimum cut of a small network, by augmenting shortest paths (Edmonds & Karp 1972).

A library's import would cost more than a warm start may take.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable

Place = Hashable


class Network:
    """Directed edges with capacities; places are made when they are first named."""

    def __init__(self) -> None:
        self.left: dict[Place, dict[Place, float]] = {}

    def add_edge(self, start: Place, end: Place, capacity: float = float("inf")) -> None:
        """Add an edge; without a capacity it cannot be cut."""
        self.left.setdefault(start, {})[end] = capacity
        self.left.setdefault(end, {}).setdefault(start, 0.0)

    def __contains__(self, place: Place) -> bool:
        return place in self.left

    def side_of(self, source: Place, sink: Place) -> set[Place]:
        """Return the places on the source's side of the cheapest cut."""
        while True:
            came_from = self._reach(source)
            if sink not in came_from:
                return set(came_from)
            path = [sink]
            while path[-1] != source:
                path.append(came_from[path[-1]])
            edges = list(zip(path[1:], path[:-1], strict=True))
            flow = min(self.left[start][end] for start, end in edges)
            for start, end in edges:
                self.left[start][end] -= flow
                self.left[end][start] += flow

    def _reach(self, source: Place) -> dict[Place, Place]:
        """Return every place that flow can still reach, with the place before it."""
        came_from: dict[Place, Place] = {source: source}
        waiting = deque([source])
        while waiting:
            start = waiting.popleft()
            for end, left in self.left[start].items():
                if left > 0 and end not in came_from:
                    came_from[end] = start
                    waiting.append(end)
        return came_from
