"""table.py PEER.jsonl MANTA.jsonl: a Markdown table of the cases of both beside the targets."""
import json
import sys

# name: (at least or at most, the aim), in the unit of the line; more is better unless the unit is a cost
TARGETS = {
    "single client tasks sync": (150_000, 500_000),
    "single client tasks async": (800_000, 2_000_000),
    "multi client tasks async": (800_000, 2_000_000),
    "single client tasks and get batch": (600, 1_500),
    "single client wait 1k refs": (1_000, 5_000),
    "100k no-op tasks: submit to all results": (0.2, 0.06),
    "100k no-op tasks: driver RSS growth": (19.1, None),  # 200 bytes a task
    "chain of 1000 dependent tasks": (0.020, 0.005),
    "tree reduce of 1024 leaves": (0.015, 0.004),
    "1:1 actor calls sync": (150_000, 500_000),
    "1:1 actor calls async": (800_000, 2_000_000),
    "n:n actor calls async": (800_000, 2_000_000),
    "n:n actor calls with arg async": (300_000, 1_000_000),
    "1:1 async-actor calls sync": (100_000, 300_000),
    "1:1 async-actor calls async": (500_000, 1_000_000),
    "single client put calls (Plasma Store)": (500_000, 3_000_000),
    "single client get calls (Plasma Store)": (2_000_000, 3_000_000),
    "get 1 GB numpy array in another process (zero copy)": (0.000050, 0.000010),
    "touch every 4 KiB page of that 1 GB array": (0.004, 0.001),
    "single client get object containing 10k refs": (500, 2_000),
    "actor creation to first reply, prestarted worker": (0.010, 0.003),
    "actor creation to first reply, new worker process": (0.010, 0.003),
    "20 actors created at once to all replies": (0.100, 0.040),
    "kill -9 of a worker in a task with retries, to its result": (0.030, 0.010),
    "kill -9 of an actor with restarts, to the next reply": (0.030, 0.010),
    "cold start: init to first task result": (0.060, 0.020),
    "cold start: whole process, import to exit": (0.100, 0.040),
    "memory PSS: whole idle runtime incl. driver": (60, 30),
    "memory PSS with LibTorch: whole idle runtime incl. driver": (250, None),
    "idle CPU: whole tree": (0.1, None),
    "idle CPU with LibTorch: whole tree": (0.1, None),
    "sharded parameter server: 2 servers, 2 workers, 10M float32": (100, None),
    "20 random forests on 20640x8: times as fast": (1.9, 2.0),
    "manta all_reduce 1 KB, 2 processes": (1024 / 20e-6 / 1e9, None),
    "manta all_reduce 1 MB, 2 processes": (2**20 / 0.4e-3 / 1e9, None),
    "manta all_reduce 64 MB, 2 processes": (2**26 / 20e-3 / 1e9, None),
    "random search SVC digits 30x5 fits: manta": (5.6, 2.2),
    "manta: mlp: launch to first step": (0.5, 0.2),
    "manta: cnn: launch to first step": (0.5, 0.2),
    "http echo, manta, 1 connections": (12_000, 20_000),
    "http echo, manta, 64 connections": (40_000, 80_000),
    "http mlp, manta, 64 connections": (25_000, 50_000),
    "serve: handle call sync, manta": (50_000, None),
    "serve: memory PSS with two applications up, manta": (300, None),
    "tune: 1000 trivial trials, random search, manta": (0.1, 0.02),
    "tune: 1000 trials of 4 reports, random search, manta": (0.3, None),
    "stepping: manta CartPole": (20e6, 40e6),
    "ppo CartPole, manta: time to mean return 475": (4, 1),
    "ppo CartPole, manta: env steps/s while training": (60_000, 200_000),
}
# Where several peers do the same work, or under other names: the best of these lines is shown.
PEERS = {
    "serve: handle call sync, manta": ["serve: handle call sync"],
    "serve: memory PSS with two applications up, manta": ["serve: memory PSS with two applications up (without the driver)"],
    "tune: 1000 trivial trials, random search, manta": ["tune: 1000 trivial trials, random search, reuse_actors=True"],
    "tune: 1000 trials of 4 reports, random search, manta": ["tune: 200 trials of 4 reports, random search, reuse_actors=True"],
    "tune: ASHA 64 trials x 20 epochs, manta": ["tune: ASHA 64 trials x 20 epochs"],
    "random search SVC digits 30x5 fits: manta": ["random search SVC digits 30x5 fits: joblib loky n_jobs=2",
                                                 "random search SVC digits 30x5 fits: joblib ray backend"],
    "stepping: manta CartPole": ["stepping: gymnasium CartPole vectorised in numpy (256)", "stepping: envpool CartPole sync (256)"],
    "ppo CartPole, manta: time to mean return 475": [
        "ppo CartPole, stable-baselines3: time to mean return 475",
        "ppo CartPole, rllib (2 env runners): time to mean return 475"],
    "ppo CartPole, manta: env steps/s while training": [
        "ppo CartPole, stable-baselines3 (8 envs, zoo settings): env steps/s while training",
        "ppo CartPole, rllib (2 env runners x 8 envs, tuned example): env steps/s while training"],
}
for connections in ("1", "16", "64"):
    PEERS[f"http echo, manta, {connections} connections"] = [
        f"http echo, {peer}, {connections} connections" for peer in ("serve", "serve quiet", "serve haproxy", "fastapi+uvicorn")]
    PEERS[f"http mlp, manta, {connections} connections"] = [
        f"http mlp, {peer}, {connections} connections"
        for peer in ("serve with @serve.batch(32, 2 ms)", "serve quiet with @serve.batch(32, 2 ms)",
                     "serve haproxy with @serve.batch(32, 2 ms)", "fastapi+uvicorn (no batching)")]
