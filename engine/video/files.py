"""Files on their way in and out: clear errors before anything is decoded, and outputs that are whole or absent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import TroupeError


def check_input(path: str | Path, what: str) -> Path:
    """``path`` as an absolute path of a file that exists and is not empty.

    Args:
        path: File to read.
        what: What it should be, for messages: ``"clip"``, ``"picture"``, ``"audio file"``.

    Raises:
        TroupeError: if there is no such file, it is a folder, empty, or may not be read.
    """
    path = Path(path).expanduser()
    try:
        if path.is_dir():
            raise TroupeError(f"'{path}' is not a {what}", "it is a folder", f"Name a {what} in it")
        if not path.exists():
            raise TroupeError(f"No {what} '{path}'", "there is no such file", "Check the name and the folder")
        if path.stat().st_size == 0:
            raise TroupeError(f"'{path}' is not a {what}", "the file is empty (0 bytes)", "Use another file")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise TroupeError(
            f"Cannot read '{path}'", str(error), "Check the name and the permissions"
        ) from error
    return path.absolute()


def check_output(
    path: str | Path, suffixes: tuple[str, ...], inputs: Iterable[str | Path | None] = ()
) -> Path:
    """``path`` as an absolute path where a file of one of these suffixes can be written.

    Call it before long work, so that a typing error costs nothing.

    Args:
        path: Where to write.
        suffixes: Endings of the name that can be written.
        inputs: Files that are read meanwhile and must not be replaced.

    Raises:
        TroupeError: on an unknown suffix, a folder that does not exist or may not be written, a folder of that
            name, or an input.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix.lower() not in suffixes:
        kind = f"the name ends in '{path.suffix}'" if path.suffix else "the name has no ending"
        raise TroupeError(
            f"Cannot write '{path.name}'", kind, f"Choose a name that ends in {', '.join(suffixes)}"
        )
    why = None
    if path.is_dir():
        why = "a folder has that name"
    elif not path.parent.is_dir():
        why = f"there is no folder '{path.parent}'"
    elif not os.access(path.parent, os.W_OK):
        why = "the folder may not be written to"
    elif path.exists() and any(Path(i).exists() and path.samefile(i) for i in inputs if i is not None):
        why = "it is also an input"
    if why:
        raise TroupeError(f"Cannot write '{path}'", why, "Choose another name or folder")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that replaces it when the block ends well.

    Nothing is left of it when the block fails or is interrupted, and ``path`` keeps what it held.
    """
    temporary = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}.part{path.suffix}")
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError as error:
            raise TroupeError(
                f"Cannot write '{path}'",
                error.strerror or str(error),
                "Close what uses it and check the folder",
            ) from error
    finally:
        temporary.unlink(missing_ok=True)


def open_media(path: Path, what: str):
    """Open a checked path with PyAV.

    Returns:
        An ``av.container.InputContainer``; the caller closes it.

    Raises:
        TroupeError: if it is no media file or its index is missing.
    """
    import av

    try:
        return av.open(str(path))
    except av.error.FFmpegError as error:
        raise TroupeError(
            f"Cannot read '{path.name}' as a {what}",
            f"it is damaged, cut short before its index, or no media file ({_reason(error)})",
            "Copy or export it again, or convert it to MP4",
        ) from error


def decode_stream(container, stream, on_damage: Callable[[], None]) -> Iterator:
    """Decoded frames of one stream to the end of the file.

    What cannot be decoded is skipped, with one call of ``on_damage`` each; a file that ends in the middle gives
    what came before.
    """
    import av

    packets = container.demux(stream)
    last = False
    while not last:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            on_damage()
            packet = None
        last = packet is None or packet.size == 0  # an empty packet: the decoder gives what it held back
        try:
            yield from stream.codec_context.decode(packet)
        except av.error.FFmpegError:
            on_damage()


def is_cover(stream) -> bool:
    """Whether a video stream is the cover picture of a sound file."""
    return bool(stream.disposition & type(stream.disposition).attached_pic)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
