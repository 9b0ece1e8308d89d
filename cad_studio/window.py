"""Serve the studio in the browser: `python app.py`, or `cad-studio` where it is installed."""

import argparse
import errno
import logging
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

from cad_studio.cluster.joining import check_address
from cad_studio.config import AppConfig, cluster_of, prepare, read_config
from cad_studio.core.errors import CadStudioError, SettingError

if TYPE_CHECKING:
    from cad_studio.services.access import Login

_DEFAULT_PORT = 7860
_PORTS_TRIED = 100
_WARM_AFTER_SECONDS = 1.5  # the window is up by then; the first page has the processor before


def main() -> int:
    """Open the project, start the window, and serve until it is stopped."""
    prepare(os.environ)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = _parse()
    try:
        config = read_config(
            os.environ, arguments.project, arguments.host, arguments.port, arguments.share,
            arguments.allow_host, arguments.trust_proxy, arguments.root_path,
        )  # fmt: skip
        if cluster_of(os.environ):
            check_address(cluster_of(os.environ))  # its jobs would fail one after the other
        from cad_studio.services.access import login_from

        login = login_from(os.environ, arguments.users)
        if login is not None and not os.environ.get("CAD_READONLY"):
            config = replace(config, read_only=False)  # roles say who may change what
        return _serve(_with_free_port(config), login)
    except CadStudioError as error:
        print(error, file=sys.stderr)
        return 2


def _serve(config: AppConfig, login: "Login | None") -> int:
    from cad_studio.services.container import Services

    services = Services(config, login=login)
    # the sample is made ready by another process while this one loads the window
    if services.project.read_only:
        pass  # nothing is made here, and no job is run
    elif services.sample.is_wanted():
        services.jobs.submit_for_the_house("open-sample", "Open the sample", {})
    else:
        services.queue.wake()
    from cad_studio.ui.app import build_window, launch

    services.copying.keep_copying()
    print(f"Project: {config.project}")
    warming = Timer(_WARM_AFTER_SECONDS, services.diagnosis.warm)
    warming.daemon = True
    warming.start()
    launch(build_window(services), services)
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="CAD Studio in the browser.",
        epilog="What the pages do is there as commands too: python -m cad_studio --help.",
    )
    parser.add_argument("--project", type=Path, help="project folder (default: ~/.cad-studio)")
    parser.add_argument(
        "--host", help="address to listen on (default: GRADIO_SERVER_NAME, else 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=int,
        help="port (default: GRADIO_SERVER_PORT, else 7860 or the next free one)",
    )  # fmt: skip
    parser.add_argument(
        "--users", type=Path, help="file of users who may log in (python -m cad_studio users add)"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME",
        help="a name under which browsers reach the studio, beside localhost and this machine's "
        "addresses; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--trust-proxy", action="store_true",
        help="believe the X-Forwarded-* headers: only a proxy of yours can reach the port",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", metavar="PATH",
        help="path under which a proxy serves the studio, such as /studio; with --trust-proxy its "
        "X-Forwarded-Prefix says it as well",
    )  # fmt: skip
    parser.add_argument("--share", action="store_true", help="open a public Gradio link")
    return parser.parse_args()


def _with_free_port(config: AppConfig) -> AppConfig:
    """Fix the port before anything slow happens.

    Raises:
        SettingError: The port asked for is taken, or may not be used.
    """
    wanted = _wanted_port(config)
    if wanted is not None:
        if not 1 <= wanted <= 65535:
            raise SettingError(f"Port {wanted} does not exist. Give 1 to 65535 with --port.")
        if not _is_free(config.host, wanted):
            raise SettingError(
                f"Port {wanted} on {config.host} is in use or not allowed. "
                "Stop the other program or choose another with --port."
            )
        return replace(config, port=wanted)
    for port in range(_DEFAULT_PORT, _DEFAULT_PORT + _PORTS_TRIED):
        if _is_free(config.host, port):
            return replace(config, port=port)
    raise SettingError(
        f"Ports {_DEFAULT_PORT} to {_DEFAULT_PORT + _PORTS_TRIED - 1} on {config.host} are all in "
        "use. Choose another with --port."
    )


def _wanted_port(config: AppConfig) -> int | None:
    text = os.environ.get("GRADIO_SERVER_PORT", "")
    if config.port is not None or not text:
        return config.port
    if not text.isdecimal():
        raise SettingError(f"GRADIO_SERVER_PORT is {text!r}; expected a port such as 7860.")
    return int(text)


def _is_free(host: str, port: int) -> bool:
    """Whether a server could listen there.

    Raises:
        SettingError: The host is not an address of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror as error:
            raise SettingError(
                f"{host!r} is not a valid address. Give one with --host, such as 127.0.0.1."
            ) from error
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise SettingError(
                    f"{host} is not an address of this machine. Choose another with --host."
                ) from error
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
