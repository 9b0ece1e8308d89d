"""How an editor is made, so that another process can make the same one."""

from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cad_studio.augment._base import EDITORS, ClassText, Editor
from cad_studio.core.errors import ResourceError
from cad_studio.core.settings import settings_from_json


@dataclass(frozen=True)
class EditorRecipe:
    """An editor with its settings and texts.

    Attributes:
        name: A registered editor.
        settings: All its settings.
        texts: C of them, by class.
        key: What `Editor.key` must be once it is loaded; empty where any model will do.
        model: Content of the file that the setting `model` names, where it travels along.
    """

    name: str
    settings: dict[str, Any]
    texts: list[ClassText]
    key: str = ""
    model: bytes | None = None

    def opened(self) -> Editor:
        """The editor, ready.

        Raises:
            ResourceError: What it needs cannot be had here, or another model is here.
            SettingError: It does not know these classes.
        """
        with TemporaryDirectory(prefix="cad-editor-") as folder:
            settings = self.settings
            if self.model is not None:
                file = Path(folder, Path(settings["model"]).name)
                file.write_bytes(self.model)
                settings = {**settings, "model": str(file)}
            member = EDITORS.get(self.name)
            editor = member(settings_from_json(member.config_type, settings))
            editor.load(self.texts)
            if self.key and editor.key() != self.key:
                raise ResourceError(
                    f"The model {self.settings.get('model')!r} of {self.name} is another one here "
                    "than where the edits were asked for. Put the same one on both machines."
                )
            return editor

    def carried(self, key: str) -> "EditorRecipe":
        """With the file of the model, where there is one, and the key of the editor it gives."""
        model = Path(str(self.settings.get("model") or "."))
        return replace(self, key=key, model=model.read_bytes() if model.is_file() else None)
