"""Text under a node, as core's own nodes show it: a node's ``ui`` text is kept in the history, but drawn by few."""

from __future__ import annotations


def tell(text: str, node_id: str | None) -> None:
    """Show a text in the node that is executing."""
    from server import PromptServer

    if node_id:
        PromptServer.instance.send_progress_text(text, node_id)
