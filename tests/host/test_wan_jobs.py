"""The Wan workflows in the real server, with small random models in the place of the true ones."""

from __future__ import annotations

import copy
import hashlib
import json
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "example_workflows" / "api"
NAMES = sorted(p.stem for p in FOLDER.glob("wan_*.json"))
SIZE, LENGTH, STEPS = (192, 128), 9, 3
RUNS = 10
FRAMES = 14  # of the clips; the encoder is what takes time without a GPU
SAMPLERS = ("KSampler", "SamplerCustomAdvanced")


def id_of(graph: dict, kind: str) -> str:
    return next(i for i, n in graph.items() if n["class_type"] == kind)


def beside(clips: list[np.ndarray]) -> np.ndarray:
    """Clips uint8 [T, H, W, 3] of one length side by side, all as high as the first."""
    import cv2

    height = clips[0].shape[1]
    out = []
    for clip in clips:
        width = round(clip.shape[2] * height / clip.shape[1]) // 2 * 2
        out.append(np.stack([cv2.resize(f, (width, height), interpolation=cv2.INTER_AREA) for f in clip]))
    return np.concatenate(out, 2)


@pytest.fixture(scope="session")
def clips(tmp_path_factory) -> Path:
    """What the workflows' placeholders stand for: a clip, the same turned round, slower, two people, three faces."""
    from PIL import Image

    from troupe.engine.video import read_clip, write_video

    folder = tmp_path_factory.mktemp("clips")
    frames = read_clip(ROOT / "assets" / "drive.mp4", max_frames=FRAMES)[0]
    write_video(folder / "clip_1.mp4", frames, fps=25)
    write_video(folder / "clip_2.mp4", frames[::-1], fps=25)
    write_video(folder / "clip_3.mp4", frames[2:, :, ::-1], fps=30)
    write_video(folder / "two_people.mp4", beside([frames, frames[::-1]]), fps=25)
    pictures = [
        np.asarray(Image.open(ROOT / "assets" / f"{n}.png").convert("RGB"))[None]
        for n in ("two_people", "portrait")
    ]
    Image.fromarray(beside(pictures)[0]).save(folder / "three_people.png")
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(folder / "nobody.png")
    write_video(folder / "nobody.mp4", np.full((12, 64, 64, 3), 90, np.uint8), fps=25)
    return folder


@pytest.fixture
def small(comfy, tiny_models, wan_graph, clips):
    """A workflow that runs on the tiny models, its inputs in place."""
    for path in clips.iterdir():
        shutil.copy(path, comfy.base / "input" / path.name)

    def load(name: str, **more) -> dict:
        graph = json.loads((FOLDER / f"{name}.json").read_text())
        graph = wan_graph.shrink(
            graph, tiny_models, **{"size": SIZE, "length": LENGTH, "steps": STEPS, **more}
        )
        # A shorter clip than the bundled one.
        bundled = [i for i, n in graph.items() if n["class_type"] == "TroupeExampleMedia"]
        graph["clip"] = wan_graph.node("LoadVideo", file="clip_1.mp4")
        for each in graph.values():
            for key, value in each["inputs"].items():
                if isinstance(value, list) and value[0] in bundled and value[1] == 1:
                    each["inputs"][key] = ["clip", 0]
        # The sampled latent, exactly.
        sampler = next(i for i, n in graph.items() if n["class_type"] in SAMPLERS)
        graph["latent"] = wan_graph.node("SaveLatent", samples=[sampler, 0], filename_prefix=f"wan/{name}")
        return graph

    return load


def sampled(comfy, wan_graph, graph: dict) -> np.ndarray:
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    return np.asarray(wan_graph.read_latent(comfy, job))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_workflow_runs_twice_with_progress(comfy, small, wan_graph, name):
    graph = small(name)
    job = comfy.run(graph)
    assert job.status == "success", job.events[-1]
    sampler = next(i for i, n in graph.items() if n["class_type"] in SAMPLERS)
    bar = job.progress(sampler)
    assert bar == sorted(bar) and bar[-1] == STEPS
    assert job.previews > 0
    latent = np.asarray(wan_graph.read_latent(comfy, job))
    assert np.isfinite(latent).all() and latent.shape[2] == (LENGTH - 1) // 4 + 1
    import av

    with av.open(str(comfy.path_of(job.files(id_of(graph, "SaveVideo"))[0]))) as video:
        assert sum(1 for _ in video.decode(video=0)) == LENGTH
    comfy.forget()
    np.testing.assert_array_equal(sampled(comfy, wan_graph, graph), latent)


