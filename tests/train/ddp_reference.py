#!/usr/bin/env python3
"""What Python's DistributedDataParallel makes of the trainings in ddp_reference.json: losses, parameters and buffers of
each rank.

    ddp_reference.py write FILE [NAME ...]    computes them anew, those named
    ddp_reference.py check FILE [NAME ...]    computes them, and compares with FILE

Needs torch 2.13 for CPUs, and NumPy. ddp_reference_test.cc does the same trainings with manta::train and compares.
"""
import json
import os
import sys
import tempfile

try:
    import torch
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh pytorch installs what is missing")
    sys.exit(77)
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn
from torch.distributed.algorithms.join import Join
from torch.distributed.algorithms.ddp_comm_hooks import default_hooks

BATCH, WIDTH = 4, 3
torch.set_num_threads(1)  # before ranks are forked


def steps(*which, sync=None):
    return [{"which": w, "sync": sync is None or bool(sync[i])} for i, w in enumerate(which)]


def case(name, model, ranks, **more):
    base = {"name": name, "model": model, "find_unused_parameters": False, "static_graph": False, "broadcast_buffers": True,
            "hook": "", "momentum": 0.9, "evaluate_after": [], "join": "", "steps": ranks}
    return {**base, **more}


ACCUMULATE = steps(*[2] * 8, sync=[0, 0, 0, 1] * 2)
CASES = [
    case("unused_change_by_step_and_rank", "heads", [steps(0, 1, 2, 0, 1, 2, 1, 0), steps(1, 1, 0, 2, 0, 2, 1, 1)],
         find_unused_parameters=True),
    case("unused_by_all_ranks", "heads", [steps(0, 0, 0, 1, 1, 1)] * 2, find_unused_parameters=True),
    case("unused_without_the_option", "heads", [steps(2, 2, 2, 0, 0, 0)] * 2),
    case("unused_at_once_without_the_option", "heads", [steps(0, 0, 0)] * 2),
    case("unused_on_one_rank_without_the_option", "heads", [steps(2, 2, 0, 2, 2), steps(2, 2, 0, 2, 2)]),
    case("unused_while_accumulating", "heads",
         [steps(0, 1, 2, 1, 0, 1, sync=[0, 0, 1, 0, 1, 1]), steps(1, 0, 0, 0, 1, 1, sync=[0, 0, 1, 0, 1, 1])],
         find_unused_parameters=True),
    case("sparse_embedding", "embedding", [steps(*[2] * 6)] * 2, momentum=0),
    case("static_graph", "heads", [steps(*[0] * 6)] * 2, static_graph=True),
    case("static_graph_reuses", "reuses", [steps(*[2] * 6)] * 2, static_graph=True),
    case("accumulates_and_evaluates", "norm", [ACCUMULATE] * 2, evaluate_after=[3, 5, 7]),
    case("own_buffers", "norm", [ACCUMULATE] * 2, evaluate_after=[3, 7], broadcast_buffers=False),
    case("fp16_hook", "heads", [steps(*[2] * 6)] * 2, hook="fp16"),
    case("bf16_hook", "heads", [steps(*[2] * 6)] * 2, hook="bf16"),
    case("own_hook", "heads", [steps(*[2] * 6)] * 2, hook="halve"),
    case("part_of_the_output", "pair", [steps(0, 1, 0, 2), steps(0, 0, 1, 2)], find_unused_parameters=True),
    case("shared_parameter", "tied", [steps(*[2] * 5)] * 2),
    case("join", "norm", [steps(*[2] * n) for n in (2, 5, 3)], join="initial"),
    case("join_remaining", "norm", [steps(*[2] * n) for n in (2, 5, 3)], join="remaining"),
    case("join_unused", "heads", [steps(0, 1), steps(1, 2, 0, 1), steps(2,)], join="initial", find_unused_parameters=True),
    case("join_unused_remaining", "heads", [steps(0, 1), steps(1, 2, 0, 0, 1)], join="remaining",
         find_unused_parameters=True),
    case("join_unused_the_same", "heads", [steps(*[0] * n) for n in (2, 5, 3)], join="remaining",
         find_unused_parameters=True),
    case("join_used_only_before", "heads", [steps(1), steps(1, 0, 0, 0, 0), steps(0, 0, 0)], join="initial",
         find_unused_parameters=True),
    case("join_unused_long", "heads", [steps(2), steps(2), steps(*[0] * 36)], join="initial", find_unused_parameters=True),
    case("join_unused_accumulating", "heads",
         [steps(0, 1, 2, 0, sync=[0, 1] * 2), steps(1, 0, 0, 0, 1, 1, 0, 1, sync=[0, 1, 0, 1, 0, 0, 0, 1])], join="initial",
         find_unused_parameters=True),
    case("join_unused_outputs", "pair", [steps(0, 1), steps(0, 0, 1, 2, 0)], join="initial", find_unused_parameters=True),
    case("join_unused_buffers", "norm", [steps(*[2] * n) for n in (4, 1, 2)], join="remaining",
         find_unused_parameters=True),
    case("join_accumulating", "norm", [steps(*[2] * n, sync=[0, 1] * 3) for n in (2, 6)], join="initial"),
    case("join_static", "heads", [steps(*[2] * n) for n in (3, 5)], join="initial", static_graph=True),
]


