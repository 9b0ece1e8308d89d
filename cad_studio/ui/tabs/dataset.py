"""The Dataset page: choose, import and look at a dataset."""

import json
from pathlib import Path
from typing import Any

import gradio as gr

from cad_studio.core.errors import SettingError
from cad_studio.core.progress import Silent
from cad_studio.core.records import Job
from cad_studio.services.container import Services
from cad_studio.services.datasets.export_formats import formats_of
from cad_studio.services.datasets.import_texts import options_from_json
from cad_studio.services.datasets.importing import check_name, resolved_source
from cad_studio.services.datasets.synthesis import SynthesisConfig
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.division_actions import division_actions
from cad_studio.ui.errors import answers_errors, shows_errors
from cad_studio.ui.forms import SettingsForm, start_button
from cad_studio.ui.import_choices import CANDIDATES, SKIP_BAD, ImportChoices, in_fields
from cad_studio.ui.requests import Asked, Named
from cad_studio.ui.search_actions import search_actions
from cad_studio.ui.tabs._base import TABS, Tab

_PREVIEW_WORDS = ("lines", "problem_lines")


def build(services: Services) -> None:
    """Make the page."""

    @answers_errors
    def remove(asked: Named) -> dict[str, Any]:
        services.require_writable()
        return services.datasets.remove(asked.name)

    @answers_errors
    def check(_asked: Asked) -> dict[str, Any]:
        return services.verifying.submit()

    actions = [*division_actions(services), *search_actions(services)]
    viewer("dataset_page", "dataset-page", [remove, check, *actions])
    _import_form(services)
    _synthesis_form(services)
    _export_form(services)


def _import_form(services: Services) -> None:
    with gr.Column(elem_id="dataset-import", elem_classes="drawer") as form:
        gr.Markdown(
            "## Import data\nAll or nothing: what is wrong is listed with its first case, "
            "and the project stays as it was. Preview shows how the source is read."
        )
        source = gr.Textbox(
            label="Source",
            info="File or folder on the machine the studio runs on, an address (https, s3, gs, "
            "hf), hf:OWNER/NAME, or torchvision:CIFAR10.",
            placeholder="/data/my-images",
            max_lines=1,
            elem_id="import-source",
        )
        gr.Markdown("Or upload one file: a zip of images, a table, Parquet, npz or mat.")
        upload = gr.File(
            label="File to import", show_label=False, height=104, elem_id="import-upload"
        )
        name = gr.Textbox(
            label="Name in the project", placeholder="my-images", max_lines=1, elem_id="import-name"
        )
        candidates = gr.Textbox(
            label=CANDIDATES,
            info="A separate table, .npy, .npz, .pt or PLCIFAR10 pickle for a labelled source.",
            max_lines=1,
            elem_id="import-candidates",
        )
        with gr.Accordion("More", open=False, elem_id="import-more"):
            more = ImportChoices()
        skip_bad = gr.Checkbox(
            label=SKIP_BAD,
            elem_id="import-skip-bad",
        )
        look = gr.Button("Preview", elem_id="import-look")
        viewer("import_preview", "import-preview")
        seen = gr.Textbox(visible="hidden", elem_id="import-seen")

    def chosen(source: str | None, upload: str | None) -> str:
        typed = (source or "").strip()
        if upload and typed:
            raise SettingError(
                f"Two sources are given: the uploaded file {Path(upload).name} and {typed}. "
                "Remove one of them."
            )
        if not (upload or typed):
            raise SettingError("Give a source: a path, hf:OWNER/NAME, torchvision:NAME, or a file.")
        return upload or typed

    def options(candidates: str | None, *values: Any) -> dict[str, Any]:
        named = (candidates or "").strip()
        return {"candidates": resolved_source(named) if named else None, **more.to_json(values)}

    def on_look(
        source: str | None,
        upload: str | None,
        candidates: str | None,
        name: str | None,
        *values: Any,
    ) -> str:
        if (name or "").strip():
            check_name((name or "").strip())
        given = options_from_json(options(candidates, *values))
        place = resolved_source(chosen(source, upload))
        services.require_writable()
        found = services.importing.preview(place, given, Silent(), with_pictures=True)
        told = {name: [in_fields(line) for line in found[name]] for name in _PREVIEW_WORDS}
        return json.dumps({**found, **told})

    def on_import(
        source: str | None,
        upload: str | None,
        name: str | None,
        skip_bad: bool,
        candidates: str | None,
        *values: Any,
    ) -> Job:
        place = chosen(source, upload)
        name = (name or "").strip() or Path(place.partition(":")[2] or place).stem
        check_name(name)
        return services.jobs.submit(
            "import",
            {
                "source": resolved_source(place),
                "name": name,
                "skip_bad": skip_bad,
                "options": options(candidates, *values),
            },
        )

    with form:
        # the source that was given last is the only one that is shown, and the one that is imported
        upload.upload(None, None, source, js="() => ''", api_visibility="private")
        source.input(None, None, upload, js="() => null", api_visibility="private")
        looked = look.click(
            shows_errors(on_look, in_fields),
            [source, upload, candidates, name, *more.components],
            seen,
            api_visibility="private",
            concurrency_id="preview",
            concurrency_limit=1,
            js="(...given) => { window.cadStudio.looking(); return given; }",
        )
        looked.success(
            None, seen, js="found => window.cadStudio.previewed(found)", api_visibility="private"
        )
        looked.failure(None, None, js="() => window.cadStudio.taken()", api_visibility="private")
        start_button(
            "Import", "import", on_import,
            [source, upload, name, skip_bad, candidates, *more.components],
            about_dataset=False, cleared=[source, upload, name], worded=in_fields,
        )  # fmt: skip


def _synthesis_form(services: Services) -> None:
    def on_synthesize(name: str, *values: object) -> Job:
        services.datasets.get(name)
        config = form.to_json(values)
        return services.jobs.submit("synthesize", {"name": name, "config": config})

    with gr.Column(elem_id="dataset-synthesize", elem_classes="drawer"):
        gr.Markdown(
            "## Synthesize candidate sets\nAn annotator network learns the true labels; what it "
            "confuses on an image joins that image's set. Makes a new version of the dataset."
        )
        form = SettingsForm(SynthesisConfig, "synthesize")
        start_button("Synthesize", "synthesize", on_synthesize, form.components)


def _export_form(services: Services) -> None:
    def on_export(name: str, format_name: str) -> Job:
        services.datasets.get(name)
        arguments = {"name": name, "format": format_name}
        return services.jobs.submit("export", arguments)

    with gr.Column(elem_id="dataset-export", elem_classes="drawer"):
        gr.Markdown(
            "## Export\nThe current candidate sets, without loss: importing the file brings them "
            "back. CSV holds the sets alone; Parquet and npz hold the images or vectors too."
        )
        format_name = gr.Dropdown(
            list(formats_of(annotation=False)), value="csv", label="Format", elem_id="export-format"
        )
        start_button("Make the file", "export", on_export, [format_name])


TABS.register("dataset")(Tab("Dataset", 10, build))
