"""What the last answers settled: how many samples the live belief is sure of, and since when."""

from threading import Lock

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cad_studio.core.errors import NotReadyError
from cad_studio.core.progress import Silent
from cad_studio.mining.live_belief import SURE, highest
from cad_studio.services.annotation.beliefs import BeliefService, Standing, View
from cad_studio.services.annotation.blindness import Blindness
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.views.annotation import LiveView

_MOST_REMEMBERED = 32

_Key = tuple[int, str, str, int]
"""Dataset, features, whose view, and the last action it knows of."""


class LiveService:
    """The live belief of one project's datasets, counted for people; no true label is looked at."""

    def __init__(
        self, datasets: DatasetService, beliefs: BeliefService, blindness: Blindness
    ) -> None:
        """Read through the other services of the same project."""
        self._datasets = datasets
        self._beliefs = beliefs
        self._blindness = blindness
        self._sure: LRUCache[_Key, NDArray[np.uint8]] = LRUCache(_MOST_REMEMBERED)
        self._lock = Lock()

    def standing(
        self, name: str, who: str = "", since: int | None = None, is_idle: bool = False
    ) -> LiveView:
        """How far the belief is settled, for someone who annotates.

        While answers of others are hidden from `who`, they are not in the belief either.

        Args:
            name: The dataset.
            who: For whom.
            since: The action that an earlier answer of this function went up to.
            is_idle: Whether there is time to renew it for less than the usual few answers.

        Returns:
            `is_ready` (False where the neighbours are not found yet, or the first belief is being
            made: then nothing is known but `features`, `is_renewing` and `says`),
            `features` (the extractor), `action` (the last it knows of), `is_renewing`, `sure`
            (the threshold), `open` (samples with several candidates), `settled` (of them those
            above the threshold), and `gained` and `lost`: open samples that came above and fell
            below since, None where that is not known.
        """
        record, who = self._datasets.get(name), self._blindness.person(who)
        features = self._beliefs.features(name)
        if not self._beliefs.is_ready(name, features):
            return {"is_ready": False, "features": features, "is_renewing": False, "says": ""}
        hidden = self._blindness.rows(record, who)
        view = View(who=who, blind=hidden)
        try:
            found = self._beliefs.standing(name, features, Silent(), view, is_exact=is_idle)
        except NotReadyError as error:
            return {
                "is_ready": False, "features": features, "is_renewing": True, "says": str(error),
            }  # fmt: skip
        is_open = found.sets.sizes() > 1
        is_sure = highest(found.belief) > SURE
        before = self._remembered(
            (record.id, features, who if hidden else ""), found, since, is_sure
        )
        return {
            "is_ready": True, "features": features, "action": found.head,
            "is_renewing": self._beliefs.is_renewing(name), "sure": SURE,
            "open": int(is_open.sum()), "settled": int((is_open & is_sure).sum()),
            "gained": None if before is None else int((is_open & is_sure & ~before).sum()),
            "lost": None if before is None else int((is_open & before & ~is_sure).sum()),
        }  # fmt: skip

    def _remembered(
        self,
        view: tuple[int, str, str],
        found: Standing,
        since: int | None,
        is_sure: NDArray[np.bool_],
    ) -> NDArray[np.bool_] | None:
        """Which samples were sure after an earlier action, and from now on after this one."""
        with self._lock:
            before = None if since is None else self._sure.get((*view, since))
            self._sure[*view, found.head] = np.packbits(is_sure)
        if before is None:
            return None
        return np.unpackbits(before, count=len(is_sure)).astype(bool)
