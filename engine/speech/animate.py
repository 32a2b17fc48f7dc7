"""Speech to a face: jaw, lips, cheeks and tongue from the network, all the rest by rule.

What is learned: how the mouth moves with the sound (and, where it is given, the text), and how emotion, articulation,
range and smile change that. The network's teacher was itself a set of rules over timed phones of synthetic and recorded
voices, no filmed person. What is a rule: brows, eyes, nose and head under an emotion (``emotion``), differences
between the sides, and blinks, raised brows, gaze and head while speaking (``rules``). An emotion is given, never heard
out of the voice.

Everything runs forward in time on rows of 20 ms; a whole recording is the live stream over all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..errors import TroupeError
from ..motion.face_motion import BLENDSHAPES, HEAD, FaceMotion, frame_count
from ..motion.names import find_name
from ..progress import Progress, report
from .channels import CHANNEL_FPS, spread
from .conditions import CONDITION, EMOTIONS, YIELD, closure
from .emotion import HEARD, POSES, SMILE, EmotionTrack, Feelings
from .features import HIGHEST_RATE, LOWEST_RATE, RATE, resample
from .persona import Persona, load_persona
from .phones import PHONES, phonemise
from .prosody import SPEAKING, Prosody
from .rules import RuleState
from .stream import SETTINGS, STEP, SpeechRows, SpeechStream
from .weights import SpeechWeights

MAX_SECONDS = 7200.0
MAX_CHANNELS = 64
SILENT = 1e-4  # of full scale
_PIECE = 10 * RATE
_CLIPPED, _CLIPPED_SHARE = 0.999, 1e-3
_DULL_RATE = 7999

# Mouth shapes of an emotion that differ between the sides: what each has over the mean of both.
_SIDES = np.where(HEARD, POSES, 0).astype(np.float32)
_SMILE_SIDES = np.where(HEARD, SMILE, 0).astype(np.float32)
# At an asymmetry of 1 the left side moves so much more, and the right one so much less. Lids and lips close alike.
_LOPSIDED = 0.35
_PAIRED = ("mouthSmile", "mouthFrown", "mouthDimple", "mouthStretch", "mouthUpperUp", "mouthLowerDown", "browDown",
           "browOuterUp", "cheekSquint", "eyeSquint", "noseSneer")  # fmt: skip
_SIDE = np.array(
    [(n[:-4] in _PAIRED and n.endswith("Left")) - float(n[:-5] in _PAIRED) for n in BLENDSHAPES], np.float32
)


class SpeechAnimator:
    """One speaker: sound in, rows of a face out, 50 a second, with carried state.

    Args:
        emotion: A track, or text as ``EmotionTrack.parse`` reads it; calm if None.
        persona: Or its name or file; ``neutral`` if None.
        seed: Of blinks, glances and nods.
        setting: ``default`` (60 ms behind the sound) or ``quality`` (80 ms, better lips).
        tokens: Phones ``[K]`` of what will be said (indices into ``PHONES``), if that is known.
        weights: Of the network; the pack's own if None.

    Attributes:
        delay: Seconds of sound after its own moment that a row waits for.

    Raises:
        TroupeError: on an unknown setting, emotion or persona, or if the weights are missing.
    """

    def __init__(
        self,
        emotion: EmotionTrack | str | None = None,
        persona: Persona | str | Path | None = None,
        seed: int = 0,
        setting: str = "default",
        tokens: Sequence[int] | np.ndarray | None = None,
        weights: SpeechWeights | None = None,
    ) -> None:
        setting = find_name(setting, SETTINGS, "setting")
        self._wait = SETTINGS[setting].lookahead
        self.delay = (self._wait + 1) / CHANNEL_FPS
        self._persona = persona if isinstance(persona, Persona) else load_persona(persona or "neutral")
        self._feelings = Feelings(_track(emotion))
        tokens = None if tokens is None or len(tokens) == 0 else _checked_tokens(tokens)
        self._stream = SpeechStream(RATE, setting, self._condition, tokens, weights)
        self._prosody, self._rules = Prosody(), RuleState(self._persona, seed)
        self._gain = 1 + np.float32(_LOPSIDED * self._persona.asymmetry) * _SIDE
        self._vector = self._persona.vector()
        self._sides = np.float32(self._persona.range) * _SIDES
        self._smile_sides = np.float32(self._persona.smile) * _SMILE_SIDES
        self._last_sides: tuple[bytes, np.ndarray | None] = b"", None
        self._mixes, self._first = self._feelings.step(0, 1), 0  # of frames from the next one that comes out
        self._heard, self._early = 0, self._wait
        self.spoke = False

    @property
    def emotion(self) -> EmotionTrack:
        """What is felt; may be exchanged while the stream runs."""
        return self._feelings.track

    @emotion.setter
    def emotion(self, track: EmotionTrack) -> None:
        self._feelings.track = track

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Rows that are ready with these samples.

        Args:
            samples: Finite ``[S]`` at 16 kHz, full scale 1; any length.

        Returns:
            float32 blendshapes ``[n, 52]`` in 0..1 and head ``[n, 6]``; row m shows the moment ``m / 50`` seconds.
        """
        samples = np.asarray(samples, np.float32)
        self._heard += len(samples)
        return self._face(self._stream.push(samples), self._prosody.push(samples))

    def flush(self) -> tuple[np.ndarray, np.ndarray]:
        """The rows that still wait when the sound has ended: one for every moment within it. The stream is over."""
        frames = -(-self._heard // STEP)
        silence = np.zeros((frames + self._wait) * STEP - self._heard, np.float32)
        return self._face(self._stream.flush(), self._prosody.push(silence))

    def _condition(self, times: np.ndarray) -> np.ndarray:
        """Emotion and persona at ``times [n]`` for the network, ``[n, 12]``: frame by frame, the first a few times."""
        first, last = (int(times[i] * CHANNEL_FPS + 0.5) for i in (0, -1))
        self._feel(last + 1)
        mixes = self._mixes[first - self._first : last + 1 - self._first]
        out = np.empty((len(times), CONDITION), np.float32)
        out[:, : len(EMOTIONS)] = mixes[0]
        out[len(times) - len(mixes) :, : len(EMOTIONS)] = mixes
        out[:, len(EMOTIONS) :] = self._vector
        return out

    def _feel(self, until: int) -> None:
        known = self._first + len(self._mixes)
        if until > known:
            self._mixes = np.concatenate([self._mixes, self._feelings.step(known, until - known)])

    def _face(self, rows: SpeechRows, prosody: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # The rules hear as far ahead as the network does.
        skipped = min(self._early, len(prosody))
        self._early, prosody = self._early - skipped, prosody[skipped:]
        count = len(rows)
        self.spoke = self.spoke or bool(prosody[:, SPEAKING].any())
        if not count:
            return np.zeros((0, len(BLENDSHAPES)), np.float32), np.zeros((0, len(HEAD)), np.float32)
        self._feel(self._first + count)
        mixes, self._mixes = self._mixes[:count], self._mixes[count:]
        self._first += count
        shapes, head = self._rules.step(prosody, mixes)
        shapes += spread(rows.channels)
        sides = self._sides_of(mixes)
        if sides is not None:
            shapes += sides * (1 - YIELD * closure(rows.channels))[:, None]
        shapes *= self._gain
        np.maximum(shapes, 0.0, shapes)
        return np.minimum(shapes, 1.0, shapes), head

    def _sides_of(self, mixes: np.ndarray) -> np.ndarray | None:
        """What the feelings add to the mouth's two sides beyond their mean ``[n, 52]``; None if nothing."""
        key = mixes.tobytes()  # feelings seldom change
        if self._last_sides[0] != key:
            felt = self._persona.smile or mixes.any()
            self._last_sides = key, mixes @ self._sides + self._smile_sides if felt else None
        return self._last_sides[1]


def speech_motion(
    samples: np.ndarray,
    rate: int,
    fps: float = 30.0,
    text: str | Sequence[int] | None = None,
    emotion: EmotionTrack | str | None = None,
    persona: Persona | str | Path | None = None,
    seed: int = 0,
    setting: str = "quality",
    *,
    language: str = "english",
    weights: SpeechWeights | None = None,
    progress: Progress | None = None,
) -> tuple[FaceMotion, tuple[str, ...]]:
    """The motion of somebody who says what is heard.

    Args:
        samples: ``[S]`` or ``[channels, S]``, float of full scale 1 or integers; one voice.
        rate: Samples a second, 4000 to 192000.
        fps: Of the motion.
        text: What is said, which makes unclear sound clearer; plain, or its phones (indices into ``PHONES``).
        emotion, persona, seed, setting, weights: See ``SpeechAnimator``.
        language: Of the text, see ``phones.phonemise``.
        progress: Called now and then.

    Returns:
        The motion, as long as the sound, and remarks for the user.

    Raises:
        TroupeError: if the sound is empty, too long, broken or of an odd shape; on values out of range or unknown; if
            the text cannot be read; if the weights are missing.
    """
    sound, notes = listened(samples, rate)
    seconds = np.shape(samples)[-1] / rate
    frames = frame_count(seconds, fps)
    if isinstance(text, str):
        phones = phonemise(text, language) if text.strip() else None
        if phones and phones.unknown:
            odd = ", ".join(dict.fromkeys(phones.unknown))
            notes.append(f"The text has sounds that are taken for similar ones: {odd}.")
        text = phones.classes if phones else None
    animator = SpeechAnimator(emotion, persona, seed, setting, text, weights)
    parts, pieces = [], -(-len(sound) // _PIECE)
    for i in range(pieces):
        parts.append(animator.push(sound[i * _PIECE : (i + 1) * _PIECE]))
        report(progress, i + 1, pieces)
    parts.append(animator.flush())
    if not animator.spoke and not notes:
        notes.append("No voice is heard in the sound: the face listens.")
    shapes, head = (np.concatenate(both) for both in zip(*parts))
    return FaceMotion(shapes, head, CHANNEL_FPS).resample(fps, frames), tuple(notes)


def listened(samples: np.ndarray, rate: int) -> tuple[np.ndarray, list[str]]:
    """Any sound as the network hears it, float32 ``[S]`` at 16 kHz, and remarks on what was wrong with it.

    Channels are averaged, integers scaled to 1, samples that are no numbers are silence.

    Args:
        samples: ``[S]`` or ``[channels, S]``.
        rate: Samples a second, 4000 to 192000.

    Raises:
        TroupeError: if the sound is empty, longer than two hours, mostly broken, or of an odd shape or rate.
    """
    samples = np.asarray(samples)
    _check_sound(samples, rate)
    notes: list[str] = []
    if samples.dtype.kind in "iu":
        middle = 128.0 if samples.dtype == np.uint8 else 0.0
        samples = (samples.astype(np.float32) - middle) / (
            128.0 if middle else -float(np.iinfo(samples.dtype).min)
        )
    samples = np.atleast_2d(samples).astype(np.float32, copy=False)
    broken = ~np.isfinite(samples)
    if broken.any():
        if broken.mean() > 0.5:
            raise _unheard("most of its samples are not numbers", "Check what made it")
        notes.append(f"{int(broken.sum())} samples of the sound are not numbers and count as silence.")
        samples = np.where(broken, np.float32(0), samples)
    peak = float(np.abs(samples).max())
    if peak > 1:
        notes.append(f"The sound goes up to {peak:.3g} times full scale and is turned down.")
        samples = samples / peak
    elif peak < SILENT:
        notes.append("The sound is silent: the face listens.")
    top = np.abs(samples) >= _CLIPPED * min(peak, 1.0)
    if peak > 0.5 and top.mean() > _CLIPPED_SHARE:
        notes.append("The sound is clipped: lips may be less exact.")
    if rate <= _DULL_RATE:
        notes.append(
            f"At {rate} samples a second s, f and t can hardly be told apart: lips may be less exact."
        )
    return resample(_mixed(samples, notes), int(rate)), notes


def _mixed(samples: np.ndarray, notes: list[str]) -> np.ndarray:
    """One channel ``[S]`` of ``[channels, S]``."""
    mean = samples.mean(0)
    if len(samples) > 1:
        powers = (samples**2).mean(1)
        loudest = int(powers.argmax())
        if float((mean**2).mean()) < 0.01 * float(powers[loudest]) / len(samples):
            notes.append(f"The channels of the sound cancel each other: channel {loudest + 1} is used alone.")
            return samples[loudest]
    return mean


def _check_sound(samples: np.ndarray, rate: int) -> None:
    if not (LOWEST_RATE <= rate <= HIGHEST_RATE and rate == int(rate)):
        raise TroupeError(
            f"The sound's rate {rate} is out of range",
            f"it must be a whole number of {LOWEST_RATE} to {HIGHEST_RATE} samples a second",
            "Use 16000 to 48000",
        )
    if samples.dtype.kind not in "iuf":
        raise _unheard(f"its samples are of type {samples.dtype}, not numbers", "Use float or integers")
    if samples.ndim not in (1, 2) or (samples.ndim == 2 and not 1 <= len(samples) <= MAX_CHANNELS):
        raise _unheard(
            f"its shape is {list(samples.shape)}, expected [samples] or [channels, samples]",
            "Transpose or split it",
        )
    if samples.shape[-1] == 0:
        raise _unheard("it is empty", "Use a recording of speech")
    if samples.shape[-1] > MAX_SECONDS * rate:
        raise _unheard(
            f"it lasts {samples.shape[-1] / rate:.0f} seconds, at most {MAX_SECONDS:.0f} are possible",
            "Split it",
        )


def _unheard(why: str, remedy: str) -> TroupeError:
    return TroupeError("The sound cannot be heard", why, remedy)


def _track(emotion: EmotionTrack | str | None) -> EmotionTrack:
    if isinstance(emotion, EmotionTrack):
        return emotion
    return EmotionTrack.parse(emotion) if emotion and emotion.strip() else EmotionTrack.constant({})


def _checked_tokens(tokens: Sequence[int] | np.ndarray) -> np.ndarray:
    tokens = np.asarray(tokens, np.int64)
    if tokens.ndim != 1 or tokens.min() < 1 or tokens.max() >= len(PHONES):
        raise TroupeError(
            "The phones of the text are not valid",
            f"they must be a list of numbers in 1 to {len(PHONES) - 1}",
            "Check what made them",
        )
    return tokens
