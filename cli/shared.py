"""What the commands share: how they say what they do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata

from ..engine.progress import Progress


def version() -> str:
    """Of the installed package."""
    try:
        return metadata.version("troupe")
    except metadata.PackageNotFoundError:  # run from a folder that was not installed
        return "(not installed)"


@contextmanager
def bar(title: str, options: argparse.Namespace) -> Iterator[Progress]:
    """A bar on stderr for what takes over a second; none if nobody watches."""
    from tqdm import tqdm

    with tqdm(desc=title, delay=1.0, leave=False, disable=True if options.quiet else None) as shown:

        def listen(done: int, total: int) -> None:
            if total:
                shown.total = total
            shown.update(done - shown.n)

        yield listen


def remark(notes: Iterable[str], options: argparse.Namespace) -> None:
    """One line each on stderr."""
    if not options.quiet:
        for note in notes:
            sys.stderr.write(f"troupe: {note}\n")


def say(text: str, options: argparse.Namespace) -> None:
    """One line on stdout."""
    if not options.quiet:
        sys.stdout.write(text + "\n")