def test_three_faces_each_follow_their_own_clip(comfy, small, wan_graph):
    """Another clip for the rightmost face changes the latent most where that face is."""
    graph = small("wan_three_faces_three_clips", steps=1)
    before = sampled(comfy, wan_graph, graph)
    role = next(
        n for n in graph.values() if n["class_type"] == "TroupeAssignRole" and n["inputs"]["face"] == 3
    )
    first = next(
        n for n in graph.values() if n["class_type"] == "TroupeAssignRole" and n["inputs"]["face"] == 1
    )
    role["inputs"]["drive"] = first["inputs"]["drive"]
    change = np.abs(sampled(comfy, wan_graph, graph) - before).mean((0, 1, 2, 3))
    third = len(change) // 3
    assert change[-third:].mean() > change[:third].mean() > 0


def test_strength_zero_is_the_base_model(comfy, small, wan_graph):
    graph = small("wan_one_face_from_a_clip")
    graph[id_of(graph, "TroupeAssignRole")]["inputs"]["strength"] = 0.0
    still = sampled(comfy, wan_graph, graph)
    bare = copy.deepcopy(graph)
    cast, guider = id_of(bare, "TroupeApplyCast"), id_of(bare, "TroupeLayeredGuider")
    source = bare[cast]["inputs"]["model"]
    bare[guider]["inputs"]["model"] = source
    np.testing.assert_array_equal(sampled(comfy, wan_graph, bare), still)
    graph[id_of(graph, "TroupeAssignRole")]["inputs"]["strength"] = 1.0
    assert np.abs(sampled(comfy, wan_graph, graph) - still).max() > 0.05


def test_mixed_cast_of_clip_and_preset(comfy, small, wan_graph):
    graph = small("wan_three_faces_three_clips", steps=1)
    roles = sorted(
        (n for n in graph.values() if n["class_type"] == "TroupeAssignRole"),
        key=lambda n: n["inputs"]["face"],
    )
    preset = {
        "preset": "surprised",
        "intensity": 1.0,
        "seconds": 1.0,
        "fps": 25.0,
        "curve": "ease",
        "idle": 0.0,
        "seed": 0,
    }
    info = comfy.json("/object_info/TroupeMotionFromPreset")["TroupeMotionFromPreset"]["input"]["required"]
    curves = info["curve"][0] if isinstance(info["curve"][0], list) else info["curve"][1]["options"]
    graph["preset"] = wan_graph.node("TroupeMotionFromPreset", **{**preset, "curve": curves[0]})
    before = sampled(comfy, wan_graph, graph)
    roles[2]["inputs"]["drive"] = ["preset", 0]
    happy = sampled(comfy, wan_graph, graph)
    assert np.abs(happy - before).max() > 1e-3
    graph["preset"]["inputs"]["preset"] = "happy"
    assert np.abs(sampled(comfy, wan_graph, graph) - happy).max() > 1e-3


def test_speech_and_expression_both_act(comfy, small, wan_graph):
    graph = small("wan_expression_and_speech")
    both = sampled(comfy, wan_graph, graph)
    for region in ("full", "lips"):
        roles = [n for n in graph.values() if n["class_type"] == "TroupeAssignRole"]
        changed = copy.deepcopy(graph)
        for i, n in graph.items():
            if n in roles and n["inputs"]["region"] == region:
                changed[i]["inputs"]["strength"] = 0.0
        assert np.abs(sampled(comfy, wan_graph, changed) - both).max() > 1e-3, region


def test_layered_cfg_on_ksampler_is_the_guider(comfy, small, wan_graph):
    """The two front doors to guidance give the same latent at the same schedule."""
    graph = small("wan_two_people_from_one_clip")
    sampler = id_of(graph, "KSampler")
    by_patch = sampled(comfy, wan_graph, graph)
    node, k = wan_graph.node, graph[sampler]["inputs"]
    layered = graph[id_of(graph, "TroupeLayeredCFG")]["inputs"]
    other = {i: n for i, n in graph.items() if n["class_type"] not in ("KSampler", "TroupeLayeredCFG")}
    other["guider"] = node(
        "TroupeLayeredGuider", positive=k["positive"], negative=k["negative"], text_scale=k["cfg"], **layered
    )
    other["noise"] = node("RandomNoise", noise_seed=k["seed"])
    other["which"] = node("KSamplerSelect", sampler_name=k["sampler_name"])
    other["sigmas"] = node(
        "BasicScheduler", model=layered["model"], scheduler=k["scheduler"], steps=k["steps"], denoise=1.0
    )
    other[sampler] = node(
        "SamplerCustomAdvanced", noise=["noise", 0], guider=["guider", 0], sampler=["which", 0],
        sigmas=["sigmas", 0], latent_image=k["latent_image"],
    )  # fmt: skip
    np.testing.assert_allclose(sampled(comfy, wan_graph, other), by_patch, rtol=0, atol=1e-4)


