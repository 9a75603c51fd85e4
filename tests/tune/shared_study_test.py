"""shared_study_test.py PROGRAM PACKAGES [TRIALS]: PROGRAM and optuna run one study at the same time. 77: optuna is not there."""

import json
import os
import subprocess
import sys
import tempfile
import warnings

program, packages = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 200
sys.path.insert(0, packages)
try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = tempfile.TemporaryDirectory()
journal = f"{folder.name}/study/study.journal"
os.makedirs(os.path.dirname(journal))


def opened():
    return optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend(journal)),
                             sampler=optuna.samplers.RandomSampler(seed=1))


def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    layers = trial.suggest_int("layers", 1, 4)
    trial.suggest_categorical("kernel", ["rbf", "poly"])
    trial.report(x, 1)
    return x * x + layers


def read_by_a_stranger():
    trials = opened().trials
    assert [trial.number for trial in trials] == list(range(len(trials)))
    return trials


# A study that optuna has made: a trial that has ended, one that failed, and three that are queued.
study = optuna.create_study(study_name="study", storage=JournalStorage(JournalFileBackend(journal)))
floats = optuna.distributions.FloatDistribution(-1, 1)
study.add_trial(optuna.trial.create_trial(params={"x": 0.5}, distributions={"x": floats}, value=-0.25))
study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL))
study.enqueue_trial({"x": 0.25, "kernel": "poly", "layers": 2})
study.enqueue_trial({"x": 1})
study.enqueue_trial({"kernel": "none of them"})
out = subprocess.run([program, folder.name, "3"], check=True, capture_output=True, text=True).stdout
trials = read_by_a_stranger()
assert len(trials) == 5, len(trials)
assert [trial.state for trial in trials[:5]] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE,
                                                 TrialState.COMPLETE, TrialState.FAIL], trials
assert trials[2].params == {"x": 0.25, "kernel": "poly", "layers": 2}, trials[2].params
assert trials[3].params["x"] == 1.0 and trials[3].user_attrs["metrics"]["by"] == 1
assert "is to try the value none of them" in trials[4].user_attrs["error"], trials[4].user_attrs
assert study.best_trial.number == 0 and float(out.split()[2]) == -0.25, out
before = len(trials)

# Both at once, and readers in between.
running = subprocess.Popen([program, folder.name, str(before + count)], stdout=subprocess.PIPE, text=True)
theirs = subprocess.Popen([sys.executable, "-c", f"""
import sys
sys.argv = {sys.argv!r}
sys.path.insert(0, {packages!r})
import optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name="study", storage=JournalStorage(JournalFileBackend({journal!r})),
                          sampler=optuna.samplers.RandomSampler(seed=2))
def objective(trial):
    x = trial.suggest_float("x", -1, 1)
    layers = trial.suggest_int("layers", 1, 4)
    trial.suggest_categorical("kernel", ["rbf", "poly"])
    trial.report(x, 1)
    return x * x + layers
study.optimize(objective, n_trials={count})
"""])
reads = 0
while running.poll() is None or theirs.poll() is None:
    read_by_a_stranger()
    reads += 1
assert running.returncode == 0 and theirs.returncode == 0
out = running.stdout.read().split()
trials = read_by_a_stranger()
new = trials[before:]
ours = [trial for trial in new if "metrics" in trial.user_attrs]
assert len(new) - len(ours) == count, (len(new), len(ours))
assert len(ours) >= count, len(ours)
for trial in new:
    assert trial.state == TrialState.COMPLETE, trial
    assert trial.value == trial.params["x"] ** 2 + trial.params["layers"], trial
    assert len(trial.intermediate_values) == (3 if trial in ours else 1), trial
assert not os.path.lexists(journal + ".lock")

# What it says of all of them once more: nothing is run again, and the tables hold every trial.
out = subprocess.run([program, folder.name, "1"], check=True, capture_output=True, text=True).stdout.split()
lines = [json.loads(line) for line in open(f"{folder.name}/study/trials.jsonl")]
assert int(out[0]) == len(trials) == len(lines), (out, len(trials), len(lines))
assert [line["value"] for line in lines] == [trial.value for trial in trials]
print(f"{count} of each, {reads} readers in between")
