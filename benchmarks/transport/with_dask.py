"""The chain as Dask's futures: a task for each item and relay, on a worker process for each; the sink gathers.

At most so many items are under way as a stream runtime would have too.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from distributed import Client, LocalCluster
from tally import Tally
from with_pool import add_one, arrays, pass_on

BATCH = {"numbers": 500, "arrays": 16}


def run(spec: dict) -> None:
    """Run the chain to its end; it reports like a workflow."""
    tally = Tally()
    if spec["flow"] == "numbers":
        tally.begin(spec["folder"], "q")
        relay, take, stream = add_one, tally.take_number, iter(range(1, spec["items"] + 1))
    else:
        tally.begin(spec["folder"], "d")
        relay = add_one if spec["add"] else pass_on
        take, stream = tally.take_whole_array if spec.get("whole") else tally.take_array, arrays(spec)
    add = spec.get("add", 0)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        one, other = client.scheduler_info()["workers"]
        waiting = []
        for items in batches(stream, BATCH[spec["flow"]]):
            once = client.map(relay, items, workers=[one], pure=False)
            waiting.append(client.map(relay, once, workers=[other], pure=False))
            if len(waiting) == 2:
                gather(client, waiting.pop(0), add, take)
        for futures in waiting:
            gather(client, futures, add, take)
    tally.end()


def batches(stream: Iterator, size: int) -> Iterator[list]:
    while items := list(islice(stream, size)):
        yield items


def gather(client: Client, futures: list, add: int, take) -> None:
    for item in client.gather(futures):
        take(item + add if add else item)
