"""What the tests of the shell share: an empty folder to stand in, the bundled media, and the command itself."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from troupe import cli

ASSETS = Path(__file__).resolve().parents[2] / "assets"
PORTRAIT, TWO, CLIP, SPEECH, REPLY = (
    str(ASSETS / n) for n in ("portrait.png", "two_people.png", "drive.mp4", "speech.wav", "reply.wav")
)
ANIMATE = ("-o", "a.mp4", "--seconds", "0.2", "--size", "256")  # little work


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty folder to stand in; signals as they were afterwards."""
    monkeypatch.chdir(tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path
    signal.signal(signal.SIGTERM, before)


def run(*arguments: str) -> int:
    """The exit code, also where argparse ends the process itself."""
    try:
        return cli.main(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)


def assert_refused(arguments: list[str], words: str, capsys) -> None:
    """It fails with one line that says ``words`` (a regular expression), and leaves the folder as it was."""
    before = {p.name: p.read_bytes() for p in Path().iterdir()}
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"troupe: error: [^\n]+\n", said.err) and re.search(words, said.err), said.err
    assert {p.name: p.read_bytes() for p in Path().iterdir()} == before