def test_context_windows_over_a_longer_clip(comfy, small, wan_graph):
    graph = small("wan_one_face_from_a_clip", length=25, steps=1)
    graph[id_of(graph, "TroupeFitPicture")]["inputs"] |= {"length": 25, "max_length": 25}
    info = comfy.json("/object_info")
    kind = "WanContextWindowsManual"
    assert kind in info
    inputs = {}
    for name, (type_, *rest) in info[kind]["input"]["required"].items():
        options = rest[0] if rest else {}
        inputs[name] = (
            type_[0] if isinstance(type_, list) else options.get("default", options.get("options", [None])[0])
        )
    cast, guider = id_of(graph, "TroupeApplyCast"), id_of(graph, "TroupeLayeredGuider")
    inputs |= {"model": [cast, 0], "context_length": 13, "context_overlap": 4}
    graph["windows"] = wan_graph.node(kind, **inputs)
    graph[guider]["inputs"]["model"] = ["windows", 0]
    latent = sampled(comfy, wan_graph, graph)
    assert latent.shape[2] == 7 and np.isfinite(latent).all()


def test_easy_cache_and_lora_beside_the_cast(comfy, small, wan_graph):
    graph = small("wan_one_face_from_a_clip", steps=6)
    cast, guider = id_of(graph, "TroupeApplyCast"), id_of(graph, "TroupeLayeredGuider")
    full = sampled(comfy, wan_graph, graph)
    graph["cache"] = wan_graph.node(
        "EasyCache", model=[cast, 0], reuse_threshold=0.5, start_percent=0.1, end_percent=0.95, verbose=False
    )
    graph[guider]["inputs"]["model"] = ["cache", 0]
    cached = sampled(comfy, wan_graph, graph)
    assert np.isfinite(cached).all()
    assert 0 < np.abs(cached - full).mean() < np.abs(full).mean()


def test_interrupt_in_mid_sampling_then_again(comfy, small, wan_graph):
    graph = small("wan_one_face_from_a_clip", steps=60)
    sampler, sent = id_of(graph, "SamplerCustomAdvanced"), []

    def stop(event):
        if event["type"] == "progress" and event["data"].get("node") == sampler and not sent:
            sent.append(time.monotonic())
            comfy.post("/interrupt", {})

    job = comfy.run(graph, on_event=stop)
    assert job.status == "interrupted" and len(job.progress(sampler)) < 60
    graph[id_of(graph, "TroupeFlowSigmas")]["inputs"]["steps"] = STEPS
    again = sampled(comfy, wan_graph, graph)
    comfy.forget()
    np.testing.assert_array_equal(sampled(comfy, wan_graph, graph), again)


@pytest.mark.slow
def test_ten_runs_give_the_same_bytes_and_keep_no_memory(comfy, small):
    """Sampling alone runs anew (another node id makes no difference to it): models stay loaded, as users have them."""
    graph = small("wan_two_people_from_one_clip")
    sampler = id_of(graph, "KSampler")
    seed, sums, memory = graph[sampler]["inputs"]["seed"], set(), []
    for _ in range(RUNS):
        graph[sampler]["inputs"]["seed"] = seed + 1  # the cache keeps only the last
        graph[sampler]["inputs"]["steps"] = 1
        assert comfy.run(graph).status == "success"
        graph[sampler]["inputs"] |= {"seed": seed, "steps": STEPS}
        job = comfy.run(graph)
        assert job.progress(sampler), "taken from the cache"
        latent = job.history["outputs"]["latent"]["latents"][0]
        sums.add(hashlib.sha256(comfy.path_of(latent).read_bytes()[-4096:]).hexdigest())
        memory.append(comfy.rss())
    assert len(sums) == 1
    assert max(memory[RUNS // 2 :]) - max(memory[: RUNS // 2]) < 60, [round(m) for m in memory]
