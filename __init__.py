"""ComfyUI-Troupe: make the faces in a picture act.

This file is all that ComfyUI loads at start; the nodes and what they need are imported when it asks for them.
"""

WEB_DIRECTORY = "./web"


async def comfy_entrypoint():
    """The extension that lists the nodes (ComfyUI's V3 entry point)."""
    from .nodes import TroupeExtension

    return TroupeExtension()
