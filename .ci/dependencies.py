"""The dependencies of the package: the pins of requirements.txt, as ranges."""

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class Dependencies(MetadataHookInterface):
    """Reads them when the package is built."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Put the ranges into the metadata."""
        text = Path(self.root, "requirements.txt").read_text(encoding="utf-8")
        metadata["dependencies"] = ranges(text)


def ranges(requirements: str) -> list[str]:
    """`a==6.31.0` as `a>=6.31.0,<7`; before a first major release the minor one counts."""
    found = []
    for line in requirements.splitlines():
        pin = line.partition("#")[0].strip()
        if pin:
            name, _, version = pin.partition("==")
            major, minor, *_ = version.split(".")
            end = f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)
            found.append(f"{name}>={version},<{end}")
    return found
