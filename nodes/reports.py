"""How nodes that report something keep their report in the editor."""

from __future__ import annotations

from dataclasses import fields

from comfy_api.latest import io

AGAIN = "has_intermediate_output"


def reports() -> dict[str, bool]:
    """Arguments of ``io.Schema`` for a node that says something in the editor but is no output node.

    Newer ComfyUIs then send what it said again when its result comes from the cache, as after a reload of the page;
    they do so for output nodes anyway. Older ones do not know the argument and send nothing.
    """
    return {AGAIN: True} if AGAIN in {each.name for each in fields(io.Schema)} else {}
