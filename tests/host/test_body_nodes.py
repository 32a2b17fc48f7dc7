"""Bodies in the real server: motions from files and formulas, maps over a picture, casts; and what may be wrong with them."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.host

ROOT = Path(__file__).resolve().parents[2]
KINDS = ("depth", "normal", "semantic", "skeleton")
DETECT = {"fps": 25.0, "max_faces": 16, "min_size": 24.0, "min_confidence": 0.5, "smooth": False}
FILE = {"fps": 30.0, "person": 1, "first": 1, "frames": 0}
ROLE = {"face": 1, "region": "full", "strength": 1.0, "rest": "auto"}
EYES = {
    (170, 0, 255): (33, 133),
    (255, 0, 255): (362, 263),
}  # dots of the skeleton, and corners in the face mesh


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


@pytest.fixture
def job(champ_tools):
    """A walking body becomes maps, all of which are saved."""

    def make(motion: dict | None = None, **more) -> dict:
        graph = {
            "move": motion or node("TroupeBodyMove", move="walk", seconds=0.2, fps=25.0),
            "maps": node("TroupeBodyMaps", motion=["move", 0], **{**champ_tools.PARTS, **more}),
        }
        for i, kind in enumerate(KINDS):
            graph[kind] = node("SaveImage", images=["maps", i], filename_prefix=f"body/{kind}")
        graph["picture"] = node("LoadImage", image="portrait.png")
        graph["faces"] = node("TroupeDetectFaces", image=["picture", 0], **DETECT)
        return graph

    return make


@pytest.fixture
def saved(comfy, champ_models):
    """Runs a job and reads what it saved, uint8 ``[T, H, W, 3]`` by kind."""
    from PIL import Image

    def run(graph: dict) -> dict[str, np.ndarray]:
        done = comfy.run(graph)
        assert done.status == "success", done.events[-1]
        read = {
            k: [np.asarray(Image.open(comfy.path_of(f)).convert("RGB")) for f in done.files(k)] for k in KINDS
        }
        return {"job": done} | {k: np.stack(v) for k, v in read.items()}

    return run


def amass(path: Path, frames: int = 8, **more) -> None:
    """A motion by the names of AMASS, upright along z, turning about itself."""
    poses = np.zeros((frames, 156), np.float32)
    poses[:, 0] = np.pi / 2
    poses[:, 1] = 0.01 * np.arange(frames)
    content = {"poses": poses, "trans": np.zeros((frames, 3)), "betas": np.zeros(16), "mocap_framerate": 50.0}
    np.savez(path, **{**content, **more})


def test_maps_are_of_a_body(saved, job):
    found = saved(job())
    inside = found["semantic"].max(-1) > 0
    assert inside.shape == (5, 64, 64) and 0.03 < inside.mean() < 0.5
    for kind in ("normal", "depth"):
        assert found[kind][~inside].max() == 0, f"{kind} outside of the body"
    assert (found["depth"].max((1, 2, 3)) == 255).all()
    assert (found["depth"][..., 0] == found["depth"][..., 2]).all()
    assert found["skeleton"].max() > 200
    assert any((a != b).any() for a, b in zip(found["normal"], found["normal"][1:]))
    video = found["job"].history["outputs"]["maps"]["troupe_video"][0]
    assert video["frames"] == 5 and video["fps"] == 25


@pytest.fixture
def eyes_lie_over(comfy, saved, job):
    """Maps of bodies placed by the faces of a picture: each face has a skeleton with its eyes over it."""
    from PIL import Image

    from troupe.engine.faces import find_faces

    def check(name: str, faces: int, **more) -> None:
        shutil.copy(ROOT / "assets" / name, comfy.base / "input" / name)
        picture = np.asarray(Image.open(ROOT / "assets" / name).convert("RGB"))
        found = find_faces(picture)
        graph = job(align="face", width=0, height=0, image=["picture", 0], faces=["faces", 0])
        graph["picture"]["inputs"]["image"] = name
        for key, part in more.items():
            graph[key] = part
            graph["maps"]["inputs"]["motion"] = [key, 0]
        skeleton = saved(graph)["skeleton"][0]
        high, wide = skeleton.shape[:2]
        assert (wide, high) == tuple(side // 8 * 8 for side in picture.shape[1::-1])
        cut = np.array([picture.shape[1] - wide, picture.shape[0] - high]) / 2
        for colour, corners in EYES.items():
            dots = np.argwhere((skeleton == colour).all(-1))[:, ::-1]
            eyes = [
                found.person(n).faces[0].landmarks[list(corners), :2].mean(0) - cut
                for n in range(1, faces + 1)
            ]
            nearest = np.linalg.norm(dots[:, None] - eyes, axis=-1).argmin(1)
            for n, eye in enumerate(eyes):
                dot = dots[nearest == n].mean(0)
                assert np.abs(dot - eye).max() < 0.03 * wide, (n + 1, dot, eye)

    return check


def test_eyes_lie_over_the_face_of_the_picture(eyes_lie_over):
    eyes_lie_over("portrait.png", 1)


def test_each_of_two_bodies_has_its_eyes_over_its_own_face(eyes_lie_over):
    one = node("TroupeAssignRole", drive=["move", 0], **{**ROLE, "face": 2})
    two = node("TroupeAssignRole", drive=["move", 0], **ROLE, cast=["one", 0])
    eyes_lie_over("two_people.png", 2, one=one, two=two)


def test_size_length_rate_and_travel(saved, job):
    plain = saved(job())
    found = saved(job(fps=50.0, length=7, width=96, height=72))
    assert found["depth"].shape == (7, 72, 96, 3)
    assert (saved(job(smooth=20))["normal"] != plain["normal"]).any()
    assert (saved(job(travel=0.0))["normal"] != plain["normal"]).any()


def test_files_of_the_input_folder(comfy, saved, job, wan_graph):
    """By the names of AMASS; a range of frames; a changed file is read again."""
    amass(comfy.base / "input" / "dance.npz")
    listed = comfy.json("/object_info/TroupeLoadBodyMotion")["TroupeLoadBodyMotion"]["input"]["required"][
        "file"
    ]
    assert "dance.npz" in str(listed)
    file = node("TroupeLoadBodyMotion", file="dance.npz", **FILE)
    found = saved(job(file))
    assert (
        len(found["depth"]) == 8 and found["job"].history["outputs"]["maps"]["troupe_video"][0]["fps"] == 50
    )
    part = saved(job(node("TroupeLoadBodyMotion", file="dance.npz", **{**FILE, "first": 3, "frames": 4})))
    assert len(part["depth"]) == 4
    amass(comfy.base / "input" / "dance.npz", frames=9)
    assert len(saved(job(file))["depth"]) == 9
    late = job(node("TroupeLoadBodyMotion", file="dance.npz", **{**FILE, "first": 50}))
    wan_graph.assert_refused(comfy, late, "move", "no frame 50", "it has 9")


def test_a_reference_gives_shape_and_place(comfy, saved, job):
    """The picture's body, twice as far to the right and larger, moves the maps."""
    from dataclasses import replace

    from troupe.engine.body.camera import Camera
    from troupe.engine.body.files import save_body_motion
    from troupe.engine.body.moves import body_move

    camera = Camera.far(64, 64)
    here = replace(body_move("sway", 0.1, 25.0), position=np.tile([0.3, 0, 50.0], (2, 1)), camera=camera)
    save_body_motion(here, comfy.base / "input" / "body.npz")
    large = replace(here, betas=np.tile(np.eye(10)[0] * 3, (2, 1)))
    save_body_motion(large, comfy.base / "input" / "large.npz")
    shapes = {}
    for name in ("body", "large"):
        graph = job(align="auto", width=0, height=0, reference=["of_picture", 0])
        graph["of_picture"] = node("TroupeLoadBodyMotion", file=f"{name}.npz", **FILE)
        shapes[name] = saved(graph)["semantic"].max(-1) > 0
    columns = shapes["body"].any((0, 1)).nonzero()[0]
    assert columns.mean() > 34, "not to the right"
    assert shapes["large"].mean() > shapes["body"].mean() * 1.05, "the shape is not taken over"


