"""What is installed where this runs; sent to nodes as it stands, so it imports nothing of ours."""

import hashlib
from importlib import metadata, util
from pathlib import Path

_COMPARED = (
    "torch", "torchvision", "numpy", "scipy", "faiss-cpu", "transformers", "pillow", "openvino",
)  # fmt: skip


def about_node() -> dict[str, str]:
    """Versions by package; of `cad_studio` the version and a digest of its files.

    What follows a plus sign, such as `+cpu`, is left out: nodes with and without a graphics device
    have the same version of a package. What is not installed has the version `none`.
    """
    found = {"cad_studio": _of_the_house()}
    for name in _COMPARED:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = "none"
    return found


def _of_the_house() -> str:
    spec = util.find_spec("cad_studio")
    if spec is None or not spec.submodule_search_locations:
        return "none"
    folder = Path(spec.submodule_search_locations[0])
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        digest.update(str(file.relative_to(folder)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]
