"""pareto_study_test.py PROGRAM PACKAGES: PROGRAM and optuna go on with each other's study of two objectives and a
constraint. 77: optuna is not there."""

import json
import subprocess
import sys
import tempfile
import warnings

program, packages = sys.argv[1:]
sys.path.insert(0, packages)
try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import StudyDirection
    from optuna.trial import TrialState
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = tempfile.TemporaryDirectory()


def run(samples):
    out = subprocess.run([program, folder.name, str(samples)], check=True, capture_output=True, text=True).stdout
    return [int(each) for each in out.split()]


def opened(sampler):
    return optuna.load_study(
        study_name="study",
        storage=JournalStorage(JournalFileBackend(f"{folder.name}/study/study.journal")),
        sampler=sampler,
    )


def objective(trial):
    x, y = trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)
    trial.set_constraint("corner", 0.8 - x - y)
    return x * x + y, x - y


# Ours, read by optuna: objectives, values, constraints, and the same front.
count, *front = run(40)
study = opened(optuna.samplers.NSGAIISampler(seed=1, population_size=10))
assert study.directions == [StudyDirection.MINIMIZE, StudyDirection.MAXIMIZE], study.directions
assert study.metric_names == ["near", "wide"]
assert count == len(study.trials) == 40
for trial in study.trials:
    x, y = trial.params["x"], trial.params["y"]
    assert trial.state == TrialState.COMPLETE and trial.values == [x * x + y, x - y], trial
    assert trial.constraints == {"corner": 0.8 - x - y}, trial
assert [trial.number for trial in study.best_trials] == front, (study.best_trials, front)
assert any(trial.constraints["corner"] > 0 for trial in study.trials)

# Both optuna's searchers go on from it, and this one from theirs.
study.optimize(objective, n_trials=30)
opened(optuna.samplers.TPESampler(seed=1)).optimize(objective, n_trials=10)
count, *front = run(60)
assert count == 100, count
study = opened(None)
assert [trial.number for trial in study.best_trials] == front, (study.best_trials, front)
lines = [json.loads(line) for line in open(f"{folder.name}/study/trials.jsonl")]
for trial, line in zip(study.trials, lines):
    assert line["values"] == trial.values and line["constraints"] == trial.constraints, (trial, line)
    assert line["metrics"] == {"near": trial.values[0], "wide": trial.values[1]}, line
print(f"{len(front)} of {count} trials are on the front")
