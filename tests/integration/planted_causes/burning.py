"""Work whose amount is known: processor time, and pauses, whatever else the machine does."""

import random
import time

from d4py_adaptive import ProducerPE


def burn(seconds):
    """Compute for so much processor time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def around(mean_s, number, seed):
    """So many durations, each within a fifth of the mean, the same for the same seed."""
    dice = random.Random(seed)
    return [mean_s * dice.uniform(0.8, 1.2) for _ in range(number)]


class Durations(ProducerPE):
    """Tells the PE behind it how long to work on each item."""

    def __init__(self, mean_s, number, seed):
        super().__init__()
        self.durations = around(mean_s, number, int(seed))

    def process(self, inputs):
        for duration in self.durations:
            self.write("output", duration)
