"""The chain as Ray's actors: one for each PE, every item a method call whose argument is the result of the one before.

At most so many items are under way as a stream runtime would have too. Arrays arrive read-only, so that to add 1 makes
a new one.
"""

from __future__ import annotations

import ray
from tally import Tally
from with_pool import arrays

UNDER_WAY = {"numbers": 1000, "arrays": 32}


@ray.remote(num_cpus=0.5)
class Relay:
    def __init__(self, add: int) -> None:
        self.add = add

    def call(self, data):
        return data + self.add if self.add else data


@ray.remote(num_cpus=0.5)
class Sink(Tally):
    def __init__(self, spec: dict) -> None:
        self.begin(spec["folder"], "q" if spec["flow"] == "numbers" else "d")
        self.add = spec.get("add", 0)
        self.take = self.take_number
        if spec["flow"] == "arrays":
            self.take = self.take_whole_array if spec.get("whole") else self.take_array

    def call(self, data):
        self.take(data + self.add if self.add else data)

    def finish(self):
        self.end()


def run(spec: dict) -> None:
    """Run the chain to its end; it reports like a workflow."""
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, _temp_dir=f"{spec['folder']}/ray")
    numbers = spec["flow"] == "numbers"
    add, most = 1 if numbers else spec["add"], UNDER_WAY[spec["flow"]]
    relays, sink = [Relay.remote(add) for _ in range(spec.get("relays", 2))], Sink.remote(spec)
    under_way = []
    for item in range(1, spec["items"] + 1) if numbers else arrays(spec):
        for relay in relays:
            item = relay.call.remote(item)
        under_way.append(sink.call.remote(item))
        if len(under_way) >= most:
            ray.get(under_way[: most // 2])
            del under_way[: most // 2]
    ray.get(under_way)
    ray.get(sink.finish.remote())
    ray.shutdown()
