"""Makes the bundled pictures, speech and icon from public-domain photographs that well-known packages carry.

    python tools/make_assets.py [two_people portrait icon speech drive readme ...]

Needs scikit-image (the astronaut: Eileen Collins, NASA), matplotlib (Grace Hopper, US Navy), OpenCV, Pillow,
and espeak-ng for the speech. The driving clip and the README's picture are made by Troupe itself, from
Hopper's photograph and from ``make demo``. ``assets/README.md`` says what each file is and where it comes from.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
ASSETS = ROOT / "assets"

# Eye centres (x, y) in the two photographs, the person's right eye first, measured with MediaPipe's face mesh.
COLLINS_EYES = np.array([[204.3, 102.3], [246.4, 104.6]])
HOPPER_EYES = np.array([[224.5, 192.9], [305.9, 190.5]])

# Outline (x, y) of Collins' left shoulder against the backdrop, in her photograph; closed below and to the left.
COLLINS_SHOULDER = np.array(
    [(262, 177), (270, 184), (280, 194), (290, 205.5), (297, 216), (302, 228), (304, 234.5), (312, 239.5)]
    + [(320, 244.5), (330, 252.5), (338, 260.5), (343.5, 270), (346.5, 281), (348.5, 288), (351, 296)]
    + [(354, 308), (356, 320), (358.5, 330), (358.5, 360), (262, 360)]
)
# Where her photograph shows nothing but backdrop again if mirrored: hides the model of the space shuttle.
CLEAR_OF_SHUTTLE = 350

SIZE = (768, 480)
SENTENCES = {
    "speech.wav": ("en-us+f3", 45, "Good evening. Tonight every face in the picture has a part to play."),
    "reply.wav": ("en-gb+m3", 35, "About time! I have been looking at that flag since nineteen eighty four."),
}

# What the face of the driving clip does (its eyes are read through glasses: long blinks): looks about, is surprised, says something, winks, smiles.
DRIVE = """
length 4.6; idle 0.5; seed 5
blink @0.25-0.75
eyeLookOutRight 0 @0.3, 0.6 @0.5 ease_out, 0.2 @1.1, 0 @1.3
eyeLookInLeft 0 @0.3, 0.6 @0.5 ease_out, 0.2 @1.1, 0 @1.3
yaw 0 @0.35, -12 @0.9, -12 @1.2, 11 @1.9, 11 @2.6, 0 @3.1
surprised 0.9 @0.6-1.6 ease_out attack=0.25
jawOpen 0 @1.6, 0.38 @1.75, 0.08 @1.9, 0.1 @2.0, 0.42 @2.2, 0.12 @2.35, 0.3 @2.5, 0 @2.7
mouthPucker 0 @1.8, 0.7 @1.98, 0 @2.15, 0 @2.3, 0.45 @2.42, 0 @2.55
mouthPress 0 @1.55, 0.5 @1.62, 0 @1.7
wink @2.75-3.35
happy 0.9 @3.2-4.6 ease_out
nod 0.7 @3.4
"""


def collins() -> np.ndarray:
    """uint8 [512, 512, 3] RGB: scikit-image's astronaut."""
    import skimage.data

    return skimage.data.astronaut()


