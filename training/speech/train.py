"""Trains the speech network.

    python -m training.speech train DATA OUT [--steps 60000] [--threads 1] [--device cpu] [--resume]

``OUT/checkpoint.pt`` is written every few minutes and at the end; ``--resume`` goes on from it and gives what an
unbroken run would have given (on the same machine), also with more ``--steps`` than before: the learning rate then
follows the longer schedule from there on. ``--width 64 --decoder-width 48 --master speech.safetensors`` distils a smaller
network from a trained one. ``OUT/log.jsonl`` takes losses and scores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from troupe.engine.speech.channels import JAW_OPEN, MOUTH_CLOSE
from troupe.engine.speech.conditions import closure
from troupe.engine.speech.layout import NetworkConfig
from troupe.engine.speech.network import SpeechNetwork, build
from troupe.engine.speech.weights import SpeechWeights, load_weights

from .batches import Batch, Batches, Utterance, read_part

SMALLEST_STD = 0.02  # of a channel, in what counts as one unit of error
VELOCITY, APERTURE, APERTURE_VELOCITY, PHONES = 0.3, 0.7, 0.4, 0.3  # weights in the loss
WATCHED = ("dev", "voices", "fr", "slt")  # parts looked at during training


@dataclass(frozen=True)
class Plan:
    """What decides the result of a run, besides the data."""

    steps: int = 60000
    seed: int = 0
    items: int = 12
    rate: float = 5e-3
    warmup: int = 400
    ramp: int = 10000  # steps until the augmentation has its full strength
    decay: float = 0.01
    average: float = 0.9995  # of the moving average of the weights, which is what ships
    clip: float = 1.0
    bf16: bool = False
    closed: float = (
        0.5  # how much more frames count in which the lips close: more finds more closures, and false ones
    )
    width: int = 112
    decoder_width: int = 80

    @property
    def config(self) -> NetworkConfig:
        """Sizes of the network to train."""
        return NetworkConfig(width=self.width, decoder_width=self.decoder_width)


@dataclass(frozen=True, eq=False)
class Units:
    """Standard deviations that errors are counted in, of plain speech."""

    channels: Tensor
    velocity: Tensor
    aperture: float
    aperture_velocity: float


def units_of(utterances: list[Utterance], device: torch.device) -> Units:
    """From every utterance that speaks, up to half an hour of them."""
    some, frames = [], 0
    for one in utterances:
        if one.about["source"] != "negative" and frames < 90000:
            some.append(one.target.astype(np.float32))
            frames += len(one.target)
    speech = np.concatenate(some)
    step = np.diff(speech, axis=0)
    aperture = speech[:, JAW_OPEN] - speech[:, MOUTH_CLOSE]

    def put(std: np.ndarray, least: float) -> Tensor:
        return torch.from_numpy(np.maximum(std, least)).to(device)

    return Units(
        put(speech.std(0), SMALLEST_STD), put(step.std(0), SMALLEST_STD / 4), float(aperture.std()),
        float(np.diff(aperture).std()),
    )  # fmt: skip


def motion_loss(made: Tensor, target: Tensor, weight: Tensor, units: Units) -> Tensor:
    """Error of channels ``[B, M, 18]`` in units of their deviation: values, velocities, opening of the mouth.

    Args:
        weight: ``[B, M]`` of the frames.
    """

    def cost(error: Tensor, frames: Tensor) -> Tensor:
        huber = F.huber_loss(error, torch.zeros_like(error), reduction="none")
        return (huber * frames).mean() if error.ndim == 2 else (huber * frames[..., None]).mean()

    error = made - target
    aperture = error[..., JAW_OPEN] - error[..., MOUTH_CLOSE]
    moving = weight[:, 1:]
    return (
        cost(error / units.channels, weight)
        + VELOCITY * cost(error.diff(dim=1) / units.velocity, moving)
        + APERTURE * cost(aperture / units.aperture, weight)
        + APERTURE_VELOCITY * cost(aperture.diff(dim=1) / units.aperture_velocity, moving)
    )


def delayed(rows: Tensor, frames: int) -> Tensor:
    """``[B, M, ...]`` that many frames later, the first one held."""
    return torch.cat([rows[:, :1].expand(-1, frames, *rows.shape[2:]), rows[:, : rows.shape[1] - frames]], 1)


def loss_of(
    network: SpeechNetwork,
    batch: Batch,
    units: Units,
    closed: float,
    master: SpeechNetwork | None = None,
) -> tuple[Tensor, dict[str, float]]:
    """What training makes small, and its parts.

    With a ``master`` half of the motion's loss is the distance to what that network makes of the same, and the phones
    are also to be as likely as it finds them (Hinton et al. 2015, arXiv 1503.02531).
    """

    def put(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).to(units.channels.device, non_blocking=True)

    config = network.config
    phone, target = put(batch.phone), put(batch.target)
    condition = delayed(put(batch.condition), config.phone_delay)
    given = (put(batch.features), condition, put(batch.tokens), put(batch.lengths), put(batch.start))
    made, heard = network(*given)
    weight = 1 + closed * put(closure(batch.speech))
    frames = target.shape[1]
    motion = sum(
        motion_loss(made[:, late:, head], target[:, : frames - late], weight[:, : frames - late], units)
        for head, late in enumerate(config.lookaheads)
    ) / len(config.lookaheads)
    named = heard[:, config.phone_delay :].flatten(0, 1)
    phones = F.nll_loss(named, phone[:, : frames - config.phone_delay].flatten())
    loss = motion + PHONES * phones
    if master is not None:
        with torch.no_grad():
            shown, named = master(*given)
        heads = range(len(config.lookaheads))
        alike = sum(motion_loss(made[:, :, h], shown[:, :, h], torch.ones_like(weight), units) for h in heads)
        likely = F.kl_div(heard.flatten(0, 1), named.flatten(0, 1), log_target=True, reduction="batchmean")
        loss = 0.5 * motion + 0.5 * alike / len(heads) + PHONES * (phones + likely)
    return loss, {"motion": float(motion.detach()), "phones": float(phones.detach())}


class _Steps(torch.utils.data.Dataset):
    """Batches by the number of their step, so that helper processes can make them ahead."""

    def __init__(self, batches: Batches, plan: Plan):
        self._batches, self._plan = batches, plan

    def __len__(self) -> int:
        return self._plan.steps

    def __getitem__(self, step: int) -> Batch:
        return self._batches.batch(step, min(1.0, step / max(1, self._plan.ramp)))


def rate_at(step: int, plan: Plan) -> float:
    """Learning rate: a short rise, then half a cosine to a hundredth."""
    along = min(1.0, step / plan.steps)
    return (
        plan.rate
        * min(1.0, (step + 1) / plan.warmup)
        * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * along)))
    )


class Run:
    """A training run with all that it needs to go on later."""

    def __init__(
        self,
        utterances: list[Utterance],
        plan: Plan,
        device: torch.device,
        master: SpeechNetwork | None = None,
    ):
        torch.manual_seed(plan.seed)
        self.plan, self.device, self.step, self.master = plan, device, 0, master
        self.network = SpeechNetwork(plan.config).to(device)
        self.average = SpeechNetwork(plan.config).to(device).requires_grad_(False)
        self.average.load_state_dict(self.network.state_dict())
        self.units = units_of(utterances, device)
        flat = [p for p in self.network.parameters() if p.ndim < 2]
        matrices = [p for p in self.network.parameters() if p.ndim >= 2]
        groups = [{"params": matrices, "weight_decay": plan.decay}, {"params": flat, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, plan.rate, betas=(0.9, 0.98), fused=True)

    def begin_with(self, weights: SpeechWeights) -> None:
        """Take trained weights of the same sizes."""
        trained = build(weights).state_dict()
        self.network.load_state_dict(trained)
        self.average.load_state_dict(trained)

    def learn(self, batch: Batch) -> dict[str, float]:
        """One step; its losses."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(self.step, self.plan)
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.bf16):
            loss, parts = loss_of(self.network, batch, self.units, self.plan.closed, self.master)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.plan.clip, foreach=True)
        if not torch.isfinite(norm):
            raise RuntimeError(f"step {self.step}: the loss is no longer finite")
        self.optimizer.step()
        self.step += 1
        keep = min(self.plan.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)
        return parts

    def save(self, path: Path) -> None:
        """Everything, whole or not at all."""
        half = path.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(), "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(), "step": self.step, "plan": asdict(self.plan),
            },
            half,
        )  # fmt: skip
        os.replace(half, path)

    def load(self, path: Path) -> None:
        """Go on from there."""
        saved = torch.load(path, map_location=self.device, weights_only=True)
        before = asdict(Plan()) | saved["plan"]
        changed = {k for k, v in asdict(self.plan).items() if before[k] != v} - {"steps"}
        if changed:
            raise ValueError(f"{path} was made with another {', '.join(sorted(changed))}: {saved['plan']}")
        self.network.load_state_dict(saved["network"])
        self.average.load_state_dict(saved["average"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step = saved["step"]


def train(
    data: Path,
    out: Path,
    plan: Plan,
    *,
    device: str = "cpu",
    workers: int = 0,
    resume: bool = False,
    master: Path | None = None,
    start: Path | None = None,
    save_every: float = 240.0,
    score_every: int = 2000,
) -> Run:
    """Trains until ``plan.steps``.

    Args:
        data: Folder that ``data`` made.
        out: Folder for checkpoint and log.
        workers: Processes that make batches ahead (worth it with a GPU).
        resume: Go on from the checkpoint in ``out``, if there is one.
        master: Weights of a network to learn from, too.
        start: Weights to begin with, instead of chance.
        save_every: Seconds between checkpoints.
        score_every: Steps between looks at the parts in ``WATCHED``.
    """
    from .evaluate import quick_scores

    utterances = read_part(data / "train")
    watched = {name: read_part(data / name) for name in WATCHED if (data / name).is_dir()}
    teacher = build(load_weights(master)).to(device) if master else None
    run = Run(utterances, plan, torch.device(device), teacher)
    if start:
        run.begin_with(load_weights(start))
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = out / "checkpoint.pt", out / "log.jsonl"
    if resume and checkpoint.is_file():
        run.load(checkpoint)
    elif not resume:
        log.unlink(missing_ok=True)
    steps = _Steps(Batches(utterances, plan.seed, plan.items), plan)
    loader = torch.utils.data.DataLoader(
        steps,
        batch_size=None,
        sampler=range(run.step, plan.steps),
        num_workers=workers,
        collate_fn=lambda x: x,
    )
    saved = told = time.monotonic()
    sums: dict[str, float] = {}
    since = run.step
    for batch in loader:
        for name, value in run.learn(batch).items():
            sums[name] = sums.get(name, 0.0) + value
        now = time.monotonic()
        if run.step % 200 == 0 or run.step == plan.steps:
            count = run.step - since
            line = {"step": run.step, **{k: round(v / count, 4) for k, v in sums.items()}}
            _write(
                log,
                line
                | {
                    "rate": round(rate_at(run.step, plan), 6),
                    "seconds_a_step": round((now - told) / count, 4),
                },
            )
            sums, since, told = {}, run.step, now
        if run.step % score_every == 0 or run.step == plan.steps:
            scores = {name: quick_scores(run.average, part) for name, part in watched.items()}
            _write(log, {"step": run.step, "scores": scores})
        if now - saved > save_every or run.step == plan.steps:
            run.save(checkpoint)
            saved = now
    return run


def _write(log: Path, line: dict) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    plan = Plan()
    parser.add_argument("data", type=Path, help="folder that 'data' made")
    parser.add_argument("out", type=Path, help="folder for checkpoint and log")
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--seed", type=int, default=plan.seed)
    parser.add_argument(
        "--items", type=int, default=plan.items, help="crops of 3 s in one step (%(default)s)"
    )
    parser.add_argument(
        "--ramp", type=int, default=plan.ramp, help="steps until augmentation is full (%(default)s)"
    )
    parser.add_argument("--rate", type=float, default=plan.rate, help="highest learning rate (%(default)s)")
    parser.add_argument("--start", type=Path, help="weights to begin with")
    parser.add_argument("--width", type=int, default=plan.width, help="of what hears (%(default)s)")
    parser.add_argument(
        "--decoder-width", type=int, default=plan.decoder_width, help="of what moves (%(default)s)"
    )
    parser.add_argument(
        "--master", type=Path, help="weights of a larger network to learn from (distillation)"
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches ahead")
    parser.add_argument(
        "--bf16", action=argparse.BooleanOptionalAction, default=has_bf16(), help="products in bfloat16"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in OUT")
    parser.add_argument("--quick", action="store_true", help="20 steps, for tests")


def has_bf16() -> bool:
    """Whether this processor multiplies bfloat16 faster than float32."""
    return bool(torch.cpu._is_avx512_bf16_supported())


def run(args: argparse.Namespace) -> None:
    """The command."""
    torch.set_num_threads(args.threads)
    quick = {"steps": 20, "items": 4, "ramp": 10} if args.quick else {}
    asked = {
        name: getattr(args, name)
        for name in ("steps", "seed", "items", "ramp", "rate", "bf16", "width", "decoder_width")
    }
    train(
        args.data, args.out, Plan(**(asked | quick)), device=args.device, workers=args.workers, resume=args.resume,
        master=args.master, start=args.start,
    )  # fmt: skip
