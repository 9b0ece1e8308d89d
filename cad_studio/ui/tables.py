"""The tables of the studio that its scripts read too: told once, with the page."""

import json
from dataclasses import asdict

from cad_studio.core.figures import RUN_FIGURES
from cad_studio.core.records import ACTIVE, AT_WORK
from cad_studio.services.datasets.export_formats import formats_of
from cad_studio.services.operations import KINDS


def window_tables() -> str:
    """What the scripts find as `window.cadTables`, as JSON.

    Returns:
        `active` and `atWork` (statuses of jobs), `jobs` (by kind: `page`, `done`, `stopped`),
        `figures` (of a run while it trains: `core.figures.RunFigure`), `exports` (of each format
        for what was annotated: `name`, `title`, `says`).
    """
    tables = {
        "active": ACTIVE,
        "atWork": AT_WORK,
        "jobs": {
            name: {"page": kind.page, "done": kind.done, "stopped": kind.stopped}
            for name, kind in KINDS.items()
        },
        "figures": [asdict(each) | {"oracle": each.oracle} for each in RUN_FIGURES],
        "exports": [
            {"name": name, "title": each.title, "says": each.says}
            for name, each in formats_of(annotation=True).items()
        ],
    }
    return json.dumps(tables).replace("<", "\\u003c")
