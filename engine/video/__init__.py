"""Reading and writing moving pictures, stills and sound. PyAV is imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .audio import Audio, AudioReader, read_audio
    from .picture import check_picture, load_picture, save_picture
    from .rates import exact_rate
    from .read import VideoReader, read_clip
    from .sheet import contact_sheet
    from .write import VideoWriter, write_video

__all__ = [
    "Audio",
    "AudioReader",
    "VideoReader",
    "VideoWriter",
    "check_picture",
    "contact_sheet",
    "exact_rate",
    "load_picture",
    "read_audio",
    "read_clip",
    "save_picture",
    "write_video",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "audio": (
            "Audio",
            "AudioReader",
            "read_audio",
        ),
        "picture": (
            "check_picture",
            "load_picture",
            "save_picture",
        ),
        "rates": ("exact_rate",),
        "read": (
            "VideoReader",
            "read_clip",
        ),
        "sheet": ("contact_sheet",),
        "write": (
            "VideoWriter",
            "write_video",
        ),
    },
)
