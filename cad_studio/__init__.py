"""CAD Studio: see and disentangle the look-alikes in partial-label image datasets."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cad_studio.interface.studio import Studio

__version__ = "0.2.0"
__all__ = ["Studio", "__version__"]


def __getattr__(name: str) -> Any:
    """`Studio`, loaded when it is first asked for: commands and workers do without pandas."""
    if name == "Studio":
        from cad_studio.interface.studio import Studio

        return Studio
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