def test_a_cast_with_a_body_drive(saved, job):
    plain = saved(job())
    graph = job()
    graph["role"] = node("TroupeAssignRole", drive=["move", 0], **ROLE)
    graph["maps"]["inputs"]["motion"] = ["role", 0]
    found = saved(graph)
    assert all((found[kind] == plain[kind]).all() for kind in KINDS)


def test_casts_that_say_nothing_of_a_body(comfy, champ_models, wan_graph, job):
    graph = job()
    graph["motion"] = node("TroupeMotionFromTimeline", **wan_graph.TIMELINE)
    graph["role"] = node("TroupeAssignRole", drive=["motion", 0], **ROLE)
    graph["maps"]["inputs"]["motion"] = ["role", 0]
    wan_graph.assert_refused(comfy, graph, "maps", "Nobody's body moves")
    graph["role"]["inputs"]["drive"] = ["move", 0]
    graph["second"] = node("TroupeAssignRole", drive=["move", 0], **{**ROLE, "face": 2}, cast=["role", 0])
    graph["maps"]["inputs"]["motion"] = ["second", 0]
    wan_graph.assert_refused(comfy, graph, "maps", "2 bodies", "whole", "a place for one")
    graph["maps"]["inputs"]["align"] = "auto"
    wan_graph.assert_refused(comfy, graph, "maps", "no camera")


