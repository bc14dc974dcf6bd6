"""Write the convolutions of two networks side by side, as the backbone `pair` takes them.

    python benchmarks/join_networks.py NARROW.safetensors DEEP.safetensors OUT.safetensors
    darksound pretrain --set backbone.name=pair --steps 0 --weights OUT.safetensors

NARROW and DEEP are weights of the backbone `small` by `darksound pretrain`, with the channels and
blocks of `darksound.meta.backbones.pair`. Their last layers are left out: the second command fits
one to both networks.
"""

import argparse
from pathlib import Path

import safetensors.torch

from darksound.meta.weights import read_weights

# What follows the convolutions: the linear layer and its batch norm, whose size is that of both.
_LAST_LAYERS = ("linear.", "norm.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("narrow", "deep", "out"):
        parser.add_argument(name, type=Path)
    arguments = parser.parse_args()
    networks = [read_weights(path) for path in (arguments.narrow, arguments.deep)]
    joined = {
        f"branches.{number}.{key}": value.float().contiguous()
        for number, state in enumerate(networks)
        for key, value in state.items()
        if not key.startswith(_LAST_LAYERS) and not key.endswith("num_batches_tracked")
    }
    joined |= {key: value for key, value in networks[0].items() if key.startswith("norm.")}
    safetensors.torch.save_file(joined, arguments.out)
    print(f"{len(joined)} tensors are in {arguments.out}.")


if __name__ == "__main__":
    main()
