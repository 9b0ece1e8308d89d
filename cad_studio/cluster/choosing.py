"""Which workers there are to choose from."""

from cad_studio.cluster.ray_workers import RayWorkers
from cad_studio.core.workers import ALONE, Workers


def workers_at(cluster: str) -> Workers:
    """Those of a cluster by its address, of a Ray on this machine (`local`), or this process.

    Nothing is started or looked for before there is work.
    """
    return RayWorkers(cluster) if cluster else ALONE
