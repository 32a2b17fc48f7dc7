"""How rough a video is where windows meet, with Champ's tiny random networks in a host's own sampling.

A still body and the same noise in all frames. Prints for each fade the largest step between neighbouring frames inside
windows, where only one predicts, and about joints, where two do.
"""

import json

from champ_tiny import GOLD, HEIGHT, MAPS, PICTURE, SEEN, WIDTH, Encoder, champ, load, sample, torch

FRAMES, WINDOW, OVERLAP, STEPS, SCALE = 64, 24, 4, 2, 3.5


def steps_between(latents: torch.Tensor) -> torch.Tensor:
    """``[F - 1]``, the root mean square of each step to the next frame."""
    return latents.diff(dim=2).square().mean((0, 1, 3, 4)).sqrt()


def main() -> dict:
    model, loaded = load()
    still = {name: maps[:1].expand(FRAMES, -1, -1, -1) for name, maps in MAPS.items()}
    noise = GOLD["noise"][0, :, :1].transpose(0, 1).repeat(FRAMES, 1, 1, 1)
    told = {}
    for fade in ("soft", "even"):
        plan = champ.Plan(WIDTH, HEIGHT, WINDOW, OVERLAP, fade=fade, fit="stretch")
        windows = plan.windows(FRAMES)
        conditions = champ.condition(loaded, Encoder(), PICTURE, SEEN, still, plan)[:2]
        found = steps_between(sample(model, conditions, noise, STEPS, SCALE))
        count = torch.zeros(FRAMES)
        for window in windows:
            count[list(window)] += 1
        joint = (count[:-1] > 1) | (count[1:] > 1)
        told[fade] = {
            "windows": len(windows),
            "inside": found[~joint].max().item(),
            "inside, mean": found[~joint].mean().item(),
            "joint": found[joint].max().item(),
        }
    return told


with torch.inference_mode():
    print(json.dumps(main()))  # noqa: T201
