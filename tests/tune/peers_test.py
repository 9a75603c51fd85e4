"""peers_test.py WRITER PACKAGES: the study of WRITER, read by optuna and tensorboard in PACKAGES. 77: not there."""

import csv
import json
import math
import subprocess
import sys
import tempfile
import warnings

writer, packages = sys.argv[1:]
sys.path.insert(0, packages)
try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.trial import TrialState
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)
folder = tempfile.TemporaryDirectory()
subprocess.run([writer, folder.name], check=True, stdout=subprocess.DEVNULL)
study_folder = f"{folder.name}/study"
lines = [json.loads(line) for line in open(f"{study_folder}/trials.jsonl")]
rows = list(csv.DictReader(open(f"{study_folder}/trials.csv")))
assert [line["trial"] for line in lines] == [int(row["trial"]) for row in rows] == list(range(len(lines)))

# Optuna
storage = JournalStorage(JournalFileBackend(f"{study_folder}/study.journal"))
study = optuna.load_study(study_name="study", storage=storage)
assert study.direction == optuna.study.StudyDirection.MINIMIZE and study.metric_names == ["loss"]
states = {"complete": TrialState.COMPLETE, "stopped": TrialState.PRUNED, "failed": TrialState.FAIL}
assert len(study.trials) == len(lines)
for trial, line, row in zip(study.trials, lines, rows):
    assert trial.state == states[line["status"]] == states[row["status"]], (trial, line)
    assert trial.params == line["params"], (trial.params, line["params"])
    assert trial.value == line["value"] or math.isnan(trial.value) and math.isnan(line["value"])
    assert len(trial.intermediate_values) == line["reports"] == int(row["reports"])
    assert trial.user_attrs.get("metrics", {}).get("epoch") == line["metrics"].get("epoch")
    assert trial.user_attrs.get("error") == line.get("error")
    assert trial.datetime_complete >= trial.datetime_start
    for name, value in trial.params.items():
        assert row[f"param:{name}"].lower() == str(value).lower() or float(row[f"param:{name}"]) == value, (row, name)
failed = study.trials[3]
assert failed.user_attrs["error"] == 'std::runtime_error: the "third" trial' and failed.value is None
assert {type(trial.distributions["rate"]) for trial in study.trials} == {optuna.distributions.FloatDistribution}
assert study.trials[0].distributions["rate"] == optuna.distributions.FloatDistribution(1e-5, 1e-1, log=True)
assert study.trials[0].distributions["layers"] == optuna.distributions.IntDistribution(1, 4)
best = min((line for line in lines if line["status"] == "complete"), key=lambda line: line["value"])
assert study.best_trial.number == best["trial"] and study.best_value == best["value"]
assert any(trial.state == TrialState.PRUNED for trial in study.trials)
# A searcher of theirs goes on from it.
theirs = optuna.create_study(storage=storage, study_name="study", load_if_exists=True,
                             sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=2))
suggested = theirs.ask()
assert 1e-5 <= suggested.suggest_float("rate", 1e-5, 1e-1, log=True) <= 1e-1

# TensorBoard
def hparams(path, tag):
    board = EventAccumulator(path).Reload()
    content = board.SummaryMetadata(tag).plugin_data
    assert content.plugin_name == "hparams"
    return board, plugin_data_pb2.HParamsPluginData.FromString(content.content)

_, experiment = hparams(study_folder, "_hparams_/experiment")
assert experiment.experiment.name == "study"
assert {info.name for info in experiment.experiment.hparam_infos} == {"rate", "layers", "kernel", "gamma", "balanced"}
assert {info.name: info.type for info in experiment.experiment.hparam_infos}["kernel"] == 1
assert [info.name.tag for info in experiment.experiment.metric_infos] == ["loss"]
for line in lines:
    if line["reports"] == 0:
        continue
    path = f"{study_folder}/trial_{line['trial']:05}"
    board, start = hparams(path, "_hparams_/session_start_info")
    given = {name: getattr(value, value.WhichOneof("kind")) for name, value in start.session_start_info.hparams.items()}
    assert given == line["params"] == json.load(open(f"{path}/params.json")), (given, line["params"])
    _, end = hparams(path, "_hparams_/session_end_info")
    assert end.session_end_info.status == 1 and end.session_end_info.end_time_secs >= start.session_start_info.start_time_secs
    curve = board.Scalars("loss")
    assert [event.step for event in curve] == list(range(1, line["reports"] + 1))
    log = [json.loads(each) for each in open(f"{path}/result.json")]
    assert [round(each["loss"], 4) for each in log if not math.isnan(each["loss"])] == \
        [round(event.value, 4) for event in curve if not math.isnan(event.value)]
print("read by optuna, tensorboard, json and csv")
