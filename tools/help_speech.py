"""Help pictures of the nodes about speech."""

from __future__ import annotations

import help_stage as stage
import numpy as np
from help_card import (
    BLUE,
    EDGE,
    FAINT,
    GAP,
    GREEN,
    INK,
    NORMAL,
    ORANGE,
    PINK,
    SMALL,
    VIOLET,
    WIDTH,
    YELLOW,
    Card,
    Curve,
    columns,
    font,
)
from help_pixels import INSIDE, tiles
from help_scores import lines_of, marks, moments, sketches, written
from help_stage import REPLY, SPEECH, heads, times_of
from help_wires import Node, ours, put, wire

from troupe.engine.drive_speech import Recording, Voice, spoken
from troupe.engine.metrics.speech import compare_sound, report
from troupe.engine.motion import FaceMotion
from troupe.engine.speech.align import align
from troupe.engine.speech.animate import listened
from troupe.engine.speech.emotion import EMOTIONS, EmotionTrack
from troupe.engine.speech.features import RATE
from troupe.engine.speech.persona import Persona
from troupe.engine.speech.subtitles import subtitles
from troupe.engine.video import read_audio

# What the two recordings say (tools/make_assets.py).
SAID = "Good evening. Tonight every face in the picture has a part to play."
ANSWERED = "About time! I have been looking at that flag since nineteen eighty four."


def talk(emotion: str | None = None, persona: Persona | str | None = None, name: str = SPEECH) -> FaceMotion:
    audio = read_audio(stage.ASSETS / name)
    motion, _ = spoken(Recording(audio), Voice(emotion=emotion, persona=persona), stage.FPS, audio.duration)
    return motion


def motion_from_speech() -> Card:
    samples, rate = stage.sound()
    motion, seconds = talk(), len(samples) / rate
    rounded = float(np.argmax(motion.column("mouthPucker")) / stage.FPS)
    times = tuple(sorted(round(t, 1) for t in (*open_mouths(motion, 2), rounded, 4.5)))
    *_, side = columns(4)
    card = Card(round(EDGE + 120 + GAP + 224 + GAP + side + EDGE))
    card.wave(samples, (EDGE, EDGE, INSIDE, 120))
    y = EDGE + 120 + GAP
    names = {"jawOpen": ORANGE, "mouthPucker": GREEN, "mouthClose": BLUE, "eyeBlinkLeft": VIOLET}
    card.chart(lines_of(motion, names), (EDGE, y, INSIDE, 224), (0, seconds))
    for top, high in ((EDGE, 120), (y + 40, 150)):
        marks(card, times, seconds, top, high)
    moments(card, heads(stage.played(motion, times)), times, y + 224 + GAP)
    return card


def open_mouths(motion: FaceMotion, count: int) -> list[float]:
    """Seconds in which the mouth is widest, half a second apart, with open eyes."""
    left, found = motion.column("jawOpen") * (motion.column("eyeBlinkLeft") < 0.15), []
    for _ in range(count):
        i = int(left.argmax())
        found.append(i / stage.FPS)
        left[max(0, i - 15) : i + 16] = 0
    return found


def emotion_track() -> Card:
    text = ("happy:0.8@0-1.4", "surprised:0.8@1.4-2.6", "sad:0.8@2.6-")
    track = EmotionTrack.parse("; ".join(text))
    seconds, colours = 4.0, {"happy": ORANGE, "surprised": BLUE, "sad": VIOLET}
    times = np.arange(0, seconds, 0.02)
    mixes = track.sample(times)
    card = Card(round(EDGE + 138 + GAP + 204 + GAP + 270 + EDGE))
    y = written(card, text, EDGE)
    curves = [Curve(name, times, mixes[:, EMOTIONS.index(name)], c) for name, c in colours.items()]
    card.chart(curves, (EDGE, y, INSIDE, 204), (0, seconds))
    motion, shown = talk("; ".join(text)), (1.1, 2.3, 3.7)
    marks(card, shown, seconds, y + 40, 130)
    tiles(card, heads(stage.played(motion, shown)), [f"{t:g} s" for t in shown], y + 204 + GAP, 3, 270)
    return card


def persona() -> Card:
    """Curves and a face of the same sentence, with the usual persona and another."""
    lopsided = Persona(smile=0.4, asymmetry=1.0)
    changes = {
        "articulation 1.5": (Persona(articulation=1.5), "jawOpen", "jawOpen"),
        "smile 0.5": (Persona(smile=0.5), "mouthSmileLeft", "mouthSmileLeft"),
        "asymmetry 1, smile 0.4": (lopsided, "mouthSmileRight", "mouthSmileLeft"),
    }
    row, side = 232, 190
    card = Card(EDGE + 3 * row + 10)
    usual = talk(persona=Persona())
    for i, (name, (own, first, second)) in enumerate(changes.items()):
        y, after = EDGE + i * row, talk(persona=own)
        before = usual if first == second else after
        lines = [
            Curve("usual" if first == second else "right", times_of(before), before.column(first), FAINT, 3),
            Curve(second if first == second else "left", times_of(after), after.column(second), ORANGE),
        ]
        card.text(EDGE, y, name, NORMAL, YELLOW)
        card.chart(lines, (EDGE, y + 32, 424, 180), (0, after.duration), (0, 0.7))
        moment = tuple(open_mouths(usual, 1))
        for k, motion in enumerate((usual, after)):
            x = WIDTH - EDGE - (2 - k) * side - (1 - k) * GAP
            card.photo(sketches(motion, moment)[0][70:390, 40:360], (x, y, side, side), ("usual", "own")[k])
    return card