def test_a_cast_of_two_bodies_stands_as_in_their_clip(comfy, saved, job):
    """Two persons of one clip: each where it was, the maps of both together, as long as the longer."""
    from dataclasses import replace

    from troupe.engine.body.camera import Camera
    from troupe.engine.body.files import save_body_motion
    from troupe.engine.body.moves import body_move

    graph = job(align="auto", width=0, height=0)
    for name, (x, seconds) in {"left": (-0.5, 0.12), "right": (0.5, 0.2)}.items():
        moving = body_move("sway", seconds, 25.0)
        stands = np.tile([x, 0, 50.0], (len(moving), 1))
        moving = replace(moving, position=stands, camera=Camera.far(64, 64))
        save_body_motion(moving, comfy.base / "input" / f"{name}.npz")
        graph[name] = node("TroupeLoadBodyMotion", file=f"{name}.npz", **FILE)
    graph["one"] = node("TroupeAssignRole", drive=["left", 0], **ROLE)
    graph["two"] = node("TroupeAssignRole", drive=["right", 0], **{**ROLE, "face": 2}, cast=["one", 0])
    inside = {}
    for name in ("left", "right", "two"):
        graph["maps"]["inputs"]["motion"] = [name, 0]
        inside[name] = saved(graph)["semantic"].max(-1) > 0
    assert len(inside["left"]) == 3 and len(inside["two"]) == len(inside["right"]) == 5
    assert (inside["two"][:3] == (inside["left"] | inside["right"][:3])).all()
    columns = inside["two"][4].any(0)
    assert columns[:28].any() and columns[36:].any(), "who is done does not stay"


def test_a_person_who_is_not_in_the_file(comfy, champ_models, wan_graph, job):
    amass(comfy.base / "input" / "alone.npz")
    graph = job(node("TroupeLoadBodyMotion", file="alone.npz", **{**FILE, "person": 3}))
    wan_graph.assert_refused(comfy, graph, "move", "does not show person 3", "shows 1 person")


def test_renderers_that_cannot_play_a_body_say_so(comfy, champ_models, wan_graph, job):
    graph = job()
    graph["role"] = node("TroupeAssignRole", drive=["move", 0], **ROLE)
    graph["warp"] = node("TroupeWarpRender", image=["picture", 0], cast=["role", 0], fps=25.0, seconds=0.2)
    for kind in (*KINDS, "maps"):
        graph.pop(kind)
    wan_graph.assert_refused(comfy, graph, "warp", "Face 1", "a body motion", "Body Maps")


