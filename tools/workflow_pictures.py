"""Makes the thumbnails of the example workflows.

    python tools/workflow_pictures.py
    python tools/workflow_pictures.py RESULTS

The first makes those of the Wan workflows, of two people in turn and of faces by core, from the bundled pictures, clip and speech. They show
what goes in: which drive is for which face. What Wan makes of it is not shown, nothing is generated.
The second makes those that show a result: RESULTS is ``output/video`` of a ComfyUI that has run the workflows.
Needs the pack (``pip install -e .``) and Pillow.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from workflows_without_models import TIMELINE

from troupe.engine.body.figure import stand_in
from troupe.engine.body.maps import body_maps
from troupe.engine.body.moves import body_move
from troupe.engine.body.place import place as place_body
from troupe.engine.cast import Cast, Role
from troupe.engine.faces import draw_faces, find_faces
from troupe.engine.faces.draw import COLOURS
from troupe.engine.faces.regions import LIPS
from troupe.engine.motion.plot import plot_motion
from troupe.engine.motion.timeline_text import parse
from troupe.engine.render.warp import render_cast
from troupe.engine.video import read_audio, read_clip

ROOT = Path(__file__).resolve().parent.parent
ASSETS, FOLDER = ROOT / "assets", ROOT / "example_workflows"

HEIGHT, EDGE, GAP, ARROW, LARGEST, BYTES = 480, 20, 10, 90, 1024, 60_000
GROUND, INK = (32, 33, 36), (235, 235, 235)
SECONDS = (0.9, 2.4, 4.2)  # moments of the driving clip: surprised, speaking, smiling
LIPS_COLOUR = (255, 90, 160)


def picture(name: str) -> np.ndarray:
    """uint8 ``[H, W, 3]``."""
    return np.asarray(Image.open(ASSETS / name).convert("RGB"))


def moments(seconds: tuple[float, ...] = SECONDS) -> list[np.ndarray]:
    """Square frames of the driving clip."""
    frames, fps, _ = read_clip(ASSETS / "drive.mp4")
    return [frames[round(s * fps)][20:430, 51:461] for s in seconds]


def acting(timeline: str, seconds: tuple[float, ...] = SECONDS) -> list[np.ndarray]:
    """Square frames of the bundled portrait in motion, by the warp renderer."""
    still, fps = picture("portrait.png"), 10.0
    cast = Cast.of([Role(1, parse(timeline).motion(fps))])
    frames = list(render_cast(still, find_faces(still), cast, fps, round(max(seconds) * fps) + 1))
    return [frames[round(s * fps)][40:470, 41:471] for s in seconds]


def scaled(pixels: np.ndarray, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.LANCZOS)


def badge(draw: ImageDraw.ImageDraw, x: int, y: int, text: str, colour: tuple[int, int, int]) -> None:
    """A number on a plate of its colour, its upper left corner at (x, y)."""
    draw.rectangle((x, y, x + 30, y + 30), fill=colour)
    draw.text((x + 15, y + 15), text, fill=(0, 0, 0), font=ImageFont.load_default(22), anchor="mm")


def strip(frames: list[np.ndarray], side: int, numbers: dict[int, float]) -> Image.Image:
    """Frames of a drive side by side; ``numbers`` say for whom, with the place of their plate (0 left, 1 right)."""
    wide = round(side * frames[0].shape[1] / frames[0].shape[0])
    out = Image.new("RGB", (len(frames) * (wide + 4) - 4, side), GROUND)
    for i, frame in enumerate(frames):
        out.paste(scaled(frame, wide, side), (i * (wide + 4), 0))
    for number, place in numbers.items():
        badge(ImageDraw.Draw(out), round(place * (out.width - 31)), 0, str(number), COLOURS[number - 1])
    return out


def wave(
    width: int, height: int, name: str = "speech.wav", colour: tuple[int, int, int] = LIPS_COLOUR
) -> Image.Image:
    """The bundled speech as a wave."""
    samples = read_audio(ASSETS / name).samples[0]
    out = Image.new("RGB", (width, height), (20, 20, 22))
    draw = ImageDraw.Draw(out)
    for x, part in enumerate(np.array_split(samples, width // 3)):
        half = max(1, round(abs(part).max() / abs(samples).max() * (height / 2 - 8)))
        draw.line((3 * x, height // 2 - half, 3 * x, height // 2 + half), fill=colour, width=2)
    return out


def cast_picture(pixels: np.ndarray, lips: bool = False) -> Image.Image:
    """The picture with a numbered box around each face (and the outline of the lips)."""
    pixels = np.asarray(scaled(pixels, 2 * pixels.shape[1], 2 * pixels.shape[0]))  # for finer lines
    faces = find_faces(pixels)
    out = Image.fromarray(draw_faces(pixels, faces, landmarks=False))
    for track in faces if lips else ():
        outline = [tuple(p) for p in track.first.landmarks[list(LIPS), :2].tolist()]
        ImageDraw.Draw(out).line([*outline, outline[0]], fill=LIPS_COLOUR, width=5, joint="curve")
    height = HEIGHT - 2 * EDGE
    return out.resize((round(out.width * height / out.height), height), Image.Resampling.LANCZOS)


def sheet(name: str, drives: list[Image.Image], target: Image.Image) -> None:
    """Drives below each other, an arrow, and whom they drive."""
    wide = max(d.width for d in drives)
    out = Image.new("RGB", (EDGE + wide + ARROW + target.width + EDGE, HEIGHT), GROUND)
    y = (HEIGHT - sum(d.height for d in drives) - GAP * (len(drives) - 1)) // 2
    for drive in drives:
        out.paste(drive, (EDGE, y))
        y += drive.height + GAP
    x, middle = EDGE + wide + 16, HEIGHT // 2
    draw = ImageDraw.Draw(out)
    draw.rectangle((x, middle - 5, x + 34, middle + 5), fill=INK)
    draw.polygon([(x + 32, middle - 18), (x + 58, middle), (x + 32, middle + 18)], fill=INK)
    out.paste(target, (out.width - EDGE - target.width, EDGE))
    out.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    store(name, out)


def store(name: str, picture: Image.Image) -> None:
    """The thumbnail as a file that is not too large."""
    for quality in range(88, 40, -4):
        room = io.BytesIO()
        picture.save(room, "JPEG", quality=quality, optimize=True)
        if room.tell() < BYTES:
            break
    (FOLDER / f"{name}.jpg").write_bytes(room.getvalue())


def three_people() -> np.ndarray:
    """Three portraits in one picture: the astronaut, the commodore, and the astronaut mirrored."""
    two, one = picture("two_people.png"), picture("portrait.png")
    parts = [two[:, 60:400], two[:, 400:720], np.asarray(scaled(one[:, 70:470], 300, 480))[:, ::-1]]
    return np.concatenate(parts, axis=1)


def drives() -> None:
    """Thumbnails with what goes in on the left, and for whom on the right."""
    portrait, hopper = picture("portrait.png"), moments()
    collins = acting("happy 0.9 @0.4-1.6; yaw 0 @1.6, 12 @2.3, 0 @3; surprised 0.9 @3.2-4.6")
    clip = [strip([frame], 140, {1: 0}) for frame in hopper]
    sheet("wan_one_face_from_a_clip", clip, cast_picture(portrait))
    drives = [hopper[:2], collins[1:], moments((2.2, 4.2))]
    clips = [strip(frames, 130, {i: 0}) for i, frames in enumerate(drives, 1)]
    sheet("wan_three_faces_three_clips", clips, cast_picture(three_people()))
    pairs = [np.concatenate([scaled(a, 400, 400), scaled(b, 400, 400)], 1) for a, b in zip(hopper, collins)]
    clip = [strip([pair], 140, {1: 0, 2: 1}) for pair in pairs]
    sheet("wan_two_people_from_one_clip", clip, cast_picture(picture("two_people.png")))
    both = [strip(hopper, 130, {1: 0}), wave(3 * 134 - 4, 100)]
    sheet("wan_expression_and_speech", both, cast_picture(portrait, lips=True))
    voices = [wave(300, 150, name, COLOURS[i]) for i, name in enumerate(("speech.wav", "reply.wav"))]
    sheet("two_people_talk_in_turn", voices, cast_picture(picture("two_people.png")))
    store("two_people_faces_by_core", cast_picture(picture("two_people.png")))
    body_dances()
    sheet("hallo_a_portrait_speaks", [wave(320, 180)], cast_picture(portrait, lips=True))


def body_dances() -> None:
    """A body that moves, its maps, and where it lies over a picture."""
    pixels = picture("portrait.png")
    high, wide = (side // 8 * 8 for side in pixels.shape[:2])
    move = body_move("wave", 2.0, 25.0)
    times = np.array([0.0, 12.0, 22.0, 30.0])
    maps = list(body_maps(place_body(move, stand_in(), 240, 360).at(times, 25.0), stand_in()))
    rows = [np.concatenate([getattr(m, kind) for m in maps], 1) for kind in ("normal", "dwpose")]
    (over,) = body_maps(
        place_body(move, stand_in(), wide, high, find_faces(pixels).person(1).first).at(times[2:3], 25.0),
        stand_in(),
    )
    cut, inside = pixels[:high, :wide], over.mask[..., None] > 0
    target = np.where(inside, 0.6 * over.normal + 0.4 * cut, cut).astype(np.uint8)
    height = HEIGHT - 2 * EDGE
    drives = [strip([row], 215, {}) for row in rows]
    sheet("champ_a_body_dances", drives, scaled(target, round(wide * height / high), height))


def moments_of(folder: Path, name: str, seconds: tuple[float, ...]) -> list[np.ndarray]:
    """Frames of the newest result of a workflow."""
    frames, fps, _ = read_clip(max(folder.glob(f"troupe_{name}_*.mp4")))
    return [frames[min(round(s * fps), len(frames) - 1)] for s in seconds]


def narrow(frames: list[np.ndarray]) -> list[np.ndarray]:
    """Without the sides, so that several fit."""
    return [f[:, f.shape[1] // 8 : -f.shape[1] // 8] for f in frames]


def results(folder: Path) -> None:
    """Thumbnails with what came out on the right."""
    tall = HEIGHT - 2 * EDGE
    clip = moments((1.0, 2.4))

    def shown(name: str, *seconds: float) -> Image.Image:
        return strip(narrow(moments_of(folder, name, seconds)), tall, {})

    sheet(
        "one_person_from_a_clip", [strip([f], 140, {1: 0}) for f in moments()], shown("one_person", 0.9, 2.4)
    )
    sheet(
        "replace_the_face_in_a_clip",
        [strip(clip, 140, {}), wave(284, 110)],
        shown("face_in_a_clip", 1.0, 2.4),
    )
    two = picture("two_people.png")
    crops = [strip([two[90:320, x : x + 230]], 210, {i: 0}) for i, x in ((1, 155), (2, 440))]
    sheet(
        "several_faces_through_a_model", crops, strip(moments_of(folder, "several_faces", (1.4,)), tall, {})
    )
    windows = [strip(narrow(moments_of(folder, "long_video", s)), 170, {}) for s in ((0.6, 1.6), (2.6, 3.6))]
    for number, window in enumerate(windows):
        badge(ImageDraw.Draw(window), 0, 0, str(number + 1), COLOURS[number])
    sheet("long_video_from_windows", windows, shown("long_video", 3.0, 4.45, 6.0))
    before = [strip([clip[0]], 240, {})]
    sheet("finish_a_video_with_a_look", before, strip(moments_of(folder, "looks", (1.0,)), tall, {}))
    sheet("speak_with_emotion_and_persona", [wave(250, 150)], shown("with_feeling", 1.0, 2.5, 4.0))
    drawn = Image.fromarray(plot_motion(parse(TIMELINE).motion(25.0), width=640, height=480)).resize(
        (400, 300)
    )
    sheet("write_a_motion_and_export_it", [drawn, wave(400, 90)], shown("by_hand", 0.7, 4.0))
    acted = np.concatenate(moments_of(folder, "two_people", (2.6, 4.4)), axis=1)
    store("two_people_two_drives", scaled(acted, LARGEST, round(acted.shape[0] * LARGEST / acted.shape[1])))


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the thumbnails of the example workflows.")
    parser.add_argument("results", nargs="?", type=Path, help="output/video of a ComfyUI that has run them")
    folder = parser.parse_args().results
    if folder:
        results(folder)
    else:
        drives()


if __name__ == "__main__":
    main()
