"""Workers whose tasks, items and results all go through pickles, as in a cluster, without one."""

import pickle
from itertools import islice

from cad_studio.cluster.worker import Worker


class Elsewhere:
    """Two workers that take turns, each with a copy of the task of its own.

    Attributes:
        said: What they printed and logged.
    """

    def __init__(self):
        self.said = []

    def run(self, task, items, take, tick=lambda: None):
        workers = [Worker(), Worker()]
        for worker in workers:
            self.said += worker.prepare(pickle.loads(pickle.dumps(task)))
        queue = iter(items)
        turn = 0
        while batch := list(islice(queue, task.at_once)):
            results, said = workers[turn % 2].work(pickle.loads(pickle.dumps(batch)))
            self.said += said
            for item, result in zip(batch, pickle.loads(pickle.dumps(results)), strict=True):
                take(item, result)
            tick()
            turn += 1

    def close(self):
        pass
