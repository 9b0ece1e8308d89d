"""What the Dataset page may ask for to search: a picture from outside, a model to search with."""

import base64
import binascii
from typing import Annotated

from pydantic import Field

from cad_studio.core.errors import SettingError
from cad_studio.services.container import Services
from cad_studio.ui.actions import Action, Told
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.requests import Named


class SearchPicture(Named):
    """A picture to search by; `content` is the file in Base64."""

    content: str
    file_name: Annotated[str, Field(max_length=1000)] = "The picture"
    by: str | None = None


class Extracting(Named):
    """Features to extract, by their spec."""

    features: str


def search_actions(services: Services) -> list[Action]:
    """The actions, by the name the page calls them."""

    @answers_errors
    def search_picture(asked: SearchPicture) -> Told:
        services.require_writable()
        try:
            data = base64.b64decode(asked.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise SettingError(f"{asked.file_name} did not arrive whole. Drop it again.") from error
        like = services.search.keep_picture(asked.name, data, asked.file_name, asked.by or "")
        return {"like": like}

    @answers_errors
    def hub_models(asked: Named) -> Told:
        services.datasets.get(asked.name)
        return services.hub_models.offers()

    @answers_errors
    def extract_features(asked: Extracting) -> Told:
        services.require_writable()
        spec = services.mining.check_spec(asked.name, asked.features)
        arguments = {"name": asked.name, "features": spec}
        return {"job": services.jobs.submit("extract", arguments).id}

    return [search_picture, hub_models, extract_features]
