"""Hand a trained model on to the Hugging Face Hub, when the user asks for it."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from cad_studio.core.errors import ResourceError, SettingError
from cad_studio.core.figures import RUN_FIGURES
from cad_studio.core.optional import require
from cad_studio.core.progress import Progress
from cad_studio.services.access import Access
from cad_studio.services.training.runs import MODEL_FILE, RunService

_ORACLE = "took true labels"


class PublishingService:
    """Uploads of runs."""

    def __init__(self, runs: RunService, access: Access) -> None:
        """Read runs through `runs`; `access` rules on who may say where they go."""
        self._runs = runs
        self._access = access

    def push(
        self, run_id: int, repository: str, private: bool, progress: Progress
    ) -> dict[str, Any]:
        """Upload a run's model, its settings and a card that says what it is.

        The token is the one `hf auth login` or `HF_TOKEN` left on this machine; the studio never
        stores one.

        Args:
            run_id: A run with a model.
            repository: `owner/name` on the Hub; made when it is not there.
            private: Whether a new repository is private.
            progress: Told how far it is.

        Returns:
            `run`, `repository`, `address`.

        Raises:
            RecordNotFoundError: The run has no model yet.
            SettingError: The name is not `owner/name`.
            ResourceError: The Hub cannot be reached or refuses.
            NotAllowedError, ReadOnlyError: The one who acts may not upload.
        """
        self._access.require_to_reach(repository)
        hub = require("huggingface_hub", "huggingface_hub", "Uploading to the Hub")
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError

        check_repository(repository)
        with tempfile.TemporaryDirectory() as name:
            folder = self.write(run_id, Path(name))
            try:
                progress.report(0.1, f"Making {repository}")
                api = hub.HfApi()
                made = api.create_repo(repository, private=private, exist_ok=True)
                progress.report(0.2, "Uploading")
                api.upload_folder(
                    repo_id=made.repo_id,
                    folder_path=folder,
                    commit_message=f"CAD Studio run {run_id}",
                )
            except HFValidationError as error:
                raise SettingError(
                    f"{repository!r} is no name for a repository: {error}"
                ) from error
            except (HfHubHTTPError, OSError, hub.errors.LocalTokenNotFoundError) as error:
                raise ResourceError(
                    f"{repository} could not be uploaded ({_first_line(error)}). Check the network "
                    "and log in with `hf auth login`, with a token that may write; then try again."
                ) from error
        return {"run": run_id, "repository": made.repo_id, "address": str(made)}

    def write(self, run_id: int, folder: Path) -> Path:
        """Put what is uploaded into a folder: model, `config.json`, `README.md`.

        Raises:
            RecordNotFoundError: The run has no model yet.
            NotAllowedError, ReadOnlyError: The one who acts may not choose the folder.
        """
        self._access.require_to_reach(str(folder))
        run = self._runs.get(run_id)
        shutil.copyfile(self._runs.model_path(run_id), folder / MODEL_FILE)
        kept = ("method", "backbone", "features", "config", "settings", "environment",
                "dataset", "data_version", "best")  # fmt: skip
        text = json.dumps({key: run[key] for key in kept}, indent=2, ensure_ascii=False)
        (folder / "config.json").write_text(text + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_card(run), encoding="utf-8")
        return folder


def check_repository(repository: str) -> None:
    """Hold a name against `owner/name`.

    Raises:
        SettingError: It is something else.
    """
    owner, _, name = repository.partition("/")
    if not owner.strip() or not name.strip() or "/" in name:
        raise SettingError(f"{repository!r} is not a repository. Write owner/name.")


def _card(run: dict[str, Any]) -> str:
    rows = [
        f"| {figure.title} | {run[figure.key]:.4f} | {figure.about}. "
        f"{_ORACLE if figure.oracle else ''} |"
        for figure in RUN_FIGURES
        if figure.is_shown and run[figure.key] is not None
    ]
    return "\n".join(
        [
            "---",
            "library_name: cad-studio",
            "tags: [partial-label-learning, image-classification]",
            "---",
            f"# {run['name']}",
            "",
            f"A {run['backbone']} trained by {run['method']} on the candidate sets of "
            f"{run['dataset']} (version {run['data_version']}), seed {run['seed']}.",
            "",
            "| Figure | Value | |",
            "| --- | --- | --- |",
            *rows,
            "",
            "Load it with CAD Studio:",
            "",
            "```python",
            "from cad_studio.training.model_file import load_model",
            f'network, views = load_model("{MODEL_FILE}")',
            "logits = network(views.plain(views.unit(images)))  # uint8 (B, H, W, channels)",
            "```",
            "",
        ]
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
