"""CAD-CAM: class views dim what does not speak for a class, by the network's own maps.

Zhao, Shi, Sun and Dong, "Mitigating Instance Entanglement in Instance-Dependent Partial Label
Learning", CVPR 2026, https://arxiv.org/abs/2603.04825. The authors' release has no code for this
variant; which map, when it is computed and how dark the rest becomes are this project's choice.
"""

from dataclasses import dataclass

from cad_studio.algorithms._base import ALGORITHMS
from cad_studio.algorithms._cad_method import CadMethod
from cad_studio.algorithms._cad_settings import CadSettings


@dataclass(frozen=True)
class CadCamConfig(CadSettings):
    """Settings of CAD-CAM."""


@ALGORITHMS.register("cad-cam")
class CadCam(CadMethod):
    """Confidence adjustment, and contrast among class views made by activation maps."""

    title = "CAD-CAM"
    config_type = CadCamConfig
