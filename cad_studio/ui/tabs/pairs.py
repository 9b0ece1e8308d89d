"""The Entangled pairs page: find pairs and go through them."""

import gradio as gr

from cad_studio.core.records import Job
from cad_studio.services.container import Services
from cad_studio.services.pairs.mining import BEST, LABEL_CHOICES, OFFERED, MiningConfig
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.forms import SettingsForm, start_button
from cad_studio.ui.tabs._base import TABS, Tab


def build(services: Services) -> None:
    """Make the page."""

    def on_mine(name: str, features: str, labels: str, split: str | None, *values: object) -> Job:
        services.datasets.get(name)
        return services.jobs.submit(
            "mine",
            {
                "name": name,
                "features": services.mining.check_spec(name, features),
                "labels": labels,
                "split": services.mining.check_split(name, split or ""),
                "config": form.to_json(values),
            },
        )

    viewer("pairs_page", "pairs-page")
    with gr.Column(elem_id="pairs-mine", elem_classes="drawer"):
        gr.Markdown(
            "## Find entangled pairs\nTwo samples that are close in some features, share a "
            "candidate, and are taken to be of different classes."
        )
        features = gr.Dropdown(
            [BEST, *OFFERED, "raw"],
            value=BEST,
            label="Features",
            info="best: of those that were extracted, the ones whose neighbours fit the sets best. "
            "pixels and hog need no download; raw is for datasets of vectors. Others: any "
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
        inputs = [features, labels, split, *form.components]
        start_button("Find pairs", "mine", on_mine, inputs)


TABS.register("pairs")(Tab("Entangled pairs", 20, build))
