"""Small files of torch.save in both forms, and hostile ones: tests/io/fixtures/*.pth.

    python tests/reference/make_pth_fixtures.py
"""
import os
import pathlib
import pickle
from collections import OrderedDict

import numpy as np
import torch

OUT = pathlib.Path(__file__).parent.parent / "io" / "fixtures"


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/emotion_pickle_was_executed",)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    weight = torch.arange(6.0).view(2, 3) / 2
    state = OrderedDict([("fc.weight", torch.nn.Parameter(weight)), ("fc.transposed", weight.t()), ("fc.row", weight[1]),
                         ("bn.num_batches_tracked", torch.tensor(7)), ("half", torch.ones(2, dtype=torch.half))])
    torch.save(state, OUT / "zip.pth")
    torch.save(state, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "lr": 0.1, "state_dict": state, "optimizer": {"state": {}}}, OUT / "nested.pth")
    torch.save(OrderedDict(("module." + k, v) for k, v in state.items()), OUT / "parallel.pth")
    # As weights converted from Caffe are kept: NumPy's arrays in a plain pickle, of either Python.
    array = weight.numpy()
    for protocol in (2, 4):
        model = {"fc.weight": array, "fc.transposed": np.asfortranarray(array.T), "big": array.astype(">f8"), "bytes": np.arange(250, 256, dtype=np.uint8)}
        with open(OUT / f"numpy{protocol}.pkl", "wb") as out:
            pickle.dump({"model": model, "__author__": "nobody", "matching_heuristics": True}, out, protocol=protocol)
    torch.save({"state_dict": Hostile()}, OUT / "hostile_zip.pth")
    torch.save({"state_dict": Hostile()}, OUT / "hostile_legacy.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
