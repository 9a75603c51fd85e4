"""peers_test.py WRITER PACKAGES: the logs of WRITER's runs, read by tensorboard and safetensors in PACKAGES. 77: not there.

The names are those of CleanRL's ppo.py and dqn.py and of Stable-Baselines3's logger."""

import csv
import json
import subprocess
import sys
import tempfile

writer, packages = sys.argv[1:]
sys.path.insert(0, packages)
try:
    from safetensors.numpy import load_file
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

folder = tempfile.TemporaryDirectory()
subprocess.run([writer, folder.name], check=True)

common = """charts/episodic_return charts/episodic_length charts/SPS charts/learning_rate
  rollout/ep_rew_mean rollout/ep_len_mean time/fps time/iterations time/time_elapsed time/total_timesteps
  train/learning_rate train/loss""".split()
names = {
    "ppo": """losses/value_loss losses/policy_loss losses/entropy losses/old_approx_kl losses/approx_kl losses/clipfrac
      losses/explained_variance train/value_loss train/policy_gradient_loss train/entropy_loss train/approx_kl
      train/clip_fraction train/explained_variance""".split(),
    "dqn": "losses/td_loss losses/q_values charts/epsilon rollout/exploration_rate train/n_updates".split(),
}
for run, own in names.items():
    board = EventAccumulator(f"{folder.name}/{run}", size_guidance={"scalars": 0}).Reload()
    assert sorted(board.Tags()["scalars"]) == sorted(common + own), board.Tags()["scalars"]
    returns, lengths = board.Scalars("charts/episodic_return"), board.Scalars("charts/episodic_length")
    assert [(e.step, e.value) for e in returns] == [(e.step, e.value) for e in lengths], "a reward of 1 for each step"
    mean = board.Scalars("rollout/ep_rew_mean")[-1]
    last = [e.value for e in returns][-100:]
    assert abs(mean.value - sum(last) / len(last)) < 1e-3, (mean, last)
    steps = [e.step for e in board.Scalars("charts/SPS")]
    assert steps == list(range(steps[0], 4097 if run == "ppo" else 3001, steps[0])), steps

    lines = [json.loads(line) for line in open(f"{folder.name}/{run}/result.json")]
    rows = list(csv.DictReader(open(f"{folder.name}/{run}/progress.csv")))
    assert [line["time/total_timesteps"] for line in lines] == steps == [int(row["time/total_timesteps"]) for row in rows]
    model = load_file(f"{folder.name}/{run}/checkpoint_000000/model.safetensors")
    layers = ["0", "2", "4"]
    parts = [f"{part}.{layer}" for part in ("actor", "critic") for layer in layers] if run == "ppo" else layers
    assert sorted(model) == sorted(f"{part}.{kind}" for part in parts for kind in ("weight", "bias")), sorted(model)
print("read by tensorboard, safetensors, json and csv")
