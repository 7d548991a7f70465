"""Ten steps of two processes under DistributedDataParallel (Gloo): what tests/train/distributed_test.cpp must follow.

    python tests/reference/make_distributed_goldens.py
"""
import json
import os

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from formula import fill
from make_step_goldens import BATCH, ROOT, TINY, TextCNN, keyword_ids, multi_hot, soft_cross_entropy, summary

STEPS = 10


def work(rank, world):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT="29631")
    dist.init_process_group("gloo", rank=rank, world_size=world)
    torch.set_num_threads(1)
    samples = [json.loads(line) for line in (TINY / "train.jsonl").read_text().splitlines()]
    ids, targets = keyword_ids(samples), multi_hot(samples, True)
    network = TextCNN()
    fill(network)
    network.train()
    ddp = torch.nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.SGD(ddp.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    losses = []
    for step in range(STEPS):
        begin = step * BATCH % len(samples)
        mine = list(range(begin + rank, begin + BATCH, world))
        optimizer.zero_grad()
        loss = soft_cross_entropy(ddp(ids[mine]), targets[mine])
        loss.backward()
        optimizer.step()
        total = loss.detach().double()
        dist.all_reduce(total)
        losses.append(total.item() / world)
    if rank == 0:
        golden = {"losses": losses, "state": summary(network)}
        (ROOT / "ddp_steps.json").write_text(json.dumps(golden, separators=(",", ":")))
        print(losses, "torch", torch.__version__)
    dist.destroy_process_group()


if __name__ == "__main__":
    mp.spawn(work, args=(2,), nprocs=2)
