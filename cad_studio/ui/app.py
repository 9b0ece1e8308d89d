"""Assemble the window from its pages and launch it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from cad_studio.core.assets import ASSETS
from cad_studio.services.container import Services
from cad_studio.ui import joined_files
from cad_studio.ui.actions import Action, Told, changing
from cad_studio.ui.addresses import PREFIX, static_version
from cad_studio.ui.components.viewer import viewer
from cad_studio.ui.deciding import deciding
from cad_studio.ui.errors import answers_errors
from cad_studio.ui.first_look import FirstLook
from cad_studio.ui.login import RoleGate, login_routes
from cad_studio.ui.requests import Named, OfJob, OfRun
from cad_studio.ui.routes import build_routes
from cad_studio.ui.site_guard import SiteGuard, sites_of
from cad_studio.ui.tables import window_tables
from cad_studio.ui.tabs._base import TABS, Tab

_LARGEST_UPLOAD = "2gb"


def build_window(services: Services) -> gr.Blocks:
    """The window over a project, not yet launched."""

    @answers_errors
    def stop(asked: OfJob) -> Told:
        services.jobs.stop(asked.job)
        return {}

    @answers_errors
    def resume(asked: OfJob) -> Told:
        services.jobs.resume(asked.job)
        return {}

    with gr.Blocks(
        title="CAD Studio", fill_width=True, analytics_enabled=False, delete_cache=(3600, 86400)
    ) as window:
        if services.login is not None and services.login.by_hub:
            gr.LoginButton(visible=False)  # brings Gradio's routes; the header has the buttons
        viewer(
            "header",
            "header",
            [stop, resume, *steps_of(services), answers_errors(deciding(services))],
        )
        # Not Gradio's tabs: those hide behind a menu where the window is narrow, have no address,
        # and cannot be followed by Back. The header has a link to each page instead.
        with gr.Column(elem_id="pages"):
            for name, tab in _pages():
                with gr.Column(elem_id=f"page-{name}", elem_classes="studio-page"):
                    tab.build(services)
    window.queue(default_concurrency_limit=4, max_size=64)
    # Gradio looks a thousand times a second whether something waits, 7 % of a core; where it can be
    # told to look less often, a hundred times do.
    queue = window._queue  # noqa: SLF001
    if hasattr(queue, "sleep_when_free"):
        queue.sleep_when_free = 0.01
    return window


def steps_of(services: Services) -> list[Action]:
    """The next steps that any page can start, by the name it calls them."""

    def look_alikes(asked: Named) -> Told:
        return services.loop.find_look_alikes(asked.name)

    def retrain(asked: Named) -> Told:
        return services.loop.retrain(asked.name)

    def diagnose(asked: OfRun) -> Told:
        return services.diagnosis.submit(asked.run)

    return [changing(services, each) for each in (look_alikes, retrain, diagnose)]


def _pages() -> list[tuple[str, Tab]]:
    named = [(name, TABS.get(name)) for name in TABS.names()]
    return sorted(named, key=lambda each: each[1].order)


def launch(window: gr.Blocks, services: Services, **options: Any) -> Any:
    """Serve the window; what `gr.Blocks.launch` returns.

    Args:
        window: From `build_window`.
        services: Over the same project; their settings say where to listen.
        options: Further arguments of `launch`, such as `prevent_thread_lock`.
    """
    config = services.config
    services.beliefs.is_patient = False
    services.consensus.is_patient = False
    login = services.login
    asks = login is not None and not login.by_hub
    if asks:  # Gradio then asks for a login everywhere; `login_routes` are where one logs in
        options = {"auth": lambda _name, _password: False, **options}

    @asynccontextmanager
    async def guarded(app: Any) -> AsyncIterator[None]:
        # In front of Gradio's own middleware, which answers other sites' preflights. What Gradio
        # adds itself it adds before the server starts, and this runs as the first thing after.
        sites = sites_of(
            config.host, config.allow_hosts, config.space_hosts, config.trust_proxy, config.frames
        )
        app.middleware_stack = SiteGuard(
            app.middleware_stack, sites, lambda: window.share_url, window.root_path
        )
        yield

    return window.launch(
        server_name=config.host,
        server_port=config.port,
        share=config.share,
        root_path=config.root_path or None,
        theme=_theme(),
        head=_head(),
        app_kwargs={
            "routes": [*login_routes(services), *build_routes(services)],
            "middleware": [
                Middleware(RoleGate, services=services),
                Middleware(FirstLook, head=_head()),
            ],
            "lifespan": guarded,
        },
        ssr_mode=False,
        run_history=False,
        footer_links=[],
        max_file_size=_LARGEST_UPLOAD,
        show_error=True,
        **options,
    )


def _theme() -> gr.themes.Base:
    # Gradio ships these files itself. Its semi-bold ones hold Cyrillic letters only, so bold it is.
    weights = (400, 700)
    fonts = [gr.themes.GoogleFont("IBM Plex Sans", weights), "system-ui", "sans-serif"]
    mono = [gr.themes.GoogleFont("IBM Plex Mono", weights), "ui-monospace", "monospace"]
    return gr.themes.Base(font=fonts, font_mono=mono)


def _head() -> str:
    """What Gradio puts behind its own styles, which these overrule; `FirstLook` has it first."""
    css = (ASSETS / "theme.css").read_text(encoding="utf-8")
    pages = _pages()
    css += "".join(
        f"body[data-page={name}] :is(#page-{name}, #stage-{name}) {{ display: flex; }}\n"
        for name, _ in pages
    )
    folder = f"{PREFIX.lstrip('/')}/static/{static_version()}"
    link = f'<link rel="stylesheet" href="{folder}/{joined_files.STYLES}">'
    told = [{"name": name, "title": tab.title} for name, tab in pages]
    first = f"{folder}/{joined_files.FIRST}"
    scripts = (
        f"window.cadPages = {json.dumps(told)}; window.cadTables = {window_tables()}; "
        f"window.cadScripts ??= import('./{first}'); window.cadScripts.catch(() => {{}});"
    )
    early = f'<link rel="modulepreload" href="{first}">'  # a script waits for styles before it
    return f"{early}<script>{scripts}</script><style>{css}</style>{link}"
