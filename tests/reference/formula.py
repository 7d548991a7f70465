"""Weights by formula, the same here and in tests/support/formula_weights.h: no weights need to be stored."""
import zlib

import numpy as np


def values(name, shape):
    n = int(np.prod(shape)) if len(shape) else 1
    arg = np.arange(n, dtype=np.float64) * 0.7390851 + zlib.crc32(name.encode()) % 1000
    leaf = name.rsplit(".", 1)[-1]
    norm = len(shape) == 1
    if leaf == "num_batches_tracked":
        out = np.zeros(n)
    elif name == "embedding.weight":
        out = 0.1 * np.sin(arg)
        out[-shape[1]:] = 0  # the padding row
    elif leaf.startswith("weight") and not norm:  # weight_ih and weight_hh of an LSTM too
        out = np.sqrt(2.0 / (n / shape[0])) * np.sin(arg)
    elif leaf == "weight":
        out = 1 + 0.1 * np.sin(arg)
    elif leaf == "running_var":
        out = 1 + 0.1 * np.sin(arg)
    else:  # bias, running_mean
        out = 0.01 * np.sin(arg)
    return out.reshape(shape)


def noise(name, shape):
    """The same, with weights that look random: deep networks stay well-conditioned with few samples in a batch."""
    if not name.rsplit(".", 1)[-1].startswith("weight") or len(shape) == 1:
        return values(name, shape)
    n = int(np.prod(shape))
    u = np.sin((np.arange(n, dtype=np.float64) + 1) * 0.7390851 + zlib.crc32(name.encode()) % 1000) * 43758.5453
    return ((u - np.floor(u) - 0.5) * np.sqrt(24.0 / (n / shape[0]))).reshape(shape)


def fill(module, prefix="", formula=values):
    import torch
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            tensor.copy_(torch.from_numpy(np.asarray(formula(prefix + name, tuple(tensor.shape)))).to(tensor.dtype))
