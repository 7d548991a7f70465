"""Small valid inputs for fuzz/: fuzz/seeds/TARGET/.

    python tests/reference/make_fuzz_seeds.py
"""
import io
import pathlib
import pickle
import struct
import tarfile
from collections import OrderedDict

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

from make_pth_fixtures import legacy_with_views

ROOT = pathlib.Path(__file__).parent.parent.parent
OUT = ROOT / "fuzz" / "seeds"


def seed(target, name, content):
    (OUT / target).mkdir(parents=True, exist_ok=True)
    (OUT / target / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def torch_bytes(state, **options):
    buffer = io.BytesIO()
    torch.save(state, buffer, **options)
    return buffer.getvalue()


def npy(value):
    buffer = io.BytesIO()
    np.save(buffer, value)
    return buffer.getvalue()


def main():
    state = OrderedDict(a=torch.ones(2, 3), b=torch.tensor(7))
    seed("safetensors", "two", save(dict(state), {"task": "t"}))
    types = "".join(f',"{t}":{{"dtype":"{t}","shape":[0],"data_offsets":[0,0]}}' for t in ("F8_E4M3", "F8_E5M2", "U16", "U32", "U64"))
    header = ('{"__metadata__":{}' + types + "}").encode()
    seed("safetensors", "types", struct.pack("<Q", len(header)) + header)
    lengths = b'{"a":{"dtype":"F32","shape":[1000000000,0],"data_offsets":[0,0]},"b":{"dtype":"F32","shape":[0,1099511627776],"data_offsets":[0,0]}}'
    seed("safetensors", "lengths", struct.pack("<Q", len(lengths)) + lengths)
    seed("pickle", "view", legacy_with_views())
    seed("pickle", "zip", torch_bytes(state))
    seed("pickle", "legacy", torch_bytes({"state_dict": state, "epoch": 1}, _use_new_zipfile_serialization=False))
    words = {"sky": np.ones(3, dtype=np.float32), "sea": np.zeros(3, dtype=np.float32)}
    for protocol in (2, 4, 5):
        seed("plain_pickle", f"words{protocol}", pickle.dumps(words, protocol=protocol))
        seed("plain_pickle", f"items{protocol}", pickle.dumps([["a.jpg", [1, 2], (3.5, None, True, -1, b"\0", 2**40)], {"key2idx": {"a": 1}}], protocol=protocol))
    seed("word2vec", "binary", b"2 3\n" + b"sky " + struct.pack("<3f", 1, 2, 3) + b"\nsea " + struct.pack("<3f", 4, 5, 6) + b"\n")
    seed("word2vec", "text", "2 3\nsky 1 2 3\nsea 4 5 6\n")
    seed("word2vec", "glove", "sky 1 2 3\nsea 4 5 6\n")
    seed("word2vec", "blanks", ". . . 1 2 3\nsky 4 5 6\n")
    seed("manifest", "lines", '{"image": "a.jpg", "labels": ["awe", 1], "keywords": ["sky"], "votes": [0], "box": [1, 2, 3.5, 4], '
         '"face": "f.png", "regions": "r.safetensors"}\n{"image": "b.jpg"}\n')
    seed("config", "run", "task: emotionnet\n"
         "seed: 1\n"
         "data:\n"
         "  train: {dataset: data/stock, split: train}\n"
         "  scale: [0.08, 1]\n"
         "model: {backbone: resnet50, head: two_branch}\n"
         "optimizer: {name: sgd, lr: 1.0e-3}\n"
         "schedule: {name: multistep, milestones: [10, 15]}\n")
    seed("csv", "quotes", 'image,label\r\na.jpg,"awe, ""x"""\r"c\nd",fear\n')
    for name, value in {"number": np.array([3]), "text": np.array("-0.25"), "bytes": np.array(b"6"), "float": np.float32(2)}.items():
        seed("npy", name, npy(value))
    for name, save_arrays in {"stored": np.savez, "deflated": np.savez_compressed}.items():
        buffer = io.BytesIO()
        save_arrays(buffer, x=np.arange(4, dtype=np.float32).reshape(2, 2), bbox=np.ones((2, 1), np.float64))
        seed("npz", name, buffer.getvalue())
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in ("a.jpg", "long/" + "n" * 120 + ".txt"):
            archive.addfile(tarfile.TarInfo(name), None)
    seed("tar", "pax", buffer.getvalue()[:4096])
    ramp = Image.fromarray((np.arange(40 * 56 * 3).reshape(40, 56, 3) * 7 % 251).astype(np.uint8))
    for name, options in {"420": {}, "444": {"subsampling": 0, "quality": 95}, "restart": {"restart_marker_rows": 1, "optimize": True},
                          "progressive": {"progressive": True}}.items():
        buffer = io.BytesIO()
        ramp.save(buffer, "JPEG", **options)
        seed("jpeg", name, buffer.getvalue())


if __name__ == "__main__":
    main()
