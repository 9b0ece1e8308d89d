"""The Dataset page: choose, import and look at a dataset."""

from pathlib import Path
from typing import Any

import gradio as gr

from cad_studio.core.errors import SettingError
from cad_studio.core.records import Job
from cad_studio.core.vote_sets import VOTES_AS
from cad_studio.services.container import Services
from cad_studio.services.exporting import FORMATS
from cad_studio.services.importing import check_name, formats, resolved_source
from cad_studio.services.synthesis import SynthesisConfig
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.division_actions import division_actions
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.forms import SettingsForm, start_button
from cad_studio.ui.tabs._base import TABS, Tab

_FIND_OUT = "find out"


def build(services: Services) -> None:
    """Make the page."""

    @answers_errors
    def remove(wanted: dict[str, Any]) -> dict[str, Any]:
        services.require_writable()
        return services.datasets.remove(str(wanted["name"]))

    @answers_errors
    def check(_wanted: dict[str, Any]) -> dict[str, Any]:
        return services.verifying.submit()

    viewer("dataset_page", "dataset-page", [remove, check, *division_actions(services)])
    _import_form(services)
    _synthesis_form(services)
    _export_form(services)


def _import_form(services: Services) -> None:
    with gr.Column(elem_id="dataset-import", elem_classes="drawer") as form:
        gr.Markdown(
            "## Import data\nAll or nothing: what is wrong is listed with its first case, "
            "and the project stays as it was."
        )
        source = gr.Textbox(
            label="Source",
            info="File or folder on the machine the studio runs on, hf:OWNER/NAME, "
            "or torchvision:CIFAR10.",
            placeholder="/data/my-images",
            max_lines=1,
            elem_id="import-source",
        )
        gr.Markdown("Or upload one file: a zip of images, Parquet, npz or mat.")
        upload = gr.File(
            label="File to import", show_label=False, height=104, elem_id="import-upload"
        )
        name = gr.Textbox(
            label="Name in the project", placeholder="my-images", max_lines=1, elem_id="import-name"
        )
        candidates = gr.Textbox(
            label="Candidate sets (optional)",
            info="A separate .npy, .npz, .csv, .pt or PLCIFAR10 pickle for a labelled source.",
            max_lines=1,
            elem_id="import-candidates",
        )
        threshold = gr.Number(
            label="Vote threshold",
            info="Share of a sample's votes that makes a class a candidate; 0: any vote is enough.",
            value=0.0, minimum=0.0, maximum=1.0, step=0.05, elem_id="import-threshold",
        )  # fmt: skip
        with gr.Accordion("More", open=False, elem_id="import-more"):
            format_name = gr.Dropdown(
                ["recognise by itself", *formats()],
                value="recognise by itself",
                label="Format",
                elem_id="import-format",
            )
            splits = gr.Textbox(
                label="Splits", info="Separated by commas; empty takes all.", max_lines=1,
                elem_id="import-splits",
            )  # fmt: skip
            classes = gr.Textbox(
                label="Class names",
                info="In order, separated by commas, when the source has none.",
                max_lines=1, elem_id="import-classes",
            )  # fmt: skip
            votes_as = gr.Dropdown(
                [_FIND_OUT, *VOTES_AS],
                value=_FIND_OUT,
                label="A matrix of votes holds",
                info="For each class counts or shares of votes, or a column for each annotator.",
                elem_id="import-votes-as",
            )
            images = gr.Textbox(
                label="Image folder of a votes table", max_lines=1, elem_id="import-images"
            )
        skip_bad = gr.Checkbox(
            label="Import the rest when some samples are bad, and list what was left out",
            elem_id="import-skip-bad",
        )

    def on_import(
        source: str | None,
        upload: str | None,
        name: str | None,
        candidates: str | None,
        format_name: str | None,
        splits: str | None,
        classes: str | None,
        images: str | None,
        skip_bad: bool,
        threshold: float | None,
        votes_as: str | None,
    ) -> Job:
        typed = (source or "").strip()
        if upload and typed:
            raise SettingError(
                f"Two sources are given: the uploaded file {Path(upload).name} and {typed}. "
                "Remove one of them."
            )
        chosen = upload or typed
        if not chosen:
            raise SettingError("Give a source: a path, hf:OWNER/NAME, torchvision:NAME, or a file.")
        name = (name or "").strip() or Path(chosen.partition(":")[2] or chosen).stem
        check_name(name)
        return services.jobs.submit(
            "import",
            f"Import {name}",
            {
                "source": resolved_source(chosen),
                "name": name,
                "skip_bad": skip_bad,
                "options": {
                    "format": format_name if format_name in formats() else None,
                    "candidates": _path(candidates),
                    "splits": _words(splits),
                    "class_names": _words(classes) or None,
                    "images_dir": _path(images),
                    "threshold": float(threshold or 0.0),
                    "votes_as": votes_as if votes_as in VOTES_AS else None,
                },
            },
        )

    with form:
        inputs = [source, upload, name, candidates, format_name, splits, classes, images, skip_bad,
                  threshold, votes_as]  # fmt: skip
        # the source that was given last is the only one that is shown, and the one that is imported
        upload.upload(None, None, source, js="() => ''", api_visibility="private")
        source.input(None, None, upload, js="() => null", api_visibility="private")
        start_button(
            "Import", "import", on_import, inputs, about_dataset=False,
            cleared=[source, upload, name],
        )  # fmt: skip


def _synthesis_form(services: Services) -> None:
    def on_synthesize(name: str, *values: object) -> Job:
        services.datasets.get(name)
        config = form.to_json(values)
        return services.jobs.submit(
            "synthesize", f"Synthesize sets of {name}", {"name": name, "config": config}
        )

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
        return services.jobs.submit("export", f"Export {name}", arguments)

    with gr.Column(elem_id="dataset-export", elem_classes="drawer"):
        gr.Markdown(
            "## Export\nThe current candidate sets, without loss: importing the file brings them "
            "back. CSV holds the sets alone; Parquet and npz hold the images or vectors too."
        )
        format_name = gr.Dropdown(
            list(FORMATS), value="csv", label="Format", elem_id="export-format"
        )
        start_button("Make the file", "export", on_export, [format_name])


def _path(text: str | None) -> str | None:
    named = (text or "").strip()
    return str(Path(named).expanduser().absolute()) if named else None


def _words(text: str | None) -> list[str]:
    """Parts between commas; a field that was never shown holds None."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


TABS.register("dataset")(Tab("Dataset", 10, build))