TIMES_THE_PEER = {"manta: mlp: steady state": (1.3, 2), "manta: cnn: steady state": (1.0, 1.2)}  # in the same run
TORCH_FIRST = "cold start with LibTorch: init to first task result"
TORCH_BARE = "cold start with LibTorch: program's own exec to exit"
COSTS = ("s", "MiB", "% of a core", "ms/trial")


def peer_names(name):
    return PEERS.get(name) or [name.replace("manta all_reduce", "gloo all_reduce").replace("manta: ", "torchrun: ")]


def best_peer(name, lines):
    there = [lines[each] for each in peer_names(name) if lines.get(each, {}).get("value")]
    return (min if there and there[0]["unit"] in COSTS else max)(there, key=lambda line: line["value"], default=None)


def read(path):
    lines = {}
    with open(path) as file:
        for line in map(json.loads, file):
            lines.setdefault(line["bench"], line)  # Ray's lines with its authentication off come later
    growth = lines.get("100k no-op tasks: driver RSS growth", {})
    if "all" in growth:  # Ray's first batch in a fresh process, as ours is; see the peers' README
        growth["value"] = growth["all"][0]
    alone, tasks = (lines.get(f"20 random forests on 20640x8: {how}", {}).get("value") for how in ("sequential", "20 tasks"))
    if alone and tasks:
        fields = dict.fromkeys(("value", "min", "max"), alone / tasks)
        lines.setdefault("20 random forests on 20640x8: times as fast", {"unit": "times", **fields})
    return lines


def shown(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def cell(line, named=False):
    if line is None:
        return ""
    if line["value"] is None:
        return "failed"
    text = f"{shown(line['value'])} ({shown(line['min'])} to {shown(line['max'])})"
    return text + (f" {line['bench']}" if named else "")


def ratio(ray, manta):
    if not ray or not manta or not ray["value"] or not manta["value"]:
        return ""
    times = ray["value"] / manta["value"] if manta["unit"] in COSTS else manta["value"] / ray["value"]
    return f"{shown(times)}x"


def target(name, line):
    if name not in TARGETS:
        return ""
    least, aim = TARGETS[name]
    cost = line["unit"] in COSTS
    met = line["value"] is not None and (line["value"] <= least if cost else line["value"] >= least)
    return f"{shown(least)}{f', aim {shown(aim)}' if aim else ''}: {'met' if met else '**missed**'}"


def main(ray_path, manta_path):
    ray, manta = read(ray_path), read(manta_path)
    if manta.get(TORCH_FIRST, {}).get("value") and manta.get(TORCH_BARE, {}).get("value"):
        bare = manta[TORCH_BARE]["value"]
        TARGETS[TORCH_FIRST] = (bare + 0.040, bare + 0.015)
    for name, (least, aim) in TIMES_THE_PEER.items():
        peer = best_peer(name, ray)
        if peer:
            TARGETS[name] = (least * peer["value"], aim * peer["value"])
    print("| case | unit | peer | Manta | spin off | ratio | at least / at most |")
    print("|---|---|---:|---:|---:|---:|---|")
    for name, line in manta.items():
        if name.endswith(", spin off"):
            continue
        off = manta.get(name + ", spin off")
        peer = best_peer(name, ray)
        print(f"| {name} | {line['unit']} | {cell(peer, name in PEERS)} | {cell(line)} | {cell(off)} | "
              f"{ratio(peer, line)} | {target(name, line)} |")
    busy = [line["others"] for line in manta.values() if "others" in line]
    if busy:
        print(f"\nCPUs that other processes kept busy during Manta's runs: median {sorted(busy)[len(busy) // 2]:.2f}, "
              f"at most {max(busy):.2f}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
