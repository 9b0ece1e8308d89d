"""The editors of a dataset: which there are, what each still needs, and how to get one ready."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from cad_studio.core.errors import CadStudioError, ResourceError, SettingError
from cad_studio.core.records import EditModel
from cad_studio.core.settings import describe_settings, settings_from_json, settings_to_json
from cad_studio.services.datasets import DatasetService
from cad_studio.services.loaded import LoadedDataset
from cad_studio.services.prompts import PromptService
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.augment._base import Editor

IN_DOMAIN = "in-domain"
BUNDLED_EDITOR = Path(__file__).parent.parent.parent / "assets" / "sample-editor.safetensors"
EDITOR_FILE = "editor.safetensors"


class EditorService:
    """Gets editors ready; one that was loaded stays, as long as no other is asked for."""

    def __init__(self, project: Project, datasets: DatasetService, prompts: PromptService) -> None:
        """Read from `project`; texts come from `prompts`."""
        self._project = project
        self._datasets = datasets
        self._prompts = prompts
        self._loaded: tuple[tuple[object, ...], Editor] | None = None
        self._lock = Lock()

    def offers(self, name: str) -> list[dict[str, Any]]:
        """Each editor as a form shows it.

        Returns:
            `name`, `title`, `uses_text`, `settings` (their description), `missing` (what it still
            needs on this dataset, in words; empty when nothing is known to be missing) and
            `model` (of the in-domain editor: what it was trained on, in words).
        """
        from cad_studio.augment._base import EDITORS

        data = self._datasets.load(name)
        offered = []
        for editor in EDITORS.names():
            member = EDITORS.get(editor)
            missing, model = "", ""
            if editor == IN_DOMAIN:
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
                    "settings": describe_settings(member.config_type),
                    "missing": missing,
                    "model": model,
                }
            )
        return offered

    def settings(self, name: str, editor: str, given: dict[str, Any]) -> dict[str, Any]:
        """All settings of an editor on a dataset, its model file among them.

        Raises:
            SettingError: No such editor, or a setting that is out of range.
            ResourceError: There is no in-domain editor for the dataset yet.
        """
        from cad_studio.augment._base import EDITORS

        member = EDITORS.get(editor)
        data = self._datasets.load(name)
        if data.pixels is None:
            raise SettingError(
                f"{name} holds feature vectors. Editors need images; train with proden instead."
            )
        values = dict(given)
        if editor == IN_DOMAIN and not values.get("model"):
            values["model"] = str(self._model_file(data))
        return settings_to_json(settings_from_json(member.config_type, values))

    def open(self, name: str, editor: str, settings: dict[str, Any]) -> "Editor":
        """An editor that is ready, from `settings` as that method gives them.

        Raises:
            ResourceError: What it needs cannot be had here; the text says how to get it.
            SettingError: It does not know the dataset's classes.
        """
        from cad_studio.augment._base import EDITORS, ClassText

        names = self._datasets.get(name).class_names
        prompts = self._prompts.texts(name)
        file = Path(str(settings["model"]))
        changed = file.stat().st_mtime_ns if file.is_file() else 0
        wanted = (editor, repr(sorted(settings.items())), tuple(names), tuple(prompts), changed)
        with self._lock:
            if self._loaded is None or self._loaded[0] != wanted:
                member = EDITORS.get(editor)
                made = member(settings_from_json(member.config_type, settings))
                made.load([ClassText(*each) for each in zip(names, prompts, strict=True)])
                self._loaded = (wanted, made)
            return self._loaded[1]

    def text_of_class(self, name: str, editor: str) -> list[str]:
        """What of each class an edit depends on: its prompt, or its name, C texts."""
        from cad_studio.augment._base import EDITORS

        if EDITORS.get(editor).uses_text:
            return self._prompts.texts(name)
        return list(self._datasets.get(name).class_names)

    def _model_file(self, data: LoadedDataset) -> Path:
        """The newest in-domain editor of a dataset, or the bundled one where that fits.

        Raises:
            ResourceError: There is none.
        """
        found = self._newest(data)
        if found is not None:
            return self._project.editor_folder(found.id) / EDITOR_FILE
        if BUNDLED_EDITOR.is_file() and _fits(BUNDLED_EDITOR, data):
            return BUNDLED_EDITOR
        name = data.record.name
        raise ResourceError(
            f"There is no in-domain editor for {name} yet. Train one on the Augmentations page, "
            f"or with: python -m cad_studio edit-model {name}."
        )

    def _newest(self, data: LoadedDataset) -> EditModel | None:
        for model in self._project.edit_models.all(data.record.id):
            if (self._project.editor_folder(model.id) / EDITOR_FILE).is_file():
                return model
        return None

    def _described(self, data: LoadedDataset) -> str:
        found = self._newest(data)
        if found is None:
            self._model_file(data)
            return "the bundled editor of the sample"
        n_done = len(found.reports)
        return (
            f"editor {found.id}, {n_done} epoch{'s' * (n_done != 1)}, data {found.version_hash}, "
            f"classes by {found.belief}"
        )


def _fits(file: Path, data: LoadedDataset) -> bool:
    """Whether an editor file was made for these classes and this size of images."""
    from cad_studio.models.denoiser import read_card

    shape = None if data.pixels is None else data.pixels.native_shape
    card = read_card(file)
    return card.class_names == data.record.class_names and shape == (
        card.side_px, card.side_px, card.channels,
    )  # fmt: skip
