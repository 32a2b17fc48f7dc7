"""A real ComfyUI server with the pack installed, for each host found.

Hosts: the folders in ``COMFYUI_PATH`` (parted by ``os.pathsep``); else the ComfyUI whose ``custom_nodes`` this
pack stands in; else ``~/ComfyUI`` and ``~/ComfyUI-0.8``. Their Python: ``COMFYUI_PYTHON``, a ``venv`` or ``.venv``
in the host, else the one that runs the tests.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .browser_fixtures import browser, page, screenshots  # noqa: F401 (fixtures)

ROOT = Path(__file__).resolve().parents[2]
PACK = "ComfyUI-Troupe"
STUBS = Path(__file__).parent / "stubs"
START_SECONDS, JOB_SECONDS = 180, 300
ENDS = {"execution_success": "success", "execution_error": "error", "execution_interrupted": "interrupted"}


def find_hosts() -> list[Path]:
    """ComfyUI checkouts to test in."""
    named = os.environ.get("COMFYUI_PATH")
    if named:
        hosts = [Path(p) for p in named.split(os.pathsep) if p]
        missing = [p for p in hosts if not (p / "main.py").is_file()]
        assert not missing, f"COMFYUI_PATH names {missing[0]}, which holds no ComfyUI"
        return hosts
    places = [Path.home() / "ComfyUI", Path.home() / "ComfyUI-0.8"]
    if ROOT.parent.name == "custom_nodes":
        places = [ROOT.parent.parent]
    return [p for p in places if (p / "main.py").is_file() and (p / "folder_paths.py").is_file()]


def pythons_of(host: Path) -> list[str]:
    """Pythons that may be able to run the host, its own first."""
    beside = [host / v / "bin" / "python" for v in ("venv", ".venv")]
    choices = [os.environ.get("COMFYUI_PYTHON"), *(str(p) for p in beside if p.exists()), sys.executable]
    return [python for python in choices if python]


def python_of(host: Path) -> str | None:
    """A Python that can run the host."""
    for python in pythons_of(host):
        if (
            subprocess.run([python, "-c", "import torch, aiohttp, av, cv2"], capture_output=True).returncode
            == 0
        ):
            return python
    return None


def pytest_generate_tests(metafunc):
    hosts = find_hosts() if {"comfy", "inside"} & set(metafunc.fixturenames) else []
    if metafunc.definition.get_closest_marker("browser"):
        # The editor is a package of the host's Python: hosts that share it show the same one, which is tested once.
        hosts = list({pythons_of(host)[0]: host for host in reversed(hosts)}.values())
    for fixture in ("comfy", "inside"):
        if fixture in metafunc.fixturenames:
            names = [h.name for h in hosts] or ["none"]
            metafunc.parametrize(fixture, hosts or [None], ids=names, indirect=True, scope="session")


@dataclass
class Job:
    """What became of a prompt."""

    id: str
    status: str
    events: list[dict]
    history: dict
    previews: int = 0

    @property
    def error(self) -> dict:
        """The data of ``execution_error``."""
        return next(e["data"] for e in self.events if e["type"] == "execution_error")

    @property
    def message(self) -> str:
        return self.error["exception_message"].strip()

    def progress(self, node: str) -> list[float]:
        """The values that the bar of a node showed."""
        return [
            e["data"]["value"]
            for e in self.events
            if e["type"] == "progress" and e["data"].get("node") == node
        ]

    def files(self, node: str) -> list[dict]:
        """What an output node shows: pictures, videos and sounds as ComfyUI names them."""
        shown = self.history["outputs"][node]
        return [f for kind in ("images", "video", "videos", "audio") for f in shown.get(kind, [])]


@dataclass
class Comfy:
    """A running server."""

    host: Path
    base: Path
    url: str
    process: subprocess.Popen
    log_path: Path
    client: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=30) as reply:
            return reply.read()

    def json(self, path: str):
        return json.loads(self.get(path))

    def post(self, path: str, data: dict) -> tuple[int, dict]:
        """Status and body of a POST."""
        body = json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                text, status = reply.read(), reply.status
        except urllib.error.HTTPError as error:
            text, status = error.read(), error.code
        return status, json.loads(text) if text else {}

    def submit(self, prompt: dict) -> tuple[int, dict]:
        return self.post("/prompt", {"prompt": prompt, "client_id": self.client})

    def run(self, prompt: dict, on_event=None, seconds: float = JOB_SECONDS) -> Job:
        """Queue a prompt and wait until it ends; ``on_event`` sees each message (to interrupt, say)."""
        return asyncio.run(asyncio.wait_for(self._run(prompt, on_event), seconds))

    async def _run(self, prompt: dict, on_event) -> Job:
        import aiohttp

        address = f"{self.url}/ws?clientId={self.client}"
        async with aiohttp.ClientSession() as session, session.ws_connect(address, max_msg_size=0) as ws:
            status, reply = await asyncio.to_thread(self.submit, prompt)
            assert status == 200, f"refused: {json.dumps(reply)[:2000]}"
            events, previews = [], 0
            async for message in ws:
                if message.type != aiohttp.WSMsgType.TEXT:
                    previews += message.type == aiohttp.WSMsgType.BINARY
                    continue
                event = json.loads(message.data)
                if event.get("data", {}).get("prompt_id") not in (reply["prompt_id"], None):
                    continue
                events.append(event)
                if on_event:
                    await asyncio.to_thread(on_event, event)
                if event["type"] in ENDS:
                    history = await asyncio.to_thread(self._history, reply["prompt_id"])
                    return Job(reply["prompt_id"], ENDS[event["type"]], events, history, previews)
        raise AssertionError(f"the server hung up; its log ends:\n{self.log[-3000:]}")

    def _history(self, prompt_id: str) -> dict:
        for _ in range(100):
            history = self.json(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]
            time.sleep(0.1)
        raise AssertionError(f"{prompt_id} is not in the history")

    def forget(self) -> None:
        """Empty the caches, so that the next prompt runs wholly."""
        for _ in range(2):  # the queue's thread can miss the first call while it falls asleep
            self.post("/free", {"free_memory": True, "unload_models": True})
            time.sleep(0.5)

    def path_of(self, file: dict) -> Path:
        """Where a file that an output node names lies."""
        return self.base / file["type"] / file["subfolder"] / file["filename"]

    def rss(self) -> float:
        """The server's resident memory in MB."""
        import psutil

        return psutil.Process(self.process.pid).memory_info().rss / 2**20


