"""Small files of torch.save in both forms, and hostile ones: tests/io/fixtures/*.pth.

    python tests/reference/make_pth_fixtures.py
"""
import io
import os
import pathlib
import pickle
import struct
from collections import Counter, OrderedDict, defaultdict

import numpy as np
import torch

OUT = pathlib.Path(__file__).parent.parent / "io" / "fixtures"


class Hostile:
    def __reduce__(self):
        return os.system, ("touch /tmp/emotion_pickle_was_executed",)


class Storage:
    """Of 10 11 12 13; `view`, (key, offset, elements), a part of it."""

    def __init__(self, view=None):
        self.id = ("storage", torch.FloatStorage, "root", "cpu", 4, view)


class Tensor:
    def __init__(self, storage, offset, size):
        self.made = torch._utils._rebuild_tensor_v2, (storage, offset, (size,), (1,), False, OrderedDict())

    def __reduce__(self):
        return self.made


class LegacyPickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.id if isinstance(value, Storage) else None


def legacy_with_views():
    """The legacy form as releases before 0.4 wrote tensors that share memory; today's torch.load still reads it."""
    out = io.BytesIO()
    for value in (0x1950a86a20f9469cfc6c, 1001, {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}):
        pickle.dump(value, out, protocol=2)
    tail = Storage(("tail", 2, 2))
    state = OrderedDict([("whole", Tensor(Storage(), 0, 4)), ("tail", Tensor(tail, 0, 2)), ("last", Tensor(tail, 1, 1))])
    LegacyPickler(out, protocol=2).dump(state)
    pickle.dump(["root"], out, protocol=2)
    out.write(struct.pack("<q4f", 4, 10, 11, 12, 13))
    read = torch.load(io.BytesIO(out.getvalue()), weights_only=True)
    assert [read[name].tolist() for name in state] == [[10, 11, 12, 13], [12, 13], [13]]
    return out.getvalue()


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    weight = torch.arange(6.0).view(2, 3) / 2
    state = OrderedDict([("fc.weight", torch.nn.Parameter(weight)), ("fc.transposed", weight.t()), ("fc.row", weight[1]),
                         ("bn.num_batches_tracked", torch.tensor(7)), ("half", torch.ones(2, dtype=torch.half))])
    torch.save(state, OUT / "zip.pth")
    torch.save(state, OUT / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "lr": 0.1, "state_dict": state, "optimizer": {"state": {}}}, OUT / "nested.pth")
    # As training scripts keep what they measured: tensors beside the weights.
    torch.save({"epoch": 3, "arch": "resnet50", "best_prec1": torch.tensor(61.7), "state_dict": state, "optimizer": {"state": {0: {"m": torch.ones(3)}}}},
               OUT / "measured.pth")
    # What schedulers and scripts keep beside the weights; and a tensor with more elements than its storage.
    values = {"scheduler": {"milestones": Counter({30: 1, 80: 2}), "gamma": 0.1}, "history": defaultdict(list, {"loss": [1.0]}), "root": 1 + 2j,
              "raw": bytearray(b"raw"), "seen": {1, 2}, "frozen": frozenset({3}), "types": [list, tuple]}
    expanded = OrderedDict(state, mask=torch.tensor([[0.5], [1.5]]).expand(2, 5000))
    for name, zipped in (("values.pth", True), ("legacy_values.pth", False)):
        torch.save(values | {"state_dict": expanded}, OUT / name, _use_new_zipfile_serialization=zipped)
    (OUT / "legacy_view.pth").write_bytes(legacy_with_views())
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
