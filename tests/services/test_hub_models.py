"""Networks to begin with: what the hub says of them before anything is fetched, and without one."""

import json
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from cad_studio.core import hub
from cad_studio.core.errors import ResourceError
from cad_studio.extractors._base import make_extractor
from cad_studio.services.access import Access
from cad_studio.services.pairs.hub_models import OFFERED_MODELS, HubModelService

SIZES = {
    "model.safetensors": 88_000_000,
    "config.json": 700,
    "preprocessor_config.json": 300,
    "pytorch_model.bin": 99_000_000,  # is never fetched
}


class Hub(BaseHTTPRequestHandler):
    """What the hub answers about a model, for the real client of the hub."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        name = self.path.removeprefix("/api/models/").partition("?")[0].partition("/revision")[0]
        if name == OFFERED_MODELS[1].source:  # has no weights that are read
            files = {"pytorch_model.bin": 5, "config.json": 1}
        else:
            files = SIZES
        body = json.dumps({
            "id": name, "modelId": name, "sha": "0" * 40, "private": False, "tags": [],
            "downloads": 1, "likes": 1, "cardData": {"license": "apache-2.0"},
            "siblings": [{"rfilename": each, "size": size} for each, size in files.items()],
        }).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_given):
        pass


@pytest.fixture
def asked(monkeypatch):
    """Let the client of the hub ask an address; what was known of the hub is forgotten."""

    def at(address):
        from huggingface_hub import constants
        from huggingface_hub.utils import _http

        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr("huggingface_hub.hf_api.ENDPOINT", address, raising=False)
        _http.close_session()
        hub.hub_problem.cache.clear()

    yield at
    from huggingface_hub.utils import _http

    _http.close_session()
    hub.hub_problem.cache.clear()


def test_licence_and_size_are_told_before_anything_is_fetched(asked):
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        asked(f"http://127.0.0.1:{server.server_port}")
        found = HubModelService(Access()).offers()
    finally:
        server.shutdown()
        server.server_close()
    assert found["how"].startswith("openai/clip-vit-base-patch32 has no model.safetensors on the")
    assert [each["title"] for each in found["models"]] == ["DINOv2 small", "SigLIP 2 base"]
    first = found["models"][0]
    assert first["spec"].startswith("hf:facebook/dinov2-small")
    assert (first["licence"], first["reads_words"]) == ("apache-2.0", False)
    assert first["size_bytes"] == 88_000_000 + 700 + 300


@pytest.mark.parametrize("how", ["refused", "silent", "offline"])
def test_a_hub_that_cannot_be_reached_is_said_within_seconds(how, asked, monkeypatch):
    """The client of the hub tries six times, with pauses of up to eight seconds, for each file."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        if how == "refused":
            listening.close()
        asked(f"http://127.0.0.1:{port}")
        if how == "offline":
            monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        monkeypatch.setattr(hub, "SECONDS", 0.5)
        with pytest.raises(
            ResourceError
        ):  # to load transformers takes longer than what is measured
            make_extractor("hf:nobody/nothing").offline().key()
        began = time.monotonic()
        found = HubModelService(Access()).offers()
        with pytest.raises(ResourceError, match=r"it is not on this machine, and .*Hub") as told:
            make_extractor("hf:nobody/nothing").key()
        seconds = time.monotonic() - began
    words = "HF_HUB_OFFLINE is set" if how == "offline" else "cannot be reached from here"
    assert words in str(told.value)
    assert words in found["how"]
    assert "hf download facebook/dinov2-small --local-dir FOLDER" in found["how"]
    assert found["models"] == []
    assert seconds < 5
