"""Where things are, seen from a page."""

from urllib.parse import quote

from cad_studio.services.container import Services
from cad_studio.services.pictures import SPRITE_COLUMNS

PREFIX = "/gradio_api/cad"


def sprite_entry(services: Services, name: str, rows: list[int]) -> dict[str, object] | None:
    """Where a sheet of thumbnails is, and how it is laid out."""
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
