"""The Entangled pairs page: find pairs and go through them."""

import gradio as gr

from cad_studio.services.container import Services
from cad_studio.services.mining import LABEL_CHOICES, OFFERED, MiningConfig
from cad_studio.ui.components.viewer import Viewer
from cad_studio.ui.errors import shows_errors
from cad_studio.ui.forms import SettingsForm
from cad_studio.ui.tabs._base import TABS, Tab

_STARTED = "() => window.cadStudio.started()"
_WITH_DATASET = "(name, ...rest) => [window.cadStudio.dataset(), ...rest]"


def build(services: Services) -> None:
    """Make the page."""
    Viewer("pairs_page", "pairs-page")
    with gr.Column(elem_id="pairs-mine", elem_classes="drawer"):
        gr.Markdown(
            "## Find entangled pairs\nTwo samples that are close in some features, share a "
            "candidate, and are taken to be of different classes."
        )
        dataset = gr.Textbox(visible=False)
        features = gr.Dropdown(
            [*OFFERED, "raw"],
            value="pixels",
            label="Features",
            info="pixels needs no download; raw is for datasets of vectors. Others: any "
            "torchvision:NAME, hf:ID-or-folder, npy:FILE.",
            allow_custom_value=True,
            elem_id="mine-features",
        )
        form = SettingsForm(
            MiningConfig, "mine", only=("quantile", "threshold", "method"), first={"quantile": 1e-3}
        )
        labels = gr.Dropdown(
            list(LABEL_CHOICES),
            value="auto",
            label="Classes by",
            info="auto: true labels where known, else the best current label; best: never true "
            "labels.",
            elem_id="mine-labels",
        )
        split = gr.Textbox(
            label="Split", info="Search within one split; empty takes all.", max_lines=1,
            elem_id="mine-split",
        )  # fmt: skip
        start = gr.Button("Find pairs", variant="primary", elem_id="mine-start")
        gr.Button("Close", elem_id="mine-close").click(
            None, js="() => window.cadStudio.close()", api_visibility="private"
        )

    @shows_errors
    def on_mine(name: str, features: str, labels: str, split: str | None, *values: object) -> None:
        services.datasets.get(name)
        services.jobs.submit(
            "mine",
            f"Find pairs of {name}",
            {
                "name": name,
                "features": services.mining.check_spec(name, features),
                "labels": labels,
                "split": (split or "").strip() or None,
                "config": form.to_json(values),
            },
        )

    start.click(
        on_mine,
        [dataset, features, labels, split, *form.components],
        None,
        js=_WITH_DATASET,
        api_visibility="private",
        concurrency_id="jobs",
        concurrency_limit=1,
    ).success(None, js=_STARTED, api_visibility="private")


TABS.register("pairs")(Tab("Entangled pairs", 20, build))
