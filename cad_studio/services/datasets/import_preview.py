"""What an import would bring: what was understood, counts, first rows; nothing is stored."""

import base64
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.dataset import UNKNOWN, SourceDataset
from cad_studio.core.errors import DatasetFormatError
from cad_studio.core.understanding import Understanding
from cad_studio.datasets.checks import check
from cad_studio.datasets.decoding import Picture, decode_picture, measure
from cad_studio.datasets.deep_pixels import ValueRange
from cad_studio.services.datasets.image_files import as_png

N_ROWS = 8
"""Rows that are shown."""

THUMB_PX = 64
_N_LOOKED_AT = 24
_LOOK_SECONDS = 1.0


def preview(
    found: SourceDataset, bit_depth: int | None = None, with_pictures: bool = False
) -> dict[str, Any]:
    """A source as it would be imported.

    Of the images a few are looked at, the first ones and some in even steps, for a second at most.

    Args:
        found: What a reader found, with candidates.
        bit_depth: Bits that pixels of more than 8 bits use, or None to find out.
        with_pictures: Whether the first rows come with their pictures, as data URLs.

    Returns:
        `n`, `k`, `kind`, `class_names`, `splits` and `classes` (samples by name; of classes those
        whose set holds it), `mean_candidates`, `fields`, `understanding`, `lines` (the same in
        sentences), `problems` (as a report), `n_bad`, and `rows`: of each `id`, `split`,
        `candidates`, `label` and, with pictures, `picture` or the `trouble` with it.
    """
    assert found.candidates is not None
    told = found.understanding
    images = _looked_at(found, bit_depth, told)
    report = check(found)
    names = found.class_names
    sizes = found.candidates.sizes()
    rows = []
    for row in range(min(N_ROWS, len(found.ids))):
        truth = UNKNOWN if found.truth is None else int(found.truth[row])
        rows.append(
            {
                "id": found.ids[row],
                "split": found.splits[row],
                "candidates": [names[column] for column in found.candidates.of(row)],
                "label": None if truth == UNKNOWN else names[truth],
                "fields": {name: _plain(values[row]) for name, values in found.fields.items()},
                **(_shown(images.get(row)) if with_pictures else {}),
            }
        )
    return {
        "n": len(found.ids),
        "k": len(names),
        "kind": "features" if found.images is None else "images",
        "class_names": list(names),
        "splits": dict(Counter(found.splits)),
        "classes": {
            name: int(found.candidates.has(column).sum()) for column, name in enumerate(names)
        },
        "mean_candidates": round(float(sizes.mean()), 4) if len(sizes) else 0.0,
        "annotators": 0 if found.votes is None else len(found.votes.annotators),
        "fields": list(found.fields),
        "understanding": told.to_json(),
        "lines": told.lines(),
        "problems": report.to_json(),
        "problem_lines": report.lines(),
        "n_bad": len(report.bad_rows()),
        "rows": rows,
    }


def _looked_at(
    found: SourceDataset, bit_depth: int | None, told: Understanding
) -> dict[int, NDArray[np.uint8] | str]:
    """Pixels of some images by row, or what is wrong; says what formats and values they have."""
    if found.images is None:
        return {}
    n_images = len(found.images)
    spread = np.linspace(0, n_images - 1, _N_LOOKED_AT).astype(int).tolist() if n_images else []
    data: dict[int, bytes] = {}
    pictures: dict[int, NDArray[np.uint8] | str] = {}
    started = time.monotonic()
    for row in sorted({*range(min(N_ROWS, n_images)), *spread}):
        if row >= N_ROWS and time.monotonic() - started > _LOOK_SECONDS:
            break
        try:
            image = found.images.read(row)
        except (DatasetFormatError, OSError) as error:
            pictures[row] = str(error)
            continue
        if isinstance(image, bytes):
            data[row] = image
        else:
            pictures[row] = image
    seen = ValueRange()
    formats: Counter[str] = Counter()
    first = {row: _decoded(data[row], found.ids[row], None) for row in data}
    for row, picture in first.items():
        if isinstance(picture, Picture):
            formats[picture.format] += 1
            if picture.pixels is None:
                with suppress(DatasetFormatError):  # said where it is decoded
                    measure(data[row], found.ids[row], seen)
    scale = seen.scale(bit_depth)
    for row, picture in first.items():
        if isinstance(picture, Picture) and picture.pixels is None:
            picture = _decoded(data[row], found.ids[row], scale)
        pictures[row] = picture if isinstance(picture, str) else _pixels(picture)
    if formats:
        words = ", ".join(f"{name} ({count})" for name, count in formats.most_common())
        told.take("image formats", f"{words}, of {len(first)} images looked at")
    for words in seen.words(scale):
        option = "--bit-depth" if "bits" in words else ""
        told.take("value scale", f"{words}; the import looks at all images", option)
    return pictures


def _decoded(data: bytes, name: str, scale: Any) -> Picture | str:
    try:
        return decode_picture(data, name, scale)
    except DatasetFormatError as error:
        return str(error)


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    assert picture.pixels is not None
    return picture.pixels


def _shown(picture: NDArray[np.uint8] | str | None) -> dict[str, str]:
    if picture is None:
        return {}
    if isinstance(picture, str):
        return {"trouble": picture}
    small = Image.fromarray(picture)
    small.thumbnail((THUMB_PX, THUMB_PX))
    png = base64.b64encode(as_png(np.asarray(small))).decode()
    return {"picture": f"data:image/png;base64,{png}"}


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | bool | None) else str(value)
