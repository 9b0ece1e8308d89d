"""The shell of a viewer: an HTML component whose script owns everything inside it."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

# The template never changes, so Gradio never redraws what the script has built. Data does not
# pass through it: viewers read it over HTTP and write it as text.
_TEMPLATE = '<div class="mount"></div>'


def viewer(
    module: str, elem_id: str, server_functions: Sequence[Callable[..., Any]] = ()
) -> gr.HTML:
    """A page or a part of one, drawn by a script of this folder.

    Args:
        module: Script whose `mount({element, server})` draws the viewer.
        elem_id: Id in the page.
        server_functions: What the script may call, each with one argument.
    """
    return gr.HTML(
        value="",
        html_template=_TEMPLATE,
        js_on_load=(
            f"window.cadScripts.then(studio => studio.mount('{module}', element, server));"
        ),
        apply_default_css=False,
        server_functions=list(server_functions) or None,
        elem_id=elem_id,
    )