def hopper() -> np.ndarray:
    """uint8 [600, 512, 3] RGB: matplotlib's sample picture."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@dataclass(frozen=True)
class Placement:
    """A scale and shift that brings a photograph's eyes to a place and distance in the new picture."""

    scale: float
    shift: np.ndarray

    @classmethod
    def of(cls, eyes: np.ndarray, centre: tuple[float, float], distance: float) -> Placement:
        scale = distance / float(np.linalg.norm(eyes[1] - eyes[0]))
        return cls(scale, np.array(centre) - scale * eyes.mean(0))

    def points(self, xy: np.ndarray) -> np.ndarray:
        return xy * self.scale + self.shift

    def picture(self, picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        if self.scale < 1:  # remapping alone would alias: blur by what the scale loses
            picture = cv2.GaussianBlur(picture, (0, 0), 0.45 / self.scale)
        matrix = np.column_stack([np.eye(2) * self.scale, self.shift])
        return cv2.warpAffine(
            picture, matrix, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT_101
        )


def backdrop_key(picture: np.ndarray) -> np.ndarray:
    """float32 [H, W], 1 where Hopper's light blue studio backdrop is, soft at its edge.

    The flag's and the uniform's blue are much darker; only what hangs together with the picture's right edge counts.
    """
    soft = cv2.bilateralFilter(picture, 7, 40, 5)
    h, s, v = cv2.split(cv2.cvtColor(soft, cv2.COLOR_RGB2HSV))
    blue = ((h > 98) & (h < 118) & (s > 85) & (v > 118)).astype(np.uint8)
    blue = cv2.morphologyEx(blue, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    _, labels = cv2.connectedComponents(blue)
    key = np.isin(labels, np.unique(labels[:280, -1][labels[:280, -1] > 0])).astype(np.uint8)
    key = cv2.morphologyEx(key, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    key = cv2.dilate(key, np.ones((3, 3), np.uint8))
    return np.clip(cv2.GaussianBlur(key.astype(np.float32), (0, 0), 1.0), 0, 1)


def mirrored_hopper() -> np.ndarray:
    """Hopper mirrored, so that her flag hangs at the outer side, with the name tag turned back to be readable."""
    picture = hopper()
    x0, x1, y0, y1 = 64, 182, 472, 528  # around the name tag
    tag = picture[y0:y1, x0:x1][:, ::-1].copy()
    inside = np.zeros(tag.shape[:2], np.float32)
    inside[5:-5, 5:-5] = 1
    inside = cv2.GaussianBlur(inside, (0, 0), 2)[..., None]
    patch = picture[y0:y1, x0:x1]
    picture[y0:y1, x0:x1] = (tag * inside + patch * (1 - inside)).astype(np.uint8)
    return picture[:, ::-1].copy()


def match_colour(picture: np.ndarray, face: np.ndarray, target: np.ndarray, amount: float) -> np.ndarray:
    """Shift and scale ``picture`` in Lab so that its ``face`` pixels move by ``amount`` toward ``target`` pixels."""

    def lab(rgb):
        return cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)

    a, b = lab(face).reshape(-1, 3), lab(target).reshape(-1, 3)
    gain = 1 + amount * (b.std(0) / a.std(0) - 1)
    out = (lab(picture) - a.mean(0)) * gain + a.mean(0) + amount * (b.mean(0) - a.mean(0))
    rgb = cv2.cvtColor(out.astype(np.float32), cv2.COLOR_Lab2RGB)
    return np.clip(rgb * 255 + 0.5, 0, 255).astype(np.uint8)


def soft_polygon(points: np.ndarray, size: tuple[int, int], blur: float = 0.8) -> np.ndarray:
    """float32 [H, W, 1] in 0..1, 1 inside the polygon."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(mask.astype(np.float32) / 255, (0, 0), blur)[..., None]


def enlarge(picture: np.ndarray, place: Placement, size: tuple[int, int]) -> np.ndarray:
    """Place, with the enlarged JPEG noise taken down and the edges brought back."""
    soft = cv2.fastNlMeansDenoisingColored(picture, None, 1.5, 3, 5, 15)
    big = place.picture(soft, size)
    return cv2.addWeighted(big, 1.5, cv2.GaussianBlur(big, (0, 0), 1.3), -0.5, 0)


def two_people() -> np.ndarray:
    """uint8 [480, 768, 3]: Collins on the left, Hopper mirrored on the right, one backdrop, a flag at either side.

    From back to front: Collins' photograph without the shuttle, Hopper without her backdrop, Collins' shoulder.
    """
    at = Placement.of(COLLINS_EYES, (262, 158), 64)
    photo = collins()
    left = enlarge(photo, at, SIZE)
    photo[:, CLEAR_OF_SHUTTLE:] = photo[:, 2 * CLEAR_OF_SHUTTLE - 512 : CLEAR_OF_SHUTTLE][:, ::-1]
    back = enlarge(photo, at, SIZE)

    source = mirrored_hopper()
    eyes = HOPPER_EYES[::-1].copy()
    eyes[:, 0] = source.shape[1] - 1 - eyes[:, 0]
    there = Placement.of(eyes, (562, 164), 63.3)
    source = match_colour(source, face=source[225:290, 205:260], target=left[175:205, 242:282], amount=0.45)
    right = there.picture(source, SIZE)
    cover = 1 - np.clip(there.picture(backdrop_key(hopper())[:, ::-1], SIZE), 0, 1)
    cover[:, : int(np.ceil(there.shift[0]))] = 0  # Hopper's photograph ends here, behind Collins' shoulder

    shoulder = soft_polygon(at.points(COLLINS_SHOULDER), SIZE)
    picture = back + cover[..., None] * (right.astype(np.float32) - back)
    return np.clip(picture + shoulder * (left - picture) + 0.5, 0, 255).astype(np.uint8)


def portrait() -> np.ndarray:
    """uint8 [640, 512, 3]: Collins, head and shoulders."""
    return enlarge(collins(), Placement.of(COLLINS_EYES, (252, 232), 88), (512, 640))


def save(name: str, rgb: np.ndarray) -> Path:
    from PIL import Image

    path = ASSETS / name
    Image.fromarray(rgb).save(path, optimize=True, **({"quality": 93} if path.suffix == ".jpg" else {}))
    return path


def bezier(*control: tuple[float, float], steps: int = 40) -> np.ndarray:
    """float64 [steps, 2]: a cubic Bezier curve through its first and last control point."""
    a, b, c, d = (np.array(p, float) for p in control)
    t = np.linspace(0, 1, steps)[:, None]
    return (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d


def icon() -> np.ndarray:
    """uint8 [400, 400, 4] RGBA: a theatre mask, its one half laughing and its other sad."""
    side, over = 400, 4
    scale = side * over / 100  # the drawing below is on a board of 100 x 100

    def mask(*curves: np.ndarray) -> np.ndarray:
        out = np.zeros((side * over, side * over), np.uint8)
        cv2.fillPoly(out, [np.round(np.concatenate(curves) * scale).astype(np.int32)], 255)
        return out > 0

    def mirrored(curve: np.ndarray) -> np.ndarray:
        return np.column_stack([100 - curve[:, 0], curve[:, 1]])[::-1]

    tile = mask(
        bezier((50, 1), (88, 1), (99, 12), (99, 50)), bezier((99, 50), (99, 88), (88, 99), (50, 99)),
        bezier((50, 99), (12, 99), (1, 88), (1, 50)), bezier((1, 50), (1, 12), (12, 1), (50, 1)),
    )  # fmt: skip
    brow = bezier((50, 20), (62, 20), (74, 17), (84, 12))
    cheek = bezier((84, 12), (90, 48), (80, 88), (50, 90))
    face = mask(brow, cheek, mirrored(cheek), mirrored(brow))
    # The laughing half's eye is arched, the sad half's slopes outward and down.
    glad = mask(
        bezier((23, 45), (26, 30), (41, 30), (44, 45)), bezier((44, 45), (39, 38), (28, 38), (23, 45))
    )
    sad = mask(bezier((57, 35), (64, 36), (75, 40), (79, 48)), bezier((79, 48), (70, 51), (58, 48), (57, 35)))
    mouth = mask(
        bezier((26, 58), (34, 72), (44, 68), (50, 66)), bezier((50, 66), (57, 63), (67, 62), (72, 73)),
        bezier((72, 73), (64, 72), (58, 75), (50, 79)), bezier((50, 79), (40, 83), (27, 76), (26, 58)),
    )  # fmt: skip
    left = np.arange(side * over)[None, :] < side * over // 2

    board = np.zeros((side * over, side * over, 4), np.uint8)
    for where, colour in (
        (tile, (46, 27, 62)),
        (face & left, (255, 214, 122)),
        (face & ~left, (240, 108, 92)),
        (glad | sad | mouth, (46, 27, 62)),
    ):
        board[where] = (*colour, 255)
    return cv2.resize(board, (side, side), interpolation=cv2.INTER_AREA)


def speech() -> Path:
    """``speech.wav`` and ``reply.wav``: a sentence each by espeak-ng, 16 kHz mono."""
    import scipy.io.wavfile
    import scipy.signal

    for name, (voice, pitch, sentence) in SENTENCES.items():
        path = ASSETS / name
        said = ["-v", voice, "-s", "150", "-p", str(pitch), "-w", str(path), sentence]
        subprocess.run(["espeak-ng", *said], check=True)
        rate, samples = scipy.io.wavfile.read(path)
        samples = scipy.signal.resample_poly(samples.astype(np.float64), 16000, rate)
        samples *= 0.7 * 32767 / np.abs(samples).max()
        scipy.io.wavfile.write(path, 16000, np.round(samples).astype(np.int16))
    return ASSETS / "speech.wav"


def drive() -> Path:
    """``drive.mp4``: Hopper's photograph in motion, made by Troupe's own shell command."""
    from PIL import Image

    path = ASSETS / "drive.mp4"
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "hopper.png"
        still = cv2.fastNlMeansDenoisingColored(
            hopper()[:512], None, 3, 4, 5, 15
        )  # grain costs bytes in every frame
        Image.fromarray(still).save(picture)
        command = [sys.executable, "-m", "troupe", "animate", str(picture), "--drive", DRIVE.strip()]
        subprocess.run([*command, "-o", str(path)], check=True)
    return path


def readme(step: int = 2, width: int = 560) -> Path:
    """``readme_demo.webp``: every second frame of ``output/demo.mp4`` as an animated picture."""
    import av
    from PIL import Image

    path = ASSETS / "readme_demo.webp"
    with av.open(str(ROOT / "output" / "demo.mp4")) as clip:
        rate = float(clip.streams.video[0].average_rate)
        frames = [f.to_image() for i, f in enumerate(clip.decode(video=0)) if i % step == 0]
    height = round(frames[0].height * width / frames[0].width)
    frames = [f.resize((width, height), Image.Resampling.LANCZOS) for f in frames]
    frames[0].save(
        path,
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 * step / rate),
        loop=0,
        quality=50,
        method=6,
    )
    return path


def at(clip: Path, seconds: float):
    """The frame of a clip at a time, as a picture."""
    import av

    with av.open(str(clip)) as container:
        return next(f for f in container.decode(video=0) if f.time >= seconds - 1e-6).to_image()


def thumbnails(height: int = 480) -> Path:
    """The example workflows' thumbnails: the driving clip beside what it drives, and moments of ``output/demo.mp4``."""
    from PIL import Image

    folder = ROOT / "example_workflows"
    demo = ROOT / "output" / "demo.mp4"
    at(demo, 3.4).save(folder / "two_people_two_drives.jpg", quality=88)
    at(demo, 2.5).save(folder / "two_people_faces_by_core.jpg", quality=88)
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "out.mp4"
        command = [sys.executable, "-m", "troupe", "animate", str(ASSETS / "portrait.png")]
        subprocess.run([*command, "--drive", str(ASSETS / "drive.mp4"), "-o", str(out)], check=True)
        pair = [at(ASSETS / "drive.mp4", 1.0), at(out, 1.0)]
    pair = [p.resize((round(p.width * height / p.height), height)) for p in pair]
    both = Image.new("RGB", (pair[0].width + 8 + pair[1].width, height), "white")
    both.paste(pair[0], (0, 0))
    both.paste(pair[1], (pair[0].width + 8, 0))
    path = folder / "one_person_from_a_clip.jpg"
    both.save(path, quality=88)
    return path


MAKERS = {
    "two_people": lambda: save("two_people.png", two_people()),
    "portrait": lambda: save("portrait.png", portrait()),
    "icon": lambda: save("icon.png", icon()),
    "speech": speech,
    "drive": drive,
    "readme": readme,
    "thumbnails": thumbnails,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the bundled media.")
    parser.add_argument(
        "what", nargs="*", metavar="WHAT", help=f"of {', '.join(MAKERS)}; default: all, in this order"
    )
    wanted = parser.parse_args().what or [*MAKERS]
    for name in wanted:
        if name not in MAKERS:
            parser.error(f"'{name}' cannot be made, only {', '.join(MAKERS)}")
    for name in wanted:
        path = MAKERS[name]()
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")  # noqa: T201


if __name__ == "__main__":
    main()
