"""What editors that follow a text are told about each class: a table that the user edits."""

import re
from dataclasses import asdict
from typing import Any

from cad_studio.core.errors import RecordNotFoundError, SettingError, closest
from cad_studio.core.records import Dataset
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.store.projects import Project
from cad_studio.views.augmentation import PromptsView

PLAIN, DESCRIBED = "{class}", "{class}, {description}"
MOST_CHARACTERS = 10_000
_FIELD = re.compile(r"\{([^{}]*)\}")
_WORDS_READ = 60
"""About so many words of a prompt are read by the text encoder of InstructPix2Pix (77 tokens)."""


class PromptService:
    """The prompt tables of one project; every version is kept."""

    def __init__(self, project: Project, datasets: DatasetService) -> None:
        """Store into `project`, read datasets through `datasets`."""
        self._project = project
        self._datasets = datasets

    def table(self, name: str) -> PromptsView:
        """The current texts of a dataset, and its earlier versions.

        Returns:
            `number` (0 for the table nobody has edited yet), `template`, `rows` (by class: `name`,
            `description`, `prompt`, `is_cut`), `versions` (newest first: `number`, `template`,
            `descriptions`, `created_at`).
        """
        record = self._datasets.get(name)
        versions = self._project.prompts.versions(record.id)
        number, template, descriptions = self._current(record)
        return {
            "number": number,
            "template": template,
            "rows": [
                {
                    "name": class_name,
                    "description": descriptions.get(class_name, ""),
                    "prompt": prompt,
                    "is_cut": len(prompt.split()) > _WORDS_READ,
                }
                for class_name, prompt in zip(
                    record.class_names, self._prompts(record), strict=True
                )
            ],
            "versions": [asdict(version) for version in versions],
        }

    def save(self, name: str, template: str, descriptions: dict[str, str]) -> dict[str, Any]:
        """Make the next version; edits of classes whose prompt stays are still good.

        Raises:
            SettingError: A class that the dataset does not have, an unknown field of the
                template, or too long a text.
        """
        record = self._datasets.get(name)
        template = template.strip() or PLAIN
        for found in _FIELD.findall(template):
            if found not in {"class", "description"}:
                raise SettingError(
                    f"The template has {{{found[:40]}}}; it may have {{class}} and {{description}}."
                )
        clean = {}
        for class_name, text in descriptions.items():
            if class_name not in record.class_names:
                hint = closest(class_name, record.class_names)
                raise SettingError(f"{class_name!r:.80} is not a class of {name}. {hint}".rstrip())
            clean[class_name] = " ".join(text.split())
        for class_name in record.class_names:
            text = prompt_of(template, class_name, clean.get(class_name, ""))
            if len(text) > MOST_CHARACTERS:
                raise SettingError(
                    f"The prompt of {class_name!r} has {len(text):,} characters; at most "
                    f"{MOST_CHARACTERS:,} are kept, and editors read about {_WORDS_READ} words."
                )
        if (template, clean) != self._current(record)[1:]:
            self._project.prompts.add(record.id, template, clean)
        return self.table(name)

    def restore(self, name: str, number: int) -> dict[str, Any]:
        """Make an earlier version the current one, as a new version.

        Raises:
            RecordNotFoundError: There is no such version.
        """
        record = self._datasets.get(name)
        for version in self._project.prompts.versions(record.id):
            if version.number == number:
                known = {
                    name: text
                    for name, text in version.descriptions.items()
                    if name in record.class_names
                }
                return self.save(name, version.template, known)
        raise RecordNotFoundError(f"The prompts of {name} have no version {number}.")

    def texts(self, name: str) -> list[str]:
        """The prompt of each class, C of them."""
        return self._prompts(self._datasets.get(name))

    def _prompts(self, record: Dataset) -> list[str]:
        _, template, descriptions = self._current(record)
        return [
            prompt_of(template, class_name, descriptions.get(class_name, ""))
            for class_name in record.class_names
        ]

    def _current(self, record: Dataset) -> tuple[int, str, dict[str, str]]:
        versions = self._project.prompts.versions(record.id)
        if versions:
            return versions[0].number, versions[0].template, versions[0].descriptions
        given = record.class_descriptions
        return 0, DESCRIBED if given else PLAIN, given


def prompt_of(template: str, class_name: str, description: str) -> str:
    """The text of a class: the template filled in, without what an empty field leaves behind."""
    values = {"class": class_name, "description": description}
    text = _FIELD.sub(lambda field: values.get(field[1], field[0]), template)
    return " ".join(text.split()).strip(" ,;:-") or class_name
