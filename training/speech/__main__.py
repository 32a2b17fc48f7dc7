"""Makes the speech network from nothing but the synthesisers of a Linux machine.

python -m training.speech all OUT             everything: data, training, scores, weights (hours on one thread)
python -m training.speech all OUT --quick     the same in little, to see that it works (a minute or two)
python -m training.speech data|train|evaluate|export ...     one part; see its --help
"""

from __future__ import annotations

import argparse
from pathlib import Path
from types import ModuleType

from . import data, evaluate, export, train

PARTS: dict[str, ModuleType] = {"data": data, "train": train, "evaluate": evaluate, "export": export}


def everything(args: argparse.Namespace, parser: argparse.ArgumentParser) -> None:
    """Data, training and export one after the other; takes up what an earlier call left."""
    folder, quick = args.out, ["--quick"] if args.quick else []
    seconds = ["--seconds", "20"] if args.quick else []
    threads, to = ["--threads", str(args.threads)], str(args.to or folder / "speech.safetensors")
    calls = [
        ["data", str(folder / "data"), "--jobs", str(args.jobs), "--seed", str(args.seed), *quick],
        ["train", str(folder / "data"), str(folder / "run"), "--device", args.device, "--seed", str(args.seed), "--resume",
         *threads, *quick],
        ["export", str(folder / "run"), str(folder / "data"), "--to", to, *threads, *seconds],
    ]  # fmt: skip
    for call in calls:
        done = parser.parse_args(call)
        PARTS[done.part].run(done)


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser("python -m training.speech", description="Makes the speech network.")
    parts = parser.add_subparsers(dest="part", required=True)
    for name, module in PARTS.items():
        one = parts.add_parser(name, help=(module.__doc__ or "").strip().splitlines()[0])
        module.add_arguments(one)
    one = parts.add_parser("all", help="everything one after the other")
    one.add_argument("out", type=Path, help="folder for data, run and weights")
    one.add_argument("--to", type=Path, help="where the weights go (OUT/speech.safetensors)")
    one.add_argument("--seed", type=int, default=0)
    one.add_argument("--jobs", type=int, default=1, help="processes that make data")
    one.add_argument("--threads", type=int, default=1, help="of the training")
    one.add_argument("--device", default="cpu", help="cpu or cuda")
    one.add_argument("--quick", action="store_true", help="little of everything, for tests")
    args = parser.parse_args(arguments)
    if args.part == "all":
        everything(args, parser)
    else:
        PARTS[args.part].run(args)


if __name__ == "__main__":
    main()
