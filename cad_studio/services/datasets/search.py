"""Search a dataset by words, or by a picture from outside, in features that were extracted."""

import hashlib
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray
from PIL import Image

from cad_studio.core.errors import DamageError, RecordNotFoundError, SettingError
from cad_studio.core.records import FeatureSet
from cad_studio.core.settings import check_settings
from cad_studio.datasets.decoding import decode
from cad_studio.extractors._base import (
    EXTRACTORS,
    Extractor,
    LooksAtPictures,
    ReadsWords,
    make_extractor,
)
from cad_studio.services.access import Access
from cad_studio.services.datasets.datasets import DatasetService
from cad_studio.services.pairs.mining import MiningService
from cad_studio.store.projects import Project

if TYPE_CHECKING:
    from cad_studio.extractors._words import Words

MOST_CHARACTERS = 200
WORD_MODEL = "hf:openai/clip-vit-base-patch32"
"""What is named where no image-text features are there."""

_PICTURE = re.compile(r"[0-9a-f]{16}")
_LARGEST_PICTURE = 16 * 2**20
_KEPT_PX = 512
_MOST_VECTORS, _MOST_ORDERS = 256, 8
_MOST_WAITING = 32
_MOST_PICTURES = 100

_Key = tuple[str, str, str]
"""File of the features, and the words or the picture."""


@dataclass(frozen=True)
class SearchQuery:
    """What is searched for; empty where nothing is.

    Attributes:
        words: A description of what is on the images.
        picture: A picture, as `SearchService.keep_picture` named it.
        features: Extractor of the features to search in; empty takes the newest that can be.
        nearest: At most so many samples; None takes all, the most similar first.
    """

    words: str = ""
    picture: str = ""
    features: str = ""
    nearest: int | None = field(default=None, metadata={"minimum": 1, "maximum": 1_000_000})

    def __post_init__(self) -> None:
        """Check the parts."""
        check_settings(self)
        if self.words and self.picture:
            raise SettingError("Search by words or by a picture, not by both.")
        if len(self.words) > MOST_CHARACTERS:
            raise SettingError(
                f"The words to search by have {len(self.words)} characters; at most "
                f"{MOST_CHARACTERS} are read."
            )
        if self.picture and not _PICTURE.fullmatch(self.picture):
            raise SettingError(f"{self.picture!r:.40} names no picture that was searched by.")

    def __bool__(self) -> bool:
        """Whether anything is searched for."""
        return bool(self.words.strip() or self.picture)


