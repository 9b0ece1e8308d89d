"""Where things are, seen from a page."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from cad_studio.services.container import Services
from cad_studio.services.datasets.pictures import SPRITE_COLUMNS
from cad_studio.views.pictures import SpriteView

PREFIX = "/gradio_api/cad"
"""All addresses of the studio begin so; what lies there Gradio passes on even behind a proxy."""

STATIC_FOLDER = Path(__file__).parent / "components"
"""The scripts and styles of the window."""


def static_version() -> str:
    """A hash of all scripts and styles, so that a browser may keep them for ever."""
    digest = hashlib.sha256()
    for file in sorted(STATIC_FOLDER.glob("*.[jc]s*")):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def sprite_entry(services: Services, name: str, rows: list[int]) -> SpriteView | None:
    """The sheet of some samples; None where there are none."""
    if not rows:
        return None
    data = services.datasets.load(name)
    listed = ",".join(str(row) for row in rows)
    return {
        "url": f"{PREFIX}/sprite/{data.record.version.hash}/{quote(name)}.png?rows={listed}",
        "columns": SPRITE_COLUMNS,
        "px": services.pictures.cell_px(data),
        "lines": -(-len(rows) // SPRITE_COLUMNS),
    }
