"""What a Ray costs and brings: one search for pairs here, by one worker, and by two.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.cluster --samples 30000

Every worker is a node of one processor on this machine and computes in one thread, as this process
does. Workers are started before the clock is. Prints JSON: seconds of the search alone, by each;
`speed_up` is one worker against two (the mark is 1.6) and `cost` one worker against this process
(the mark is 1.15). Both mean something on a machine that does nothing else.
"""

import argparse
import json
from time import perf_counter

import numpy as np

from cad_studio.cluster.ray_workers import RayWorkers
from cad_studio.core.partial_labels import PartialLabels
from cad_studio.core.workers import ALONE
from cad_studio.mining.entangled import find_pairs
from cad_studio.mining.settings import MiningConfig

WIDTH, N_CLASSES = 64, 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--samples", type=int, default=30_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    from ray._private import services
    from ray.cluster_utils import Cluster

    # The head listens at the loopback alone; Ray would look for it at this machine's other address.
    services.node_ip_address_from_perspective = lambda _: "127.0.0.1"
    case = made(arguments.samples)
    found = {"here": seconds(ALONE, case, arguments.rounds)}
    where = {"node_ip_address": "127.0.0.1", "object_store_memory": 200 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **where})
    for n_nodes in (1, 2):
        cluster.add_node(num_cpus=1, **where)
        workers = RayWorkers(cluster.address)
        found[f"{n_nodes} workers"] = seconds(workers, case, arguments.rounds)
        workers.close()
    cluster.shutdown()
    cost = found["1 workers"] / found["here"]
    speed_up = found["1 workers"] / found["2 workers"]
    print(json.dumps({**found, "cost": round(cost, 3), "speed_up": round(speed_up, 3)}))


class FirstToLast:
    """The time between the first report of a search and its last: workers are there by then."""

    def __init__(self):
        self.first = None

    def report(self, fraction, message):
        if self.first is None and fraction > 0.05:
            self.first = (perf_counter(), fraction)
        self.last = (perf_counter(), fraction)

    def seconds(self):
        """Of the whole, by the pace between the two."""
        (began, start), (ended, stop) = self.first, self.last
        return (ended - began) / (stop - start)


def seconds(workers, case, rounds):
    """The shortest of some searches."""
    found = []
    for _ in range(rounds):
        clock = FirstToLast()
        find_pairs(*case, MiningConfig(threshold=0.9, method="exact"), clock, workers)
        found.append(clock.seconds())
    return round(min(found), 3)


def made(n_samples):
    chance = np.random.default_rng(0)
    centres = chance.standard_normal((N_CLASSES, WIDTH))
    truth = chance.integers(0, N_CLASSES, n_samples).astype(np.int32)
    features = centres[truth] + 1.5 * chance.standard_normal((n_samples, WIDTH))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    dense = chance.random((n_samples, N_CLASSES)) < 0.3
    dense[np.arange(n_samples), truth] = True
    return features.astype(np.float32), PartialLabels.from_dense(dense), truth


if __name__ == "__main__":
    main()
