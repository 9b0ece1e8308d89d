"""Sources at an address: fetched within limits, resumed, read like files."""

import http.server
import threading
from pathlib import Path

import fsspec
import pytest

from cad_studio.core.errors import MissingPackageError, ResourceError, SettingError
from cad_studio.core.progress import Silent
from cad_studio.datasets import _addresses
from cad_studio.datasets._addresses import check_address, fetch
from cad_studio.datasets._base import ReadOptions, read_source
from tests.datasets.test_image_folder import tree, zipped


class Server(http.server.BaseHTTPRequestHandler):
    """Answers with files and with parts of them; ends early where it is told to."""

    protocol_version = "HTTP/1.1"

    def do_HEAD(self):
        self._answer(send=False)

    def do_GET(self):
        self._answer(send=True)

    def _answer(self, send):
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start, stop = 0, len(data)
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and self.server.has_ranges:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, stop = int(first), min(int(last or len(data)) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        else:
            self.send_response(200)
        if self.server.has_ranges:
            self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{hash(data)}"')
        self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if send:
            self.server.starts.append(start)
            if start < self.server.ends_at < stop:
                self.wfile.write(data[start : self.server.ends_at])
                self.close_connection = True
                return
            self.wfile.write(data[start:stop])

    def log_message(self, *_given):
        pass


@pytest.fixture(scope="module")
def server():
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    found.files, found.has_ranges, found.ends_at, found.starts = {}, True, -1, []
    thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()


@pytest.fixture
def place(server):
    """Where the server is; it starts anew for each test."""
    server.files.clear()
    server.starts.clear()
    server.has_ranges, server.ends_at = True, -1
    return f"http://127.0.0.1:{server.server_port}"


class Telling:
    """Progress that keeps what it is told."""

    def __init__(self):
        self.told = []

    def report(self, fraction, message):
        self.told.append((fraction, message))


def test_a_zip_is_read_like_one_on_the_disk_and_fetched_once(server, place, tmp_path):
    data = zipped(tree(tmp_path / "a", "cat/1.png", "dog/2.png"), tmp_path / "a.zip").read_bytes()
    server.files["/set.zip"] = data
    progress = Telling()
    options = ReadOptions(cache_dir=str(tmp_path / "cache"))
    found = read_source(f"{place}/set.zip", options, progress)
    assert found.ids == ["cat/1.png", "dog/2.png"]
    assert any(message.startswith("Fetching set.zip: ") for _, message in progress.told)
    fractions = [fraction for fraction, _ in progress.told]
    assert fractions == sorted(fractions)
    n_before = len(server.starts)
    again = read_source(f"{place}/set.zip", options, Silent())
    assert again.ids == found.ids
    assert len(server.starts) == n_before
    server.files["/set.zip"] = zipped(
        tree(tmp_path / "b", "ant/1.png", "bee/2.png"), tmp_path / "b.zip"
    ).read_bytes()
    assert read_source(f"{place}/set.zip", options, Silent()).class_names == ["ant", "bee"]


def test_a_download_goes_on_where_it_was_cut_off(server, place, tmp_path, monkeypatch):
    data = bytes(range(256)) * 4096 * 12  # some blocks of fsspec's
    server.files["/big.npz"] = data
    stops_after = len(data) // 2

    class Stopped(Exception):
        pass

    class Stopping:
        def report(self, fraction, _message):
            if fraction * len(data) > stops_after:
                raise Stopped

    with pytest.raises(Stopped):
        fetch(f"{place}/big.npz", tmp_path, Stopping())
    n_before = len(server.starts)
    path = fetch(f"{place}/big.npz", tmp_path, Silent())
    assert path.read_bytes() == data
    assert path.name == "big.npz"
    assert min(server.starts[n_before:]) >= stops_after


def test_a_server_without_ranges_sends_it_as_a_whole(server, place, tmp_path):
    server.has_ranges = False
    server.files["/plain.csv"] = b"x" * 100_000
    assert fetch(f"{place}/plain.csv", tmp_path, Silent()).read_bytes() == b"x" * 100_000


def test_what_cannot_be_had_is_said_in_words(server, place, tmp_path, monkeypatch):
    with pytest.raises(ResourceError, match=r"none\.zip cannot be had .*Check the address"):
        fetch(f"{place}/none.zip", tmp_path, Silent())
    server.files["/folder/"] = b"<a href='x.png'>x</a>"
    with pytest.raises(ResourceError, match="folder on a web server"):
        fetch(f"{place}/folder/", tmp_path, Silent())
    server.files["/big.zip"] = b"x" * 2000
    monkeypatch.setattr(_addresses, "MAX_TOTAL_BYTES", 1000)
    with pytest.raises(ResourceError, match="at most"):
        fetch(f"{place}/big.zip", tmp_path, Silent())
    monkeypatch.setattr(_addresses, "MAX_TOTAL_BYTES", 2**40)
    monkeypatch.setattr(_addresses, "_SPARE_BYTES", 2**60)
    with pytest.raises(ResourceError, match="--cache"):
        fetch(f"{place}/big.zip", tmp_path, Silent())


@pytest.mark.parametrize(
    "address",
    [
        "https://me:secret@example.org/a.zip",
        "https://example.org/a.zip?X-Amz-Signature=abc",
        "https://example.org/a.zip?sv=1&sig=abc",
        "s3://key:secret@bucket/a.zip",
        "https://example.org/a.zip?access_token=abc",
    ],
)
def test_an_address_with_a_credential_is_refused_before_anything_is_stored(address):
    with pytest.raises(SettingError, match="would be stored") as caught:
        check_address(address)
    assert "abc" not in str(caught.value)
    assert "secret" not in str(caught.value).replace("sig=", "")


def test_a_folder_of_a_store_is_fetched_whole(tmp_path, monkeypatch):
    """As s3 and hf have them, here in the memory of fsspec."""
    system = fsspec.filesystem("memory")
    system.pipe("/set/cat/1.png", (tree(tmp_path / "a", "1.png") / "1.png").read_bytes())
    system.pipe("/set/dog/2.png", (tree(tmp_path / "a", "2.png") / "2.png").read_bytes())
    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda _address: (system, "/set"))
    folder = fetch("hf://datasets/a/set", tmp_path / "cache", Silent())
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png")) == [
        "cat/1.png",
        "dog/2.png",
    ]
    found = read_source(str(folder), ReadOptions(), Silent())
    assert found.class_names == ["cat", "dog"]
    assert not found.understanding.left_out


def test_a_missing_package_is_named(tmp_path):
    with pytest.raises(MissingPackageError, match="pip install s3fs"):
        fetch("s3://bucket/a.zip", tmp_path, Silent())


def test_a_file_without_an_ending_is_known_by_its_content(server, place, tmp_path: Path):
    made = zipped(tree(tmp_path / "a", "cat/1.png", "dog/2.png"), tmp_path / "a.zip")
    server.files["/download?id=5"] = made.read_bytes()
    assert fetch(f"{place}/download?id=5", tmp_path / "cache", Silent()).suffix == ".zip"