def align_text() -> Card:
    samples, rate = stage.sound()
    found = align(listened(samples, rate)[0], RATE, SAID)
    last = 2.6
    scale = INSIDE / last
    card = Card(EDGE + 130 + 150 + 130 + EDGE)
    card.wave(samples[: round(last * rate)], (EDGE, EDGE, INSIDE, 130))
    for i, word in enumerate(w for w in found.words if w.said and w.end <= last):
        x, wide, y = EDGE + word.start * scale, (word.end - word.start) * scale, EDGE + 146 + i % 2 * 62
        for side in (x, x + wide):
            card.line([(side, EDGE), (side, y + 6)], YELLOW, 2)
        card.plate((x, y, wide, 12), YELLOW, radius=3)
        long = font(SMALL).getlength(word.text) / 4 + 2
        middle = min(max(x + wide / 2, EDGE + long), WIDTH - EDGE - long)
        card.text(middle, y + 32, word.text, SMALL, INK, "mm")
    card.plate((EDGE, EDGE + 280, INSIDE, 130), (22, 23, 26))
    for i, line in enumerate(subtitles(found).splitlines()[:3]):
        card.text(EDGE + 18, EDGE + 292 + i * 36, line, SMALL, FAINT if i < 2 else INK)
    card.text(WIDTH - EDGE - 18, EDGE + 292, "subtitles", SMALL, YELLOW, "ra")
    return card


def measure_motion() -> Card:
    samples, rate = stage.sound()
    motion, seconds = talk(), len(samples) / rate
    scores = report(compare_sound(motion, listened(samples, rate)[0]))
    said = {
        "silence aperture": "below 0.04 is good",
        "loudness correlation": "far above 'mismatched'",
        "loudness shift": "seconds; above 0 is late",
        "mismatched correlation": "the sound moved in time",
        "closures per second": "lips that touch",
    }
    high = len(said) * 35 + 24
    card = Card(EDGE + 110 + GAP + 214 + GAP + high + EDGE)
    card.wave(samples, (EDGE, EDGE, INSIDE, 110))
    y = EDGE + 110 + GAP
    names = {"jawOpen": ORANGE, "mouthClose": BLUE}
    card.chart(lines_of(motion, names), (EDGE, y, INSIDE, 214), (0, seconds), (0, 0.6))
    y += 214 + GAP
    card.plate((EDGE, y, INSIDE, high), (22, 23, 26))
    for i, line in enumerate(scores[: len(said)]):
        name, value = line.rsplit(maxsplit=1)
        card.text(EDGE + 18, y + 12 + i * 35, name, SMALL, INK)
        card.text(EDGE + 410, y + 12 + i * 35, value, SMALL, YELLOW, "ra")
        card.text(EDGE + 446, y + 12 + i * 35, said[name], SMALL, FAINT)
    return card


def example_speech() -> Card:
    card = Card(EDGE + 2 * 236 + 12)
    for i, (name, words, colour) in enumerate(((SPEECH, SAID, PINK), (REPLY, ANSWERED, BLUE))):
        samples, rate = stage.sound(name)
        y = EDGE + i * 236
        card.text(EDGE, y, name, NORMAL, YELLOW)
        card.text(WIDTH - EDGE, y + 3, f"{len(samples) / rate:.1f} s", SMALL, FAINT, "ra")
        card.wave(samples, (EDGE, y + 40, INSIDE, 100), colour)
        card.paragraph(EDGE, y + 150, words, INSIDE)
    return card


def encode_speech() -> Card:
    samples, rate = stage.sound()
    card = Card(480)
    sound = Node("Load Audio", (), (("AUDIO", "AUDIO"),), EDGE, 40, 240)
    model = Node("Load Audio Encoder", (), (("AUDIO_ENCODER", "AUDIO_ENCODER"),), EDGE, 320, 270)
    middle = ours("TroupeEncodeSpeech", 334, 130, 300, inputs=("audio_encoder", "audio"))
    role = ours("TroupeAssignRole", 690, 60, 182, inputs=("drive",), outputs=(), region="lips")
    wire(card, sound, "AUDIO", middle, "audio")
    wire(card, model, "AUDIO_ENCODER", middle, "audio_encoder")
    wire(card, middle, "speech", role, "drive")
    put(card, sound, model, middle, role)
    card.wave(samples, (EDGE, 146, 240, 90))
    card.text(EDGE + 4, 426, "wav2vec2-base-960h", SMALL, FAINT)
    side = 182
    motion = talk()
    frame = stage.played(motion, open_mouths(motion, 1))[0]
    card.photo(frame[130:410, 106:386], (690, 250, side, side))
    return card


SCENES = {
    "TroupeAlignText": align_text,
    "TroupeEmotionTrack": emotion_track,
    "TroupeEncodeSpeech": encode_speech,
    "TroupeExampleSpeech": example_speech,
    "TroupeMeasureMotion": measure_motion,
    "TroupeMotionFromSpeech": motion_from_speech,
    "TroupePersona": persona,
}