class Heads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.left, self.right = nn.Linear(WIDTH, 4), nn.Linear(4, 1), nn.Linear(4, 1)

    def forward(self, x, which):
        h = torch.tanh(self.body(x))
        if which == 0:
            return self.left(h)
        return self.right(h) if which == 1 else self.left(h) + self.right(h)


class Pair(Heads):  # the loss takes a part of it
    def forward(self, x, which):
        h = torch.tanh(self.body(x))
        return self.left(h), {"right": self.right(h)}


class Reuses(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.out, self.unused = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 1)

    def forward(self, x, which):
        return self.out(torch.tanh(self.body(torch.tanh(self.body(x)))))


class Norm(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.norm, self.out = nn.Linear(WIDTH, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)

    def forward(self, x, which):
        return self.out(self.norm(self.body(x)))


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.out = nn.Embedding(10, WIDTH, sparse=True), nn.Linear(WIDTH, 1)

    def forward(self, x, which):
        return self.out(self.words((x * 5 + 5).floor().long().clamp(0, 9)).mean(1))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 1)
        self.second.weight = self.first.weight

    def forward(self, x, which):
        return self.out(torch.tanh(self.second(torch.tanh(self.first(x)))))


MODELS = {"heads": Heads, "pair": Pair, "reuses": Reuses, "norm": Norm, "embedding": Words, "tied": Tied}


def set_parameters(network):
    with torch.no_grad():
        for i, parameter in enumerate(network.parameters()):
            n = parameter.numel()
            parameter.copy_((torch.arange(n, dtype=torch.double) * 1.7 + 7 * i + 1).sin().reshape(parameter.shape) * 0.5)


def batch(step, rank):
    return (torch.arange(BATCH * WIDTH, dtype=torch.double) * 0.37 + step * 1.3 + rank * 2.1).sin().float().reshape(BATCH, WIDTH)


def loss_of(output, which):
    if isinstance(output, tuple):
        left, right = output[0], output[1]["right"]
        output = left if which == 0 else right if which == 1 else left + right
    return (output - 1).pow(2).mean()


def halve(group, bucket):
    work = dist.all_reduce(bucket.buffer(), group=group, async_op=True)
    return work.get_future().then(lambda future: future.value()[0].div_(2 * dist.get_world_size(group)))


def bf16(group, bucket):  # Python refuses bf16_compress_hook by its name where there is no NCCL
    return default_hooks.bf16_compress_hook(group, bucket)


def numbers(tensors):
    return [float(f"{x:.8g}") for t in tensors for x in t.detach().double().flatten().tolist()]


def train(rank, one):
    network = MODELS[one["model"]]()
    set_parameters(network)
    model = nn.parallel.DistributedDataParallel(
        network, find_unused_parameters=one["find_unused_parameters"], static_graph=one["static_graph"],
        forward_sync_buffers=one["broadcast_buffers"])
    hooks = {"fp16": default_hooks.fp16_compress_hook, "bf16": bf16, "halve": halve}
    if one["hook"]:
        model.register_comm_hook(dist.group.WORLD, hooks[one["hook"]])
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=one["momentum"])
    result = {"losses": [], "buffers": [], "evaluations": [], "throws_at": -1}

    def step(number, which):
        loss = loss_of(model(batch(number, rank), which), which)
        loss.backward()
        result["losses"] += numbers([loss])

    def loop():
        for number, each in enumerate(one["steps"][rank]):
            try:
                if each["sync"]:
                    step(number, each["which"])
                    optimizer.step()
                    optimizer.zero_grad()
                else:
                    with model.no_sync():
                        step(number, each["which"])
            except RuntimeError as error:
                assert "Expected to have finished reduction" in str(error), error
                result["throws_at"] = number
                return
            result["buffers"].append(numbers(b for b in network.buffers()))
            if number in one["evaluate_after"]:
                model.eval()
                with torch.no_grad():
                    result["evaluations"] += numbers([model(batch(100, 0), 2).sum()])
                model.train()

    if one["join"]:
        with Join([model], divide_by_initial_world_size=one["join"] == "initial"):
            loop()
    else:
        loop()
    result["parameters"] = numbers(network.parameters())
    return result


def run_rank(rank, one, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(one["steps"]))
    with open(f"{folder}/{rank}", "w") as file:
        json.dump(train(rank, one), file)
    if not one["join"]:
        os._exit(0)  # a rank that threw has a backward pass that never ends
    dist.destroy_process_group()


def compute(names):
    cases = []
    for one in CASES:
        if names and one["name"] not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            mp.start_processes(run_rank, (one, folder), nprocs=len(one["steps"]), start_method="fork")
            ranks = [json.load(open(f"{folder}/{rank}")) for rank in range(len(one["steps"]))]
        cases.append({**one, "ranks": ranks})
        print(one["name"], file=sys.stderr)
    return cases


def same(a, b):
    if isinstance(a, float) or isinstance(b, float):
        return abs(a - b) <= 1e-5 * max(1, abs(a))
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def main():
    computed = compute(sys.argv[3:])
    if sys.argv[1] == "write":
        with open(sys.argv[2], "w") as file:
            file.write("[\n" + ",\n".join(json.dumps(one) for one in computed) + "\n]\n")
        return
    written = {one["name"]: one for one in json.load(open(sys.argv[2]))}
    wrong = [one["name"] for one in computed if not same(one, written.get(one["name"]))]
    assert not wrong, f"{sys.argv[2]} says something else of {wrong}"


if __name__ == "__main__":
    main()
