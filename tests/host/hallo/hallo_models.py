"""Small random files of Hallo and what goes with it, and jobs that use them.

Hallo's are the golden's tiny networks, but for what reads wav2vec2-base (12 layers of 768 values, five frames) and an
ArcFace embedding of 512 values.
"""

from __future__ import annotations

import json
import wave
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from safetensors.torch import save_file

TESTS = Path(__file__).resolve().parents[2]
ASSETS = TESTS.parent / "assets"
HALLO, PTH, OTHER = "tiny_hallo.safetensors", "hallo_net.pth", "other_hallo.safetensors"
VAE, ARCFACE, DETECTOR = "tiny_hallo_vae.safetensors", "tiny_arcface.onnx", "models/pack/det.onnx"
SMALL = "tiny_arcface_64.onnx"
BAD = {
    "lacks": "bad_hallo_lacks.safetensors",
    "lacks_deep": "bad_hallo_lacks_deep.safetensors",
    "too_much": "bad_hallo_more.safetensors",
    "code": "bad_hallo.pth",
}
READS = {"audioproj.proj1.weight": (16, 5 * 12 * 768), "imageproj.proj.weight": (128, 512)}
LACKS = {"lacks": "audioproj.norm.weight", "lacks_deep": "denoising_unet.mid_block.resnets.0.conv1.weight"}
CLIP, SIZE, STEPS = 5, 64, 2
RATE = 16000


def weights(synthetic: ModuleType, other: bool = False) -> dict[str, torch.Tensor]:
    keys = json.loads((TESTS / "golden" / "hallo" / "tiny" / "net.keys.json").read_text()) | READS
    tensors = synthetic.synthetic_checkpoint(keys)
    if other:
        tensors["denoising_unet.conv_in.weight"] = tensors["denoising_unet.conv_in.weight"] * 1.5
    return tensors


class Runs:
    """A pickle that makes a folder when it is executed."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return Path.mkdir, (self.folder,)


def write_all(models: Path, synthetic: ModuleType, onnx: ModuleType, vae: dict[str, torch.Tensor]) -> None:
    """All files into a models folder, where ComfyUI and the pack look for them."""
    for name in ("model_patches", "diffusion_models", "vae", "face_encoders", "insightface/models/pack"):
        (models / name).mkdir(parents=True, exist_ok=True)
    good, patches = weights(synthetic), models / "model_patches"
    save_file(good, patches / HALLO)
    torch.save(good, patches / PTH)
    save_file(weights(synthetic, other=True), models / "diffusion_models" / OTHER)
    for name, key in LACKS.items():
        save_file({k: t for k, t in good.items() if k != key}, patches / BAD[name])
    save_file({**good, "denoising_unet.stray": torch.zeros(1)}, patches / BAD["too_much"])
    torch.save({**good, "note": Runs(patches / "executed")}, patches / BAD["code"])
    save_file(vae, models / "vae" / VAE)
    onnx.tiny_arcface(models / "face_encoders" / ARCFACE)
    onnx.tiny_arcface(models / "face_encoders" / SMALL, 64)
    onnx.tiny_detector(models / "insightface" / DETECTOR)


def speech(seconds: float, rate: int = RATE) -> np.ndarray:
    """Float ``[N]`` of the bundled sentence, from its second second on."""
    from scipy.signal import resample_poly

    from troupe.engine.video import read_audio

    sound = read_audio(ASSETS / "speech.wav")
    samples = sound.samples[0, sound.rate : sound.rate + round(seconds * sound.rate)]
    return resample_poly(samples, rate, sound.rate)


def write_sounds(folder: Path) -> None:
    """What recordings can be: good, stereo at 44.1 kHz, at 8 kHz, clipped, silent, shorter than a frame."""
    voice = speech(0.6)
    loud = np.clip(40 * voice / np.abs(voice).max(), -0.999, 0.999)
    stereo = np.stack([speech(0.6, 44100), np.roll(speech(0.6, 44100), 100)], 1)
    sounds = {
        "voice": (voice, RATE), "stereo": (stereo, 44100), "phone": (speech(0.6, 8000), 8000),
        "clipped": (loud, RATE), "silent": (np.zeros(RATE // 2), RATE), "click": (voice[:200], RATE),
    }  # fmt: skip
    for name, (samples, rate) in sounds.items():
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((samples.ndim, 2, rate, 0, "NONE", ""))
            file.writeframes((samples * 32767).astype("<i2").tobytes())


def node(class_type: str, **inputs) -> dict:
    return {"class_type": class_type, "inputs": inputs}


def render(**change) -> dict:
    settings = {
        "seconds": 0.0, "size": SIZE, "margin": 0.5, "clip_frames": CLIP, "steps": STEPS, "portrait_scale": 3.5,
        "speech_scale": 3.5, "pose_weight": 1.0, "face_weight": 1.0, "lip_weight": 1.0, "seed": 7, "edge": "oval",
        "feather": 0.15, "faces": ["faces", 0],
    }  # fmt: skip
    sources = {"model": ["load", 0], "hallo": ["load", 1], "vae": ["vae", 0], "image": ["picture", 0]}
    return node("TroupeHalloRender", **{**sources, "cast": ["role", 0], **settings, **change})


def role(face: int = 1, **change) -> dict:
    usual = {"drive": ["speech", 0], "region": "full", "strength": 1.0, "rest": "auto"}
    return node("TroupeAssignRole", face=face, **{**usual, **change})


def graph(
    listener: str, picture: str = "portrait.png", sound: str = "voice.wav", **change
) -> dict[str, dict]:
    """A portrait says 0.6 seconds, three clips; ``change`` is of Hallo Render. Every node under a telling id.

    Args:
        listener: File of the audio encoder.
    """
    return {
        "load": node("TroupeLoadHallo", checkpoint=HALLO),
        "vae": node("VAELoader", vae_name=VAE),
        "picture": node("LoadImage", image=picture),
        "faces": node(
            "TroupeDetectFaces", image=["picture", 0], fps=25.0, max_faces=16, min_size=24.0, min_confidence=0.5,
            smooth=False,
        ),
        "listener": node("AudioEncoderLoader", audio_encoder_name=listener),
        "sound": node("LoadAudio", audio=sound),
        "speech": node(
            "TroupeEncodeSpeech", audio_encoder=["listener", 0], audio=["sound", 0], seconds=0.0, reader="Hallo"
        ),
        "role": role(),
        "render": render(**change),
        "frames": node("SaveImage", images=["render", 0], filename_prefix="hallo/frame"),
    }  # fmt: skip


def read_frames(comfy, job) -> np.ndarray:
    """What ``frames`` saved: uint8 ``[T, H, W, 3]``."""
    from PIL import Image

    paths = [comfy.path_of(file) for file in job.files("frames")]
    return np.stack([np.asarray(Image.open(path).convert("RGB")) for path in paths])


def report(job) -> str:
    """What Hallo Render said."""
    return job.history["outputs"]["render"]["text"][0]