def test_what_is_no_body_motion(comfy, champ_models, wan_graph, job):
    folder, trace = comfy.base / "input", comfy.base / "executed"
    np.savez(folder / "faces.npz", landmarks=np.zeros((4, 478, 3)))
    (folder / "cut.npz").write_bytes(b"PK\x03\x04 not a zip")
    amass(folder / "huge.npz", trans=np.full((8, 3), np.inf))
    amass(folder / "short.npz", trans=np.zeros((3, 3)))

    class Evil:
        def __reduce__(self):
            import os

            return os.mkdir, (str(trace),)

    (folder / "evil.pkl").write_bytes(pickle.dumps({"poses": Evil()}))
    np.save(folder / "evil.npy", np.array([Evil()], object), allow_pickle=True)
    for name, words in {
        "faces.npz": ("faces.npz", "lacks"),
        "cut.npz": ("cut.npz",),
        "huge.npz": ("number",),
        "short.npz": ("short.npz", "8 poses"),
        "evil.pkl": ("evil.pkl",),
        "evil.npy": ("evil.npy",),
    }.items():
        wan_graph.assert_refused(comfy, job(node("TroupeLoadBodyMotion", file=name, **FILE)), "move", *words)
    assert not trace.exists(), "a pickle was executed"


def test_what_is_no_body_model(comfy, champ_models, wan_graph, job):
    folder, trace = comfy.base / "models" / "smpl", comfy.base / "executed_model"
    folder.mkdir(exist_ok=True)
    np.savez(folder / "hand.npz", v_template=np.zeros((778, 3)), weights=np.zeros((778, 16)))

    class Evil:
        def __reduce__(self):
            import os

            return os.mkdir, (str(trace),)

    (folder / "evil.pkl").write_bytes(pickle.dumps({"v_template": Evil()}))
    for name, words in {
        "hand.npz": ("hand.npz", "not an SMPL body", "lacks"),
        "evil.pkl": ("evil.pkl",),
    }.items():
        graph = job(body_model=["body", 0])
        graph["body"] = node("TroupeLoadBodyModel", body_model=name)
        wan_graph.assert_refused(comfy, graph, "body", *words)
    assert not trace.exists(), "a pickle was executed"


def test_paths_out_of_the_folders(comfy, champ_models, job):
    """Refused before anything runs."""

    def alone(*args, **more):
        return {k: n for k, n in job(*args, **more).items() if k not in ("faces", "picture")}

    for name in ("../../secret.npz", "/etc/passwd", "..", "a/../../b.npz"):
        status, reply = comfy.submit(alone(node("TroupeLoadBodyMotion", file=name, **FILE)))
        assert status == 400 and "move" in reply["node_errors"], (name, reply)
    graph = alone(body_model=["body", 0])
    graph["body"] = node("TroupeLoadBodyModel", body_model="../../secret.npz")
    status, reply = comfy.submit(graph)
    assert status == 400 and "body" in reply["node_errors"]


def test_places_that_are_not_known(comfy, champ_models, wan_graph, job):
    for align, words in {
        "reference": ("reference", "not connected"),
        "face": ("faces", "not connected"),
        "clip": ("no camera",),
    }.items():
        wan_graph.assert_refused(comfy, job(align=align), "maps", *words)
    wan_graph.assert_refused(comfy, job(width=0, height=0), "maps", "size", "no picture")
    wan_graph.assert_refused(comfy, job(width=8), "maps", "8 x 64")
    faceless = job(align="face", face=3, faces=["faces", 0], image=["picture", 0])
    wan_graph.assert_refused(comfy, faceless, "maps", "Face 3")
    wan_graph.assert_refused(
        comfy,
        job(width=4096, height=4096, length=0, fps=120.0)
        | {"move": node("TroupeBodyMove", move="sway", seconds=600.0, fps=120.0)},
        "maps",
        "memory",
    )
