"""Champ's golden pipeline (published code, random weights) through a host's own sampling: how far each stage is off."""

import json

from champ_tiny import (
    GOLD,
    HEIGHT,
    MAPS,
    PICTURE,
    SEEN,
    SETTINGS,
    WIDTH,
    Encoder,
    champ,
    comfy,
    load,
    off,
    published_ddim,
    sample,
    torch,
)

from troupe.engine.guidance import Guidance, Layer
from troupe.host.refnet import SCENE, exact_sampler

# The host is found and told its arguments by the first import.


def main() -> dict:
    model, loaded = load()
    window, overlap = SETTINGS["context_frames"], SETTINGS["context_overlap"]
    plan = champ.Plan(WIDTH, HEIGHT, window, overlap, loop=True, fade="even", fit="stretch")
    vae = Encoder()
    positive, negative, _, report = champ.condition(loaded, vae, PICTURE, SEEN, MAPS, plan)
    told = {
        "report": report,
        "reference_pixels": vae.off,
        "guidance_fea": off(positive[0][1][SCENE].added, "guidance_fea"),
    }
    scale, noise = SETTINGS["guidance_scale"], GOLD["noise"][0].transpose(0, 1)

    def run(**how):
        return sample(model, (positive, negative), noise, SETTINGS["steps"], scale, **how)

    portrait = Layer("portrait", scale)
    published, alone = comfy.samplers.KSAMPLER(published_ddim), Guidance((portrait,))
    first = run()
    runs = {
        "CFGGuider": first,
        "exact sampler": run(sampler=exact_sampler()),
        "published": run(sampler=published),
        "published, LayeredGuider": run(sampler=published, layers=alone),
        "one by one": run(memory=0),
        "LayeredGuider": run(layers=alone),
        "LayeredGuider, one by one": run(layers=alone, memory=0),
        "LayeredGuider with text": run(layers=Guidance((Layer("text", 1.0), portrait))),
    }
    told |= {name: off(made, "final_latents") for name, made in runs.items()}
    shape, net = noise.shape, model.model
    two = net.memory_required([2 * len(noise), *shape[1:]], {SCENE: [[window], [window]]})
    told["memory"] = two / net.memory_required([2 * window, *shape[1:]])
    return told | {"again": (run() - first).abs().max().item()}


with torch.inference_mode():
    print(json.dumps(main()))  # noqa: T201
