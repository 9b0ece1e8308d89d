"""How a network is run over images: batches that fit, mirror images, maps of several stages."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil

from cad_studio.core.errors import SettingError
from cad_studio.core.optional import require
from cad_studio.extractors._options import Options

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_MOST = {"cpu": 32}
_MOST_ELSEWHERE = 256
_SHARE = 0.25
_TIMES_INPUT = 100
"""Memory of all that a network holds at a time, against that of its input; a generous guess."""


@dataclass(frozen=True)
class Packed:
    """A network that may be sent to another process, with what prepares its input.

    Unpickled, its package is loaded first as `require` does it: it may not load by itself.

    Attributes:
        package: `torchvision` or `transformers`.
        model: On the CPU, ready to be asked.
        before: Transform or image processor.
    """

    package: str
    model: Any  # whatever the package makes
    before: Any

    def __reduce__(self) -> "tuple[Callable[[str, bytes], Packed], tuple[str, bytes]]":
        """The package by name, the rest as it is when that is there."""
        return _unpacked, (self.package, pickle.dumps((self.model, self.before)))


def _unpacked(package: str, content: bytes) -> Packed:
    require(package, package, "The network")
    return Packed(package, *pickle.loads(content))


def images_at_once(size_px: int, device: "torch.device") -> int:
    """How many images of a side go through a network together: as memory is free, at least 1."""
    import torch

    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = psutil.virtual_memory().available
    fits = int(free * _SHARE / (4 * 3 * size_px**2 * _TIMES_INPUT))
    return max(1, min(fits, _MOST.get(device.type, _MOST_ELSEWHERE)))


def looked_at(
    values: "Tensor", stages: "Callable[[Tensor], list[Tensor]]", options: Options
) -> "Tensor":
    """Features of a batch as the options say.

    Args:
        values: float (B, 3, H, W).
        stages: Gives the features of each stage, the last one first, float (B, D) each.
        options: Mirror and layers.

    Returns:
        float32 (B, D). Of a plain look the last stage as it is; else mean and joining of parts of
        unit length.

    Raises:
        SettingError: The network has fewer stages, or takes no images of this size.
    """
    import torch

    def once(seen: torch.Tensor) -> torch.Tensor:
        try:
            found = [each.float() for each in stages(seen)]
        except (AssertionError, ValueError) as error:
            way_out = "Leave size out, or take another" if options.size else "Take another"
            raise SettingError(
                f"The network takes no images of {seen.shape[-1]} pixels: {error}. {way_out} "
                "network."
            ) from error
        if len(found) < options.layers:
            raise SettingError(
                f"The network has {len(found)} stages to take features of, not {options.layers}."
            )
        if options.layers == 1:
            return found[0]
        found = [torch.nn.functional.normalize(each) for each in found[: options.layers]]
        return torch.cat(found, dim=1)

    features = once(values)
    if not options.mirror:
        return features
    both = [features, once(values.flip(-1))]
    return torch.stack([torch.nn.functional.normalize(each) for each in both]).mean(dim=0)


class StageMaps:
    """The last map of each resolution that goes through a network, kept while it looks.

    The first look finds out which parts give them; later ones, of images of the same size, keep
    those alone, so that a tracer of the network sees nothing else.
    """

    def __init__(self, model: "nn.Module") -> None:
        """Listen to every part of a network that is given square images."""
        self._maps: dict[int, Tensor] = {}
        self._calls: dict[int, int] = {}
        self._givers: dict[tuple[int, int], tuple[int, bool | None]] = {}
        self._is_channels_last = False
        self._is_settled = False
        for number, module in enumerate(model.modules()):
            module.register_forward_hook(
                lambda _module, _given, made, number=number: self._hear(number, made)
            )

    def _hear(self, number: int, made: object) -> None:
        """Keep what a part, at this call of it, gives as the last map of its resolution so far."""
        import torch

        call = (number, self._calls.get(number, 0))
        self._calls[number] = call[1] + 1
        if not isinstance(made, torch.Tensor) or made.ndim != 4:
            return
        if not self._is_settled:
            _, first, second, third = made.shape
            if second != third and first != second:
                return
            # A map as wide as it has channels says nothing of their place; the others do.
            is_channels_last = None if first == second == third else second != third
            self._is_channels_last |= bool(is_channels_last)
            earlier = [each for each, (side, _) in self._givers.items() if side == second]
            for each in earlier:
                del self._givers[each]
            self._givers[call] = (second, is_channels_last)
        if call in self._givers:
            self._maps[self._givers[call][0]] = made

    def taken(self) -> "list[Tensor]":
        """The means of the maps over their places, the smallest map first, and forget them."""
        last = {side: is_last for side, is_last in self._givers.values()}
        kept = {side: self._maps[side] for side in sorted(self._maps) if side > 1}
        self._maps.clear()
        self._calls.clear()
        self._is_settled = True
        return [
            each.mean(dim=(1, 2) if (self._is_channels_last if told is None else told) else (2, 3))
            for side, each in kept.items()
            for told in [last[side]]
        ]
