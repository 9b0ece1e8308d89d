"""The editors of a dataset: which there are, what each still needs, and how to get one ready."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from cad_studio.core.assets import ASSETS
from cad_studio.core.errors import (
    CadStudioError,
    NotAllowedError,
    ReadOnlyError,
    ResourceError,
    SettingError,
)
from cad_studio.core.records import EditModel
from cad_studio.core.settings import describe_settings, settings_from_json, settings_to_json
from cad_studio.services.access import Access
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.datasets.loaded import LoadedDataset
from cad_studio.services.edits.prompts import PromptService
from cad_studio.store.projects import Project
from cad_studio.training.denoiser_settings import EDITOR_FILE
from cad_studio.views.augmentation import EditorView

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor
    from cad_studio.augment._recipe import EditorRecipe

IN_DOMAIN = "in-domain"
BUNDLED_EDITOR = ASSETS / "sample-editor.safetensors"


class EditorService:
    """Gets editors ready; one that was loaded stays, as long as no other is asked for."""

    def __init__(
        self, project: Project, datasets: DatasetService, prompts: PromptService, access: Access
    ) -> None:
        """Read from `project`; texts come from `prompts`, `access` rules on who names a model."""
        self._access = access
        self._project = project
        self._datasets = datasets
        self._prompts = prompts
        self._loaded: tuple[tuple[object, ...], Editor] | None = None
        self._lock = Lock()

    def offers(self, name: str) -> list[EditorView]:
        """Each editor as a form shows it.

        Returns:
            `name`, `title`, `uses_text`, `is_trained_here`, `settings` (their description),
            `missing` (what it still needs on this dataset, in words; empty when nothing is known
            to be missing) and `model` (of one trained here: on what, in words).
        """
        from cad_studio.augment._base import EDITORS

        data = self._datasets.load(name)
        offered = []
        for editor in EDITORS.names():
            member = EDITORS.get(editor)
            missing, model = "", ""
            if member.is_trained_here:
                try:
                    model = self._described(data)
                except CadStudioError as error:
                    missing = str(error)
            else:
                missing = member(member.config_type()).missing()
            offered.append(
                {
                    "name": editor,
                    "title": member.title,
                    "uses_text": member.uses_text,
                    "is_trained_here": member.is_trained_here,
                    "settings": describe_settings(member.config_type),
                    "missing": missing,
                    "model": model,
                }
            )
        return offered

    def titles(self) -> dict[str, str]:
        """What each editor is called, by its name."""
        from cad_studio.augment._base import EDITORS

        return {name: EDITORS.get(name).title for name in EDITORS.names()}

    def settings(self, name: str, editor: str, given: dict[str, Any]) -> dict[str, Any]:
        """All settings of an editor on a dataset, its model file among them.

        Raises:
            SettingError: No such editor, or a setting that is out of range.
            ResourceError: There is no in-domain editor for the dataset yet.
            NotAllowedError, ReadOnlyError: A model is named, and the one who acts is no owner.
        """
        from cad_studio.augment._base import EDITORS

        if given.get("model"):
            self._access.require_to_reach(str(given["model"]))
        member = EDITORS.get(editor)
        data = self._datasets.load(name)
        if data.pixels is None:
            raise SettingError(
                f"{name} holds feature vectors. Editors need images; train with proden instead."
            )
        values = dict(given)
        if member.is_trained_here and not values.get("model"):
            values["model"] = str(self._model_file(data))
        return settings_to_json(settings_from_json(member.config_type, values))

    def open(self, name: str, editor: str, settings: dict[str, Any]) -> "Editor":
        """An editor that is ready, from `settings` as that method gives them.

        Raises:
            ResourceError: What it needs cannot be had here; the text says how to get it.
            SettingError: It does not know the dataset's classes.
            NotAllowedError, ReadOnlyError: It is not the project's own in-domain editor, and the
                one who acts is no owner.
        """
        from cad_studio.augment._base import EDITORS

        member, model = EDITORS.get(editor), str(settings.get("model", ""))
        if model:
            self._require_own_model(name, member, model)
        recipe = self.recipe(name, editor, settings)
        content = _content(Path(model)) if model else []
        wanted = (editor, repr(sorted(settings.items())), tuple(recipe.texts), content)
        with self._lock:
            if self._loaded is None or self._loaded[0] != wanted:
                self._loaded = (wanted, recipe.opened())
            return self._loaded[1]

    def recipe(self, name: str, editor: str, settings: dict[str, Any]) -> "EditorRecipe":
        """How `open` makes an editor."""
        from cad_studio.augment._base import ClassText
        from cad_studio.augment._recipe import EditorRecipe

        names, prompts = self._datasets.get(name).class_names, self._prompts.texts(name)
        texts = [ClassText(*each) for each in zip(names, prompts, strict=True)]
        return EditorRecipe(editor, settings, texts)

    def text_of_class(self, name: str, editor: str) -> list[str]:
        """What of each class an edit depends on: its prompt, or its name, C texts."""
        from cad_studio.augment._base import EDITORS

        if EDITORS.get(editor).uses_text:
            return self._prompts.texts(name)
        return list(self._datasets.get(name).class_names)

    def _require_own_model(self, name: str, member: "type[Editor]", model: str) -> None:
        try:
            self._access.require_to_reach(model)
        except (NotAllowedError, ReadOnlyError):
            own = member.is_trained_here and self._model_file(self._datasets.load(name))
            if model != str(own):
                raise

    def _model_file(self, data: LoadedDataset) -> Path:
        """The in-domain editor of a dataset that is taken when none is asked for.

        Raises:
            ResourceError: There is none.
        """
        return self._chosen(data)[0]

    def _described(self, data: LoadedDataset) -> str:
        _, found = self._chosen(data)
        if found is None:
            return "the bundled editor, trained on the sets of sample-hard"
        n_done = len(found.reports)
        return (
            f"editor {found.id}, {n_done} epoch{'s' * (n_done != 1)}"
            f"{'' if found.finished_at else ' (not finished)'}, data {found.version_hash}, "
            f"classes by {found.belief}"
        )

    def _chosen(self, data: LoadedDataset) -> tuple[Path, EditModel | None]:
        """The newest editor that was trained to its end, else the bundled one, else the newest.

        Those that know other classes are passed over; None stands for the bundled one.

        Raises:
            ResourceError: There is none.
        """
        unfinished = None
        for model in self._project.edit_models.all(data.record.id):
            file = self._project.editor_folder(model.id) / EDITOR_FILE
            if not file.is_file() or not _knows(file, data):
                continue
            if model.finished_at is not None:
                return file, model
            unfinished = unfinished or (file, model)
        if BUNDLED_EDITOR.is_file() and _fits(BUNDLED_EDITOR, data):
            return BUNDLED_EDITOR, None
        if unfinished is not None:
            return unfinished
        name = data.record.name
        raise ResourceError(
            f"There is no in-domain editor for {name} yet. Train one on the Augmentations page, "
            f"or with: python -m cad_studio edit-model {name}."
        )


def _content(model: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of the file of a model, or of all files in its folder."""
    files = sorted(model.rglob("*")) if model.is_dir() else [model]
    found = [(file, file.stat()) for file in files if file.is_file()]
    return [(str(file), about.st_size, about.st_mtime_ns) for file, about in found]


def _knows(file: Path, data: LoadedDataset) -> bool:
    """Whether an editor file was made for these classes; a damaged one was not."""
    from cad_studio.models.denoiser import read_card

    try:
        return read_card(file).class_names == data.record.class_names
    except CadStudioError:
        return False


def _fits(file: Path, data: LoadedDataset) -> bool:
    """Whether an editor file was made for these classes and this size of images."""
    from cad_studio.models.denoiser import read_card

    shape = None if data.pixels is None else data.pixels.native_shape
    card = read_card(file)
    return card.class_names == data.record.class_names and shape == (
        card.side_px, card.side_px, card.channels,
    )  # fmt: skip
