"""Augmentations of a dataset's images towards their candidates, in Python."""

from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cad_studio.interface.given import Rows, listed, maybe_run, rows_of, run_number
from cad_studio.services.edits.augmentation import AugmentRequest
from cad_studio.services.edits.editors import IN_DOMAIN
from cad_studio.services.edits.models import EditModelRequest
from cad_studio.services.edits.previews import PreviewRequest
from cad_studio.services.edits.sets import GalleryFilter
from cad_studio.views.augmentation import EditModelView, EditSetView, LookView, PromptsView

if TYPE_CHECKING:
    from cad_studio.interface.run import StudioRun
    from cad_studio.interface.studio import Studio

_PAGE = 1000


class StudioAugmentations:
    """What the Augmentations page does with a dataset."""

    def __init__(self, studio: "Studio", name: str) -> None:
        """Made by `StudioDataset.augmentations`."""
        self._studio = studio
        self._services = studio.services
        self._name = name

    def editors(self) -> pd.DataFrame:
        """The editors there are, and why one cannot be had here; index `name`."""
        return pd.DataFrame(self._services.editors.offers(self._name)).set_index("name")

    def train_editor(self, run: "StudioRun | int | None" = None, **config: Any) -> dict[str, Any]:
        """Train an in-domain editor in this process, which takes minutes to hours.

        Args:
            run: Whose belief tells the classes; None takes propagation among neighbours.
            config: Fields of `DenoiserConfig`, such as `epochs=45`.
        """
        request = EditModelRequest(self._name, maybe_run(run), config)
        made = self._services.edit_models.create(request)
        return self._studio.do("edit-model", editor=made.id)

    def trained_editors(self) -> pd.DataFrame:
        """The editors that were trained here, newest first; index `id`."""
        found = self._services.edit_models.all(self._name)
        return listed(found, "id", EditModelView.__annotations__)

    def drawn(self, editor: int, epoch: int) -> Path:
        """The picture file of what an editor drew of each class after an epoch of its training."""
        return self._services.edit_models.samples(editor, epoch)

    def remove_editor(self, editor: int) -> dict[str, Any]:
        """Delete an editor that was trained here."""
        self._services.require_writable()
        return self._services.edit_models.remove(index(editor))

    def look(self, *rows: int, run: "StudioRun | int | None" = None, **wanted: Any) -> LookView:
        """A sample, or two as a pair, augmented towards each candidate, and what a run says of it.

        Args:
            rows: One or two.
            run: Whose activation maps and evidence are shown; None takes the best one.
            wanted: Further fields of `PreviewRequest`, such as `with_edits=False`.
        """
        request = PreviewRequest(tuple(map(int, rows)), maybe_run(run), **wanted)
        return self._services.previews.look(self._name, request)

    def estimate(self, editor: str = IN_DOMAIN, **wanted: Any) -> dict[str, Any]:
        """Measure on a few edits what `make` will take; arguments as there."""
        return self._asked("estimate-edits", editor, **wanted)

    def make(
        self,
        editor: str = IN_DOMAIN,
        *,
        settings: dict[str, Any] | None = None,
        run: "StudioRun | int | None" = None,
        rows: Rows | None = None,
        **which: Any,
    ) -> dict[str, Any]:
        """Make the edits that are wanted and not there yet, and judge them, in this process.

        Args:
            editor: A name of `editors`.
            settings: The editor's own settings.
            run: Who judges them; None takes the best one.
            rows: Only these samples, all their candidates, whatever the budget.
            which: Fields of `EditBudget`, such as `budget="all"` or `limit=100`.

        Returns:
            What `AugmentationService.make` tells; `set` is the number of the set.
        """
        return self._asked("augment", editor, settings=settings, run=run, rows=rows, **which)

    def sets(self) -> pd.DataFrame:
        """The sets of stored edits; index `id`."""
        found = self._services.edit_sets.all(self._name)
        return listed(found, "id", EditSetView.__annotations__)

    def edits(self, set_id: int, run: "StudioRun | int | None" = None) -> pd.DataFrame:
        """The edits of a set, the worst first; index `id`.

        Args:
            set_id: An index of `sets`.
            run: Who judged them; None for none.

        Returns:
            `row`, `label` (the class aimed at), `similarity` to the source, and the probability of
            the class `before` and `after`, with the class that is most probable then, `top`; the
            last three missing where they were not judged.
        """
        number = maybe_run(run)
        judge = None if number is None else self._services.judges.open(number).key
        found: list[Any] = []
        while True:
            page = self._services.edit_sets.gallery(
                index(set_id), judge, GalleryFilter(), len(found), _PAGE
            )
            found += page["edits"]
            if len(found) >= page["total"]:
                columns = ["id", "row", "label", "similarity", "before", "after", "top"]
                return pd.DataFrame(found, columns=columns).set_index("id")

    def image(self, set_id: int, edit_id: int) -> NDArray[np.uint8]:
        """The image of a stored edit, uint8 (H, W, channels)."""
        return self._services.edit_sets.image(index(set_id), index(edit_id))

    def judge(self, set_id: int, run: "StudioRun | int") -> dict[str, Any]:
        """Have a run judge all edits of a set."""
        name = self._name
        return self._studio.do("judge-edits", name=name, set=index(set_id), run=run_number(run))

    def remove(self, set_id: int, stale_only: bool = False) -> dict[str, Any]:
        """Delete a set of edits, or those of it made from older texts."""
        self._services.require_writable()
        return self._services.edit_sets.remove(index(set_id), stale_only)

    def prompts(self) -> PromptsView:
        """How the classes are told to text-guided editors: `PromptService.table`."""
        return self._services.prompts.table(self._name)

    def set_prompts(
        self, template: str, descriptions: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Say how the classes are told to text-guided editors, as a new version of these texts.

        Args:
            template: With `{class}` where the description of a class goes.
            descriptions: By class name; a class that is left out keeps the one it has.
        """
        before = {each["name"]: each["description"] for each in self.prompts()["rows"]}
        self._services.require_writable()
        return self._services.prompts.save(self._name, template, before | (descriptions or {}))

    def restore_prompts(self, number: int) -> dict[str, Any]:
        """Bring back earlier texts by their number."""
        self._services.require_writable()
        return self._services.prompts.restore(self._name, index(number))

    def _asked(
        self,
        kind: str,
        editor: str,
        *,
        settings: dict[str, Any] | None = None,
        run: "StudioRun | int | None" = None,
        rows: Rows | None = None,
        **which: Any,
    ) -> dict[str, Any]:
        n_samples = self._services.datasets.get(self._name).n_samples
        only = None if rows is None else rows_of(rows, n_samples)
        request = AugmentRequest(self._name, editor, settings or {}, which, maybe_run(run), only)
        return self._studio.do(kind, **vars(request))
