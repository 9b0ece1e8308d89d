"""The tables of the studio that its scripts read too: told once, with the page."""

import json

from cad_studio.services.export_formats import formats_of


def window_tables() -> str:
    """What the scripts find as `window.cadTables`, as JSON.

    Returns:
        `exports`: of each format for what was annotated `name`, `title`, `says`.
    """
    exports = [
        {"name": name, "title": each.title, "says": each.says}
        for name, each in formats_of(annotation=True).items()
    ]
    return json.dumps({"exports": exports}).replace("<", "\\u003c")
