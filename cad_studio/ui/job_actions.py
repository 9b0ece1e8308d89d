"""What the forms over a dataset ask for: to look at a source, and to start their jobs."""

from pathlib import Path
from threading import Lock
from typing import Any

from cad_studio.core.progress import Silent
from cad_studio.core.settings import settings_from_json, settings_to_json
from cad_studio.services.container import Services
from cad_studio.services.datasets.import_texts import options_from_json
from cad_studio.services.datasets.importing import check_name, resolved_source
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.services.pairs.mining import BEST
from cad_studio.ui.actions import Action, Told
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.job_forms import ExportForm, ImportForm, in_fields, mining_asked
from cad_studio.ui.requests import Asked, Named

_PREVIEW_WORDS = ("lines", "problem_lines")


class Source(Asked):
    """A source as the import form has it; what `fields` does not name keeps its default.

    Attributes:
        upload: Where a file lies that was handed in, in place of a source that is typed.
    """

    fields: dict[str, Any]
    upload: str | None = None


class Filled(Named):
    """A form over a dataset; what `fields` does not name keeps its default."""

    fields: dict[str, Any]


def import_actions(services: Services) -> list[Action]:
    """Those of the import form, by the name the page calls them."""
    looking = Lock()  # a large source takes the disk and the processor: one at a time

    def preview_import(asked: Source) -> Told:
        form = settings_from_json(ImportForm, asked.fields)
        if form.name.strip():
            check_name(form.name.strip())
        given = options_from_json(form.options())
        place = resolved_source(form.place(asked.upload))
        services.require_writable()
        with looking:
            found = services.importing.preview(place, given, Silent(), with_pictures=True)
        told = {name: [in_fields(line) for line in found[name]] for name in _PREVIEW_WORDS}
        return {**found, **told}

    def start_import(asked: Source) -> Told:
        form = settings_from_json(ImportForm, asked.fields)
        place = form.place(asked.upload)
        name = form.name.strip() or Path(place.partition(":")[2] or place).stem
        check_name(name)
        arguments = {
            "source": resolved_source(place),
            "name": name,
            "skip_bad": form.skip_bad,
            "options": form.options(),
        }
        return {"job": services.jobs.submit("import", arguments).id}

    return [answers_errors(each, in_fields) for each in (preview_import, start_import)]


def set_actions(services: Services) -> list[Action]:
    """Those that make a dataset's sets, or a file of them."""

    @answers_errors
    def synthesize(asked: Filled) -> Told:
        services.datasets.get(asked.name)
        config = settings_to_json(settings_from_json(SynthesisConfig, asked.fields))
        job = services.jobs.submit("synthesize", {"name": asked.name, "config": config})
        return {"job": job.id}

    @answers_errors
    def export(asked: Filled) -> Told:
        services.datasets.get(asked.name)
        form = settings_from_json(ExportForm, asked.fields)
        job = services.jobs.submit("export", {"name": asked.name, "format": form.format})
        return {"job": job.id}

    return [synthesize, export]


def mine_action(services: Services) -> Action:
    """The search for entangled pairs."""

    @answers_errors
    def mine(asked: Filled) -> Told:
        services.datasets.get(asked.name)
        form, search = mining_asked(asked.fields)
        arguments = {
            "name": asked.name,
            "features": services.mining.check_spec(asked.name, form.features or BEST),
            "labels": form.labels,
            "split": services.mining.check_split(asked.name, form.split),
            "config": search,
        }
        return {"job": services.jobs.submit("mine", arguments).id}

    return mine
