"""Hallo's goldens (published code, random weights) through this host's own sampling and its own speech encoder.

    hallo_golden.py HOST GOLDEN_FOLDER SYNTHETIC_MODULE [TYPE]

TYPE is that of the nets, as on a GPU: float16 or bfloat16. Prints how far each part is off, and which tensors were compared. The VAE is diffusers': ComfyUI's knows no size but its own.
"""

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

HOST, FOLDER, SYNTHETIC, TYPE = (*sys.argv[1:], "float32")[:4]
sys.path.insert(0, HOST)
sys.argv = ["hallo", "--cpu"]
import comfy.options  # noqa: E402

comfy.options.enable_args_parsing()

import comfy.model_patcher  # noqa: E402
import comfy.ops  # noqa: E402
import comfy.sample  # noqa: E402
import comfy.samplers  # noqa: E402
import torch  # noqa: E402
from comfy.audio_encoders import wav2vec2  # noqa: E402
from diffusers import AutoencoderKL  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from troupe.engine.refnet.hallo import portrait_of  # noqa: E402
from troupe.engine.refnet.hallo_masks import HalloMasks  # noqa: E402
from troupe.engine.refnet.schedule import sigmas  # noqa: E402
from troupe.host import hallo as host  # noqa: E402
from troupe.host.encoders import encode_audio_by_frames  # noqa: E402
from troupe.host.refnet import conditioning_of  # noqa: E402

spec = importlib.util.spec_from_file_location("synthetic", SYNTHETIC)
synthetic = importlib.util.module_from_spec(spec)
spec.loader.exec_module(synthetic)

tiny = Path(FOLDER) / "hallo" / "tiny"
config = json.loads((tiny / "config.json").read_text())
OFF: dict[str, float] = {}
SCALE = 0.18215


def weights(name: str) -> dict:
    return synthetic.synthetic_checkpoint(json.loads((tiny / f"{name}.keys.json").read_text()))


def compare(name: str, ours: torch.Tensor, theirs: torch.Tensor) -> None:
    assert ours.shape == theirs.shape, (name, ours.shape, theirs.shape)
    OFF[name] = max(OFF.get(name, 0.0), float((ours.float() - theirs).abs().max()))


class Vae:
    """diffusers' VAE of the golden's size, called like ComfyUI's."""

    latent_channels, latent_dim = 4, 2

    def __init__(self):
        self.net = AutoencoderKL(**config["vae"])
        self.net.load_state_dict(weights("vae"))
        self.net.eval()

    def encode(self, pictures):
        return self.net.encode(pictures.movedim(-1, 1) * 2 - 1).latent_dist.mode()

    def decode(self, latents):
        frames = torch.cat([self.net.decode(frame[None]).sample for frame in latents])
        return (frames / 2 + 0.5).clamp(0, 1).movedim(1, -1)


def two_clips() -> None:
    gold = load_file(tiny / "end_to_end.safetensors")
    host.weight_type = lambda: getattr(torch, TYPE)
    with tempfile.TemporaryDirectory() as folder:
        save_file(weights("net"), Path(folder) / "net.safetensors")
        model, loaded = host.LoadedHallo.of(Path(folder) / "net.safetensors")
    vae, frames, dtype = Vae(), config["frames"], getattr(torch, TYPE)
    wanted = [gold["clip0.latents"], gold["clip1.latents"]]
    side = wanted[0].shape[-1]
    image = gold["image"].movedim(1, -1) / 2 + 0.5
    latents = host.encoded(vae, image, "Hallo")
    compare("ref_latents", latents.expand(3, -1, -1, -1), gold["ref_latents"])
    levels = {n: [gold[f"{n}_mask.{i}"][:1] for i in range(4)] for n in ("full", "face", "lip")}
    masks = HalloMasks(gold["face_mask"][0], levels)
    portrait = portrait_of(loaded.hallo, latents.to(dtype), gold["face_emb"], masks)
    actor = host.Actor(portrait, None, 0)
    steps = len(wanted[0])
    how = host.HalloSettings.of(
        size=8 * side, clip=frames, steps=steps, scales=(config["guidance_scale"],) * 2
    )
    seen: dict[str, list] = {"latents": []}
    host.frame_windows = lambda hidden, count, start: gold["audio_windows"][start : start + count]
    comfy.sample.prepare_noise = lambda latent, seed: gold[f"clip{seed}.noise"][0].transpose(0, 1)
    decode = vae.decode
    vae.decode = lambda samples: seen["latents"].append(samples) or decode(samples)
    before = None
    for clip in range(2):
        pictures, before = host.one_clip(model, loaded, vae, actor, clip, before, how, host.Steps(model, 1))
        ours = seen["latents"][clip].transpose(0, 1)[None] * SCALE
        compare(f"clip{clip}.latents", ours, wanted[clip][-1])
        video = torch.from_numpy(pictures).movedim(-1, 0)[None]
        if f"clip{clip}.video" in gold:
            compare(f"clip{clip}.video", video, gold[f"clip{clip}.video"])
    plain_sampler(model, actor, gold, steps)


def plain_sampler(model, actor, gold, steps) -> None:
    """KSampler's way, with a negative without the layers: the first clip once more."""
    scale = config["guidance_scale"]
    scene = host.hallo_scene(actor.portrait, actor.portrait.look(), gold["audio_windows"][: config["frames"]])
    noise = gold["clip0.noise"][0].transpose(0, 1)
    positive, negative = conditioning_of(scene)
    samples = comfy.sample.sample(
        model, noise, steps, scale, "euler", "sgm_uniform", positive, negative,
        torch.zeros_like(noise), sigmas=sigmas(steps), seed=0,
    )  # fmt: skip
    compare("clip0.latents by KSampler", samples.transpose(0, 1)[None] * SCALE, gold["clip0.latents"][-1])


def speech() -> None:
    """ComfyUI's network, its parts in the golden's sizes."""
    gold, said = load_file(tiny / "audio.safetensors"), json.loads((tiny / "wav2vec_config.json").read_text())
    width, conv = said["hidden_size"], said["conv_dim"][0]
    ops = {"operations": comfy.ops.manual_cast}
    net = wav2vec2.Wav2Vec2Model(embed_dim=width, num_heads=1, num_layers=0, conv_norm=False, **ops)
    net.feature_extractor = wav2vec2.ConvFeatureEncoder(conv, conv_bias=False, conv_norm=False, **ops)
    net.feature_projection = wav2vec2.FeatureProjection(conv, width, **ops)
    net.encoder = wav2vec2.TransformerEncoder(
        width,
        said["num_attention_heads"],
        said["num_hidden_layers"],
        said["intermediate_size"] / width,
        do_stable_layer_norm=False,
        **ops,
    )
    net.encoder.pos_conv_embed = wav2vec2.PositionalConvEmbedding(
        width, said["num_conv_pos_embeddings"], said["num_conv_pos_embedding_groups"]
    )
    net.load_state_dict(weights("wav2vec"))
    net.eval()
    cpu = torch.device("cpu")
    patcher = comfy.model_patcher.ModelPatcher(net, load_device=cpu, offload_device=cpu)
    loaded = SimpleNamespace(model=net, patcher=patcher, load_device=cpu)
    audio = {"waveform": gold["wave"][None, None], "sample_rate": said["sample_rate"]}
    heard = encode_audio_by_frames(loaded, audio, clip=said["clip_length"])
    compare("hidden_states", torch.from_numpy(heard.hidden).transpose(0, 1), gold["hidden_states"])


with torch.inference_mode():
    speech()
    two_clips()
print(json.dumps(OFF))  # noqa: T201
