"""`.pt` files without torch: equal to what torch reads, and words for what is not a matrix."""

import warnings

import numpy as np
import pytest
import torch

from cad_studio.core.errors import DatasetFormatError
from cad_studio.datasets._tensor_file import read_tensors
from tests.datasets.sources import mask

BASE = torch.from_numpy(mask())
KINDS = (
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.float32, torch.float64, torch.bfloat16),
)
READ = {
    **{str(kind): BASE.to(kind) for kind in KINDS},
    "turned": BASE.t(),
    "part": BASE[1:3, 1:],
    "every second": BASE[::2],
    "expanded": torch.ones(1, 1).expand(4, 3),
    "parameter": torch.nn.Parameter(BASE.float()),
    "named": {"candidates": BASE, "other": BASE.int()},
    "only one": torch.nn.Linear(3, 2, bias=False).state_dict(),
    "sparse": BASE.float().to_sparse(),
    "sparse bool": BASE.to_sparse(),
    "empty": torch.zeros(0, 3),
}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    READ["sparse, not summed"] = torch.sparse_coo_tensor([[0, 0], [1, 1]], [0.5, 0.5], (3, 3))
    READ["compressed rows"] = BASE.float().to_sparse_csr()
    READ["compressed columns"] = BASE.float().to_sparse_csc()
    REFUSED = {
        "a meta tensor": torch.zeros(3, 3, device="meta"),
        "float8_e4m3fn": BASE.float().to(torch.float8_e4m3fn),
        "a quantised tensor": torch.quantize_per_tensor(BASE.float(), 0.1, 0, torch.quint8),
        "a nested tensor": torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
        "sparse_bsr": BASE.float()[:2, :2].to_sparse_bsr(1),
        r"3,725\.3 GiB of memory": torch.sparse_coo_tensor([[0], [0]], [1.0], (10**6, 10**6)),
        "ComplexFloatStorage": BASE.to(torch.complex64),
        "no tensor": [BASE],
    }


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("name", READ)
def test_values_are_those_that_torch_reads(name, is_new, tmp_path):
    path = tmp_path / "a.pt"
    torch.save(READ[name], path, _use_new_zipfile_serialization=is_new)
    expected = torch.load(path, weights_only=True)
    if isinstance(expected, dict):
        expected = expected.get("candidates", next(iter(expected.values())))
    expected = expected.detach()
    expected = expected if expected.layout == torch.strided else expected.to_dense()
    expected = expected.float() if expected.dtype == torch.bfloat16 else expected
    tensors = read_tensors(path)
    found = tensors.get("candidates", next(iter(tensors.values())))
    assert found.shape == tuple(expected.shape)
    assert found.dtype == expected.numpy().dtype
    assert np.array_equal(found.values(), expected.numpy())


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("words", REFUSED)
def test_tensors_that_are_no_matrix_are_refused_in_words(words, is_new, tmp_path):
    """Meta, nested, quantised, float8 and wild sparse tensors once showed tracebacks."""
    torch.save(REFUSED[words], tmp_path / "a.pt", _use_new_zipfile_serialization=is_new)
    with pytest.raises(DatasetFormatError, match=rf"a\.pt .*{words}"):
        next(iter(read_tensors(tmp_path / "a.pt").values())).values()


@pytest.mark.parametrize("is_new", [True, False])
def test_arrays_of_numpy_in_a_dict_are_read_as_tensors_are(is_new, tmp_path):
    """CIFAR-10N and CIFAR-100N are published so."""
    columns = {"one": np.array([0, 2, 1]), "two": np.array([1, 1, 0], ">i2")}
    columns["wide"] = np.asfortranarray([[1.5, 2.0], [0.25, 4.0]])
    torch.save(columns, tmp_path / "a.pt", _use_new_zipfile_serialization=is_new)
    found = read_tensors(tmp_path / "a.pt")
    assert list(found) == list(columns)
    for name, values in columns.items():
        assert found[name].shape == values.shape
        assert np.array_equal(found[name].values(), values)


def test_array_of_numpy_that_is_cut_short_is_refused(tmp_path):
    torch.save({"one": np.arange(300)}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    data = (tmp_path / "a.pt").read_bytes()
    shape = b"K\x00\x85"  # the empty shape, which `_reconstruct` is given
    assert shape in data
    (tmp_path / "a.pt").write_bytes(data.replace(b"M,\x01\x85", b"M-\x01\x85"))
    with pytest.raises(DatasetFormatError, match="damaged"):
        read_tensors(tmp_path / "a.pt")["one"].values()