def prepare(base: Path) -> None:
    """A base folder with the pack, the tests' own nodes and settings that keep first-run dialogs away."""
    for name in ("custom_nodes", "input", "output", "temp", "models", "user/default"):
        (base / name).mkdir(parents=True, exist_ok=True)
    (base / "custom_nodes" / PACK).symlink_to(ROOT, target_is_directory=True)
    shutil.copytree(
        STUBS, base / "custom_nodes", dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    settings = {"Comfy.TutorialCompleted": True}
    (base / "user" / "default" / "comfy.settings.json").write_text(json.dumps(settings))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(host: Path, base: Path, python: str) -> Comfy:
    """A server, ready."""
    prepare(base)
    port, log = free_port(), base / "server.log"
    command = [
        python,
        "main.py",
        "--cpu",
        "--port",
        str(port),
        "--base-directory",
        str(base),
        "--disable-api-nodes",
    ]
    command += [
        "--dont-print-server",
        "--database-url",
        "sqlite:///:memory:",
        "--use-pytorch-cross-attention",
    ]
    command += ["--preview-method", "latent2rgb"]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=host, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    comfy = Comfy(host, base, f"http://127.0.0.1:{port}", process, log)
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"{host} did not start:\n{comfy.log[-3000:]}"
        try:
            comfy.get("/system_stats")
            return comfy
        except OSError:
            time.sleep(0.3)
    process.kill()
    raise AssertionError(f"{host} was not ready in {START_SECONDS} s:\n{comfy.log[-3000:]}")


@pytest.fixture(scope="session")
def comfy(request, tmp_path_factory):
    """A running server with the pack, one for each host."""
    host: Path | None = request.param
    if host is None:
        pytest.skip("no ComfyUI found: set COMFYUI_PATH to its folder")
    python = python_of(host)
    if python is None:
        pytest.skip(f"no Python with ComfyUI's requirements for {host}: set COMFYUI_PYTHON")
    server = start(host, tmp_path_factory.mktemp(host.name), python)
    yield server
    server.process.terminate()
    try:
        server.process.wait(20)
    except subprocess.TimeoutExpired:
        server.process.kill()


@pytest.fixture(scope="session")
def tiny_models_module():
    """``tests/host/tiny_models.py``."""
    from . import tiny_models

    return tiny_models


@pytest.fixture(scope="session")
def wan_graph():
    """``tests/host/wan_graph.py``: ``core_graph``, ``audio_graph``, ``node``, ``link``, ``read_latent``."""
    from . import wan_graph

    return wan_graph


@pytest.fixture(scope="session")
def speech_graph():
    """``tests/host/speech_graph.py``: ``speak``, ``align``, ``graph``, ``result``, ``refused``, ``failed``, ``assert_alive``."""
    from . import speech_graph

    return speech_graph


@pytest.fixture(scope="session")
def browsing():
    """``tests/host/browsing.py``: scripts for the editor, ``run_with_one_click``, ``use_renderer``."""
    from . import browsing

    return browsing


@pytest.fixture(scope="session")
def tiny_model_files(tiny_models_module, tmp_path_factory):
    """The small random models, written once for all servers; half a gigabyte that does not outlive the tests."""
    folder = tmp_path_factory.mktemp("models")
    yield tiny_models_module.write_all(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tiny_models(comfy, tiny_models_module, tiny_model_files) -> dict[str, Path]:
    """The small random models in the server's models folders, by the names of ``tiny_models.FILES``, and
    ``portrait.png`` and ``speech.wav`` in its input folder."""
    placed = {name: comfy.base / "models" / place for name, place in tiny_models_module.FILES.items()}
    for name, path in placed.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(tiny_model_files[name])
    for name in ("portrait.png", "speech.wav"):
        shutil.copy(ROOT / "assets" / name, comfy.base / "input" / name)
    return placed


INSIDE_SECONDS = 900


@pytest.fixture(scope="session")
def inside(request, tmp_path_factory):
    """Runs a script of ``inside/`` in a host's own Python, the pack importable as ``troupe``; gives what the script
    prints last, from JSON. ComfyUI cannot be imported twice, so each script has a process of its own."""
    host: Path | None = request.param
    if host is None:
        pytest.skip("no ComfyUI found: set COMFYUI_PATH to its folder")
    python = python_of(host)
    if python is None:
        pytest.skip(f"no Python with ComfyUI's requirements for {host}: set COMFYUI_PYTHON")
    path = tmp_path_factory.mktemp("path")
    (path / "troupe").symlink_to(ROOT, target_is_directory=True)

    def run(script: str, *arguments) -> dict:
        done = subprocess.run(
            [python, str(Path(__file__).parent / "inside" / script), str(host), *map(str, arguments)],
            cwd=host,
            env={"OMP_NUM_THREADS": "2", **os.environ, "PYTHONPATH": str(path)},
            capture_output=True,
            text=True,
            timeout=INSIDE_SECONDS,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        return json.loads(done.stdout.strip().splitlines()[-1])

    return run


@pytest.fixture(scope="session")
def champ_tools():
    """``tests/host/champ_models.py``."""
    from . import champ_models

    return champ_models


@pytest.fixture(scope="session")
def champ_files(champ_tools, tiny_models_module, synthetic, tmp_path_factory):
    """Champ's small random files, written once for all servers."""
    folder = tmp_path_factory.mktemp("champ")
    champ_tools.write_all(folder, tiny_models_module, synthetic)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def champ_models(comfy, champ_tools, champ_files):
    """``tests/host/champ_models.py``, its files in the server's models folders, two pictures in its input folder."""
    for path in (p for p in champ_files.rglob("*") if p.is_file()):
        place = comfy.base / "models" / path.relative_to(champ_files)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(path)
    shutil.copy(ROOT / "assets" / "portrait.png", comfy.base / "input")
    shutil.copy(ROOT / "assets" / "two_people.png", comfy.base / "input" / "other.png")
    return champ_tools
