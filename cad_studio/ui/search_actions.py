"""What the Dataset page may ask for to search: a picture from outside, a model to search with."""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.parts import Parts

Wanted = dict[str, Any]


def search_actions(services: Services) -> list[Callable[[Any], Wanted]]:
    """The actions, by the name the page calls them."""

    @answers_errors
    def search_picture(wanted: Parts) -> Wanted:
        name, where = str(wanted["name"]), str(wanted.get("file_name") or "The picture")[:200]
        services.require_writable()
        try:
            data = base64.b64decode(wanted.part("content", str), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SettingError(f"{where} did not arrive whole. Drop it again.") from error
        by = str(wanted.get("by") or "")
        return {"like": services.search.keep_picture(name, data, where, by)}

    @answers_errors
    def hub_models(wanted: Parts) -> Wanted:
        services.datasets.get(str(wanted["name"]))
        return services.hub_models.offers()

    @answers_errors
    def extract_features(wanted: Parts) -> Wanted:
        services.require_writable()
        name = str(wanted["name"])
        spec = services.mining.check_spec(name, str(wanted["features"]))
        job = services.jobs.submit(
            "extract", f"Extract {spec} of {name}", {"name": name, "features": spec}
        )
        return {"job": job.id}

    return [search_picture, hub_models, extract_features]
