"""Packages that may be missing."""

import subprocess
import sys
from pathlib import Path

import pytest

from cad_studio.core.errors import MissingPackageError
from cad_studio.core.optional import require

ROOT = Path(__file__).parents[2]


def test_a_missing_package_says_what_needs_it_and_how_to_get_it():
    with pytest.raises(
        MissingPackageError,
        match=r"^The UMAP view needs umap-learn\. Install it with: pip install umap-learn\.$",
    ):
        require("surely_not_installed", install="umap-learn", purpose="The UMAP view")


def test_a_missing_part_of_an_installed_package_counts_as_missing():
    with pytest.raises(MissingPackageError, match="Export needs json-extras"):
        require("json.surely_not_there", install="json-extras", purpose="Export")


def test_a_package_that_lacks_one_of_its_own_needs_is_not_called_missing(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import surely_not_installed\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        require("half_installed", install="half-installed", purpose="Export")


def test_an_installed_package_is_given():
    assert require("json", install="json", purpose="Export").dumps(1) == "1"


@pytest.mark.long
def test_torchvision_imports_whatever_torch_it_was_built_for():
    # In its own process: operators are declared once and for good. The copy without its compiled
    # part stands for a torchvision that was built for another torch.
    program = (
        "from cad_studio.core import optional\n"
        "optional._load_compiled_part = lambda torch: False\n"
        "v2 = optional.require('torchvision.transforms.v2', 'torchvision', 'This test')\n"
        "optional.require('torchvision.datasets', 'torchvision', 'This test')\n"
        "print(v2.Resize(8).size)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[8]"
