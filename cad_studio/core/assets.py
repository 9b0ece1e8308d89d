"""Where the files lie that come with the studio: samples, the bundled editor, the theme."""

from pathlib import Path

_HOUSE = Path(__file__).parent.parent

# A wheel carries them inside the package; a copy of the repository has them beside it.
ASSETS = _HOUSE / "assets" if (_HOUSE / "assets").is_dir() else _HOUSE.parent / "assets"
