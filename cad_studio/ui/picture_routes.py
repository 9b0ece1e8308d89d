"""Images of samples, one by one and on sheets, and the window's own scripts and styles."""

import mimetypes
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from cad_studio.services.container import Services
from cad_studio.ui import joined_files
from cad_studio.ui.addresses import STATIC_FOLDER, static_version
from cad_studio.ui.answers import CHANGING, LASTING, Answered, OpenServices, TakesBrotli, of_kind
from cad_studio.ui.requests import RowText, Whole, row_list

router = APIRouter(route_class=Answered, tags=["Pictures"])


@router.get("/image/{version}/{name}/{row}", **of_kind("image/*"))
def image(services: OpenServices, version: str, name: str, row: Whole) -> Response:
    """The image of one sample as it was imported; `version` is that of the dataset."""
    data, kind = services.pictures.image(name, row)
    return _picture(services, version, name, data, kind)


@router.get("/sprite/{version}/{name}.png", **of_kind("image/png"))
def sprite(services: OpenServices, version: str, name: str, rows: RowText = "") -> Response:
    """The thumbnails of up to 500 samples on one sheet, row by row from the left."""
    data = services.pictures.sprite(name, row_list(rows))
    return _picture(services, version, name, data, "image/png")


@router.get("/static/{version}/{file}", include_in_schema=False)
def static(version: str, file: str, packs: TakesBrotli) -> Response:
    """A script or a style of the window."""
    path = STATIC_FOLDER / Path(file).name
    is_joined = path.name in joined_files.NAMES
    if not is_joined and (path.suffix not in {".js", ".css"} or not path.is_file()):
        return JSONResponse({"error": "No such file."}, 404)
    kind = mimetypes.guess_type(path.name)[0] or "text/plain"
    headers = LASTING if version == static_version() else CHANGING
    if not is_joined:
        content: str | bytes = path.read_bytes()
    elif packs:
        content = joined_files.packed(STATIC_FOLDER, path.name)
        headers = {**headers, "Content-Encoding": "br", "Vary": "Accept-Encoding"}
    else:
        content = joined_files.joined(STATIC_FOLDER)[path.name]
    return Response(content, media_type=kind, headers=headers)


def _picture(services: Services, version: str, name: str, data: bytes, kind: str) -> Response:
    current = services.datasets.get(name).version.hash
    headers = LASTING if version == current else CHANGING
    return Response(data, media_type=kind, headers=headers)
