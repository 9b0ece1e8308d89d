"""What computes a network: torch as it is, compiled, or OpenVINO; in float32 or bf16.

An engine is asked for by name and stands in the key of the features: its numbers differ from those
of plain torch in the last digits (cosine above .9999 in float32, about .9996 in bf16), and features
that several machines make together are of one engine.
"""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cad_studio.core.errors import ResourceError
from cad_studio.core.optional import require, require_compiler
from cad_studio.extractors._options import Options

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    Stages = Callable[[Tensor], list[Tensor]]

_COMPILER = "inductor"
_OPTION = "The option openvino"


def require_engine(options: Options) -> None:
    """Refuse an engine that is not installed, before anything is loaded for it.

    Raises:
        MissingPackageError: It is not.
    """
    if options.openvino:
        require("openvino", "openvino", _OPTION)


def engine(
    network: "nn.Module", stages: "Stages", options: Options, device: "torch.device"
) -> "Stages":
    """What gives the features of each stage as the options say.

    Args:
        network: In evaluation mode, on its device.
        stages: Asks it: float32 (B, 3, H, W) to float (B, D) of each stage, the last one first.
        options: Engine and precision.
        device: Where the network is.

    Raises:
        ResourceError: This machine cannot compute so; the words name the option to leave out.
        MissingPackageError: What the engine needs is not installed.
    """
    if options.openvino:
        if device.type != "cpu":
            raise ResourceError(
                f"openvino computes on CPUs, and this machine has a device {device.type} that is "
                "faster. Leave openvino out."
            )
        return _Padded(lambda values: _by_openvino(network, stages, options.bf16, values))
    if options.bf16:
        _require_bf16(device)
        stages = _in_bf16(stages, device)
    if options.compile:
        require_compiler(device.type, "leave compile out")
        return _Padded(lambda _values: _compiled(stages))
    return stages


class _Padded:
    """An engine made for the size of the first batch; smaller ones are filled up to it."""

    def __init__(self, make: "Callable[[Tensor], Stages]") -> None:
        self._make = make
        self._made: Stages | None = None
        self._size = 0

    def __call__(self, values: "Tensor") -> "list[Tensor]":
        count = len(values)
        if self._made is None or count > self._size:
            self._made, self._size = self._make(values), count
        if count < self._size:
            values = values[[*range(count), *[0] * (self._size - count)]]
        return [each[:count] for each in self._made(values)]


def _require_bf16(device: "torch.device") -> None:
    import torch

    if device.type == "cuda":
        has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        known = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        has_bf16 = bool(known.get("avx512_bf16") or known.get("amx_bf16"))
    if not has_bf16:
        raise _no_bf16(device.type)


def _no_bf16(what: str) -> ResourceError:
    return ResourceError(
        f"The {what} of this machine has no bf16 arithmetic; emulated, it would be many times "
        "slower than float32. Leave bf16 out."
    )


def _in_bf16(stages: "Stages", device: "torch.device") -> "Stages":
    import torch

    def computed(values: torch.Tensor) -> list[torch.Tensor]:
        with torch.autocast(device.type, dtype=torch.bfloat16):
            return [each.float() for each in stages(values)]

    return computed


def _compiled(stages: "Stages") -> "Stages":
    import torch
    from torch._dynamo.exc import TorchDynamoException

    made: Stages = torch.compile(stages, backend=_COMPILER, dynamic=False)

    def computed(values: torch.Tensor) -> list[torch.Tensor]:
        try:
            return made(values)
        except TorchDynamoException as error:
            reason = str(error).strip().partition("\n")[0].rstrip(".:")[:200]
            raise ResourceError(
                f"This network cannot be compiled here: {reason}. Leave compile out."
            ) from error

    return computed


def _by_openvino(
    network: "nn.Module", stages: "Stages", is_bf16: bool, example: "Tensor"
) -> "Stages":
    """The network as OpenVINO computes it, for batches of the example's shape.

    Read by OpenVINO's PyTorch front end itself: its converter would report its use to the vendor.
    """
    openvino = require("openvino", "openvino", _OPTION)
    frontend = require("openvino.frontend", "openvino", _OPTION)
    decoders = require("openvino.frontend.pytorch.ts_decoder", "openvino", _OPTION)
    import torch

    core = openvino.Core()
    if is_bf16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise _no_bf16("CPU")
    failures = (
        RuntimeError,
        frontend.OpConversionFailure,
        frontend.OpValidationFailure,
        frontend.GeneralFailure,
        frontend.NotImplementedFailure,
    )
    for module in network.modules():
        if getattr(module, "inplace", False):  # the front end cannot follow a map that is changed
            module.inplace = False
    try:
        with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
            warnings.simplefilter("ignore")  # shapes are fixed, so what tracing warns of holds
            example = example.clone()
            stages(example)  # what listens to the network finds its places before it is traced
            traced = torch.jit.trace(_traceable(network, stages), example, check_trace=False)
            decoder = decoders.TorchScriptPythonDecoder(traced, example_input=example)
            reader = frontend.FrontEndManager().load_by_framework("pytorch")
            model = reader.convert(reader.load(decoder))
        model.reshape({0: openvino.PartialShape(list(example.shape))})
        compiled = core.compile_model(
            model,
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if is_bf16 else "f32",
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": torch.get_num_threads(),
                "ENABLE_CPU_PINNING": False,
            },
        )
    except failures as error:
        reason = str(error).strip().rpartition("\n")[2].rstrip(".")[:200]
        raise ResourceError(
            f"OpenVINO cannot compute this network: {reason}. Leave openvino out."
        ) from error

    def computed(values: torch.Tensor) -> list[torch.Tensor]:
        found = compiled(values.contiguous().numpy())
        return [torch.from_numpy(found[at].copy()) for at in range(len(compiled.outputs))]

    return computed


def _traceable(network: "nn.Module", stages: "Stages") -> Any:  # a class made here: torch is late
    from torch import Tensor, nn

    class Stages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, values: Tensor) -> tuple[Tensor, ...]:
            return tuple(stages(values))

    return Stages().eval()