class SearchService:
    """Searches in the datasets of one project.

    Everyone may search by words in features that are there. What is fetched or named from outside
    is the owner's: models are opened from this machine's files alone, and a picture from outside
    is an upload.
    """

    def __init__(
        self, project: Project, datasets: DatasetService, mining: MiningService, access: Access
    ) -> None:
        """Read through the other services of the same project."""
        self._project = project
        self._datasets = datasets
        self._mining = mining
        self._access = access
        self._opened: LRUCache[tuple[str, str], Any] = LRUCache(2)
        self._vectors: LRUCache[_Key, NDArray[np.float32]] = LRUCache(_MOST_VECTORS)
        self._orders: LRUCache[_Key, NDArray[np.float32]] = LRUCache(_MOST_ORDERS)
        self._at_work: dict[_Key, Future[NDArray[np.float32]]] = {}
        self._beside = ThreadPoolExecutor(1, "search")
        self._lock = threading.Lock()
        self._opening = threading.Lock()

    def offers(self, name: str) -> dict[str, Any]:
        """What a dataset can be searched by.

        Returns:
            `words` and `pictures` (specs of stored features, the newest first), and `how`: what
            to do where there are none for words.
        """
        found = {"words": self._able(name, "words"), "pictures": self._able(name, "pictures")}
        told: dict[str, Any] = {key: [each.spec for each in sets] for key, sets in found.items()}
        return {**told, "how": "" if told["words"] else self._how(name, "words")}

    def state(self, name: str, query: SearchQuery) -> dict[str, Any]:
        """Whether a search can be answered at once; if not, its model is being opened.

        Returns:
            `is_ready`, `features` (the extractor), and `says` (what is waited for).

        Raises:
            SettingError: No features are there to search in, or their model has changed.
            RecordNotFoundError: The picture is not kept any more.
            ResourceError: The model is not on this machine any more.
        """
        found = self._features(name, query)
        key = _key(found, query)
        with self._lock:
            self._forget_what_nobody_waits_for(key)
            is_known = key in self._vectors
            if not is_known and key not in self._at_work:
                self._at_work[key] = self._beside.submit(self._vector, found, query)
            ended = self._at_work.pop(key) if self._is_over(key) else None
        if ended is not None:
            ended.result()  # raises what went wrong beside
            is_known = True
        return {
            "is_ready": is_known,
            "features": found.spec,
            "says": "" if is_known else f"Opening the model of {found.spec}, once",
        }

    def similarity(self, name: str, query: SearchQuery) -> NDArray[np.float32]:
        """Cosine of every sample with what is searched for, float32 (N,).

        Raises:
            CadStudioError: As `state`.
        """
        found = self._features(name, query)
        key = _key(found, query)
        with self._lock:
            if key in self._orders:
                return self._orders[key]
        cosine = np.asarray(self._mining.load_features(found) @ self._vector(found, query))
        with self._lock:
            self._orders[key] = cosine
        return cosine

    def ordered(
        self, name: str, rows: NDArray[np.int64], query: SearchQuery
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None]:
        """Some rows in the order of a search, the most similar first.

        Returns:
            Rows int64 and their cosines float32, at most `nearest`; without a search the rows as
            they are, and None.
        """
        if not query:
            return rows, None
        cosine = self.similarity(name, query)[rows]
        order = np.argsort(-cosine, kind="stable")[: query.nearest]
        return rows[order], cosine[order]

    def search(self, name: str, query: SearchQuery) -> dict[str, Any]:
        """The samples that are most similar to words or a picture.

        Returns:
            `features`, `rows`, `ids` and `similarity` of at most `nearest` samples.

        Raises:
            SettingError: Nothing is searched for; else as `state`.
        """
        if not query:
            raise SettingError("Say what to search for: words, or a picture.")
        data = self._datasets.load(name)
        rows, cosine = self.ordered(name, np.arange(len(data)), query)
        assert cosine is not None
        return {
            "features": self._features(name, query).spec,
            "rows": rows.tolist(),
            "ids": [data.ids[row] for row in rows],
            "similarity": np.round(cosine.astype(float), 4).tolist(),
        }

    def keep_picture(self, name: str, data: bytes, where: str, features: str = "") -> str:
        """Keep a picture from outside to search by; a link that names it finds it again.

        Of the pictures of some features the last hundred are kept.

        Args:
            name: The dataset.
            data: The image file.
            where: What to call it in a message.
            features: Extractor of the features to search in.

        Returns:
            Its name.

        Raises:
            NotAllowedError: The one who acts is no owner.
            DatasetFormatError: It is no image that can be read.
            SettingError: It is too large, or no features can be searched by a picture.
        """
        self._access.require("owner")
        if len(data) > _LARGEST_PICTURE:
            raise SettingError(
                f"{where} has {len(data) / 2**20:.0f} MiB; a picture to search by has at most "
                f"{_LARGEST_PICTURE // 2**20} MiB."
            )
        picture = hashlib.sha256(data).hexdigest()[:16]
        found = self._features(name, SearchQuery(picture=picture, features=features))
        shown = Image.fromarray(decode(data, where)).convert("RGB")
        shown.thumbnail((_KEPT_PX, _KEPT_PX))
        derived = self._project.derived
        derived.save_array(_file(found, picture), np.asarray(shown))
        derived.keep_newest(_pictures_of(found), _MOST_PICTURES)
        return picture

    def picture(self, name: str, picture: str) -> NDArray[np.uint8]:
        """A picture that was searched by, uint8 (H, W, 3), at most 512 pixels a side.

        Raises:
            RecordNotFoundError: It is not kept any more.
        """
        derived, query = self._project.derived, SearchQuery(picture=picture)
        for found in self._mining.feature_sets(name):
            if derived.has(_file(found, query.picture)):
                try:
                    return np.asarray(derived.load_array(_file(found, query.picture)))
                except DamageError:
                    continue
        raise RecordNotFoundError("The picture of this search is not kept any more. Drop it again.")

    def words_of(self, found: FeatureSet) -> "Words":
        """The text side of the model of some features, kept open.

        Raises:
            CadStudioError: As `state`.
        """
        return self._open(found, "words", lambda extractor: extractor.words())

    def word_features(self, name: str, features: str = "") -> FeatureSet:
        """The features that words are compared with.

        Raises:
            SettingError: There are none.
        """
        return self._features(name, SearchQuery(words="any", features=features))

    def _forget_what_nobody_waits_for(self, key: _Key) -> None:
        """Lets go of searches that have ended and were not asked for again, but not of `key`."""
        for other in [each for each, work in self._at_work.items() if work.done() and each != key]:
            del self._at_work[other]
        if key not in self._at_work and len(self._at_work) >= _MOST_WAITING:
            raise SettingError(
                f"{_MOST_WAITING} other searches wait to be read. Search again in a moment."
            )

    def _is_over(self, key: _Key) -> bool:
        return key in self._at_work and self._at_work[key].done()

    def _vector(self, found: FeatureSet, query: SearchQuery) -> NDArray[np.float32]:
        """What is searched for, in the space of some features, float32 (D,)."""
        key = _key(found, query)
        with self._lock:
            if key in self._vectors:
                return self._vectors[key]
        if query.picture:
            name = self._name_of(found)
            pixels = _OnePicture(self.picture(name, query.picture))
            look = self._open(found, "pictures", lambda extractor: extractor.look())
            vector = look(pixels)[0]
        else:
            vector = self.words_of(found).vectors([query.words.strip()])[0]
        if len(vector) != found.n_dims:
            raise SettingError(
                f"The model gives {len(vector)} numbers and the features {found.spec} have "
                f"{found.n_dims}; they cannot be compared."
            )
        with self._lock:
            self._vectors[key] = vector
        return vector

    def _open(self, found: FeatureSet, side: str, opened: Callable[[Any], Any]) -> Any:
        """One side of the model of some features, kept open."""
        with self._opening:  # one at a time: it is large
            if (found.file, side) not in self._opened:
                extractor = _extractor(found.spec)
                assert extractor is not None
                if extractor.key() != found.key:
                    raise SettingError(
                        f"The model of {found.spec} has changed since these features were "
                        f"extracted. Extract them again: python -m cad_studio extract NAME "
                        f"--features {found.spec}."
                    )
                self._opened[found.file, side] = opened(extractor)
            return self._opened[found.file, side]

    def _name_of(self, found: FeatureSet) -> str:
        """A dataset whose content some features are of."""
        return next(
            data.name for data in self._datasets.all() if data.content_hash == found.source_hash
        )

    def _features(self, name: str, query: SearchQuery) -> FeatureSet:
        """The features to search in; none but stored ones, so that nothing is named from outside.

        Raises:
            SettingError: There are none.
        """
        kind = "pictures" if query.picture else "words"
        able = self._able(name, kind)
        if query.features:
            able = [each for each in able if each.spec == query.features]
        if not able:
            raise SettingError(self._how(name, kind))
        return able[0]

    def _able(self, name: str, kind: str) -> list[FeatureSet]:
        """The stored features of a dataset that can be searched by words, or by pictures."""
        newest = {found.spec: found for found in self._mining.feature_sets(name)}
        return [found for found in reversed(newest.values()) if self._is_able(found, kind)]

    def _is_able(self, found: FeatureSet, kind: str) -> bool:
        extractor = _extractor(found.spec)
        if kind == "pictures":
            return isinstance(extractor, LooksAtPictures)
        return isinstance(extractor, ReadsWords) and extractor.reads_words()

    def _how(self, name: str, kind: str) -> str:
        if self._datasets.get(name).kind == "features":
            return f"{name} holds vectors without images, which nothing outside is compared with."
        words = {
            "words": "Search by words needs features of an image-text model such as CLIP",
            "pictures": "Search by a picture needs features of a network (hf: or torchvision:)",
        }
        return (
            f"{words[kind]}, and {name} has none yet. Extract them: "
            f"python -m cad_studio extract {name} --features {WORD_MODEL}."
        )


class _OnePicture:
    """A picture as a pixel source."""

    native_shape = None

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self._pixels = pixels

    def __len__(self) -> int:
        return 1

    def image(self, _row: int) -> NDArray[np.uint8]:
        return self._pixels


def _extractor(spec: str) -> Extractor | None:
    """The extractor of stored features, of files on this machine; None of runs and the like."""
    if spec.partition(":")[0] not in EXTRACTORS.names():
        return None
    extractor = make_extractor(spec)
    return extractor.offline() if isinstance(extractor, LooksAtPictures) else extractor


def _key(found: FeatureSet, query: SearchQuery) -> _Key:
    return found.file, query.words.strip(), query.picture


def _pictures_of(found: FeatureSet) -> str:
    return f"{found.file.partition('.')[0]}-picture-"


def _file(found: FeatureSet, picture: str) -> str:
    return f"{_pictures_of(found)}{picture}.npy"
