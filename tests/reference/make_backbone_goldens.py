"""torchvision's networks with weights by formula: names, shapes and features that tests/model/backbone_test.cpp must have.

    python tests/reference/make_backbone_goldens.py tests/model/fixtures
"""
import json
import sys

import torch
import torchvision

from formula import fill, noise

NETWORKS = {"resnet18": "fc", "resnet50": "fc", "vgg16": "classifier.6", "alexnet": "classifier.6"}


def main(folder):
    golden = {}
    # [2, 3, 70, 66]: not square, so that height and width cannot be mixed up
    n = torch.arange(2 * 3 * 70 * 66, dtype=torch.float64)
    images = torch.sin(n * 0.7390851 / 40).view(2, 3, 70, 66).float()
    for name, last in NETWORKS.items():
        network = getattr(torchvision.models, name)(weights=None)
        parent, _, leaf = last.rpartition(".")
        owner = network.get_submodule(parent) if parent else network
        if isinstance(owner, torch.nn.Sequential):
            owner[int(leaf)] = torch.nn.Identity()
        else:
            setattr(owner, leaf, torch.nn.Identity())
        fill(network, formula=noise)
        network.eval()
        with torch.no_grad():
            features = network(images)
        golden[name] = {
            "state": [[key, list(value.shape)] for key, value in network.state_dict().items()],
            "dimension": features.shape[1],
            "features": [[round(v, 6) for v in row] for row in features[:, :24].double().tolist()],
            "sums": features.double().sum(1).tolist(),
            "scale": features.double().abs().mean().item(),
        }
    with open(f"{folder}/backbones.json", "w") as out:
        json.dump({"torchvision": torchvision.__version__, "networks": golden}, out, separators=(",", ":"))
        out.write("\n")
    for name, g in golden.items():
        print(name, g["dimension"], g["scale"], g["sums"])


if __name__ == "__main__":
    main(sys.argv[1])
