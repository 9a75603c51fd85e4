"""Optuna's side of tune_pareto.cc: medians of 20 seeds. Usage: tune_pareto.py PYTHON_FOLDER"""
import json
import math
import statistics
import sys
import time
import warnings

sys.path.insert(0, sys.argv[1])
warnings.simplefilter("ignore")
import numpy as np
import optuna
from optuna._hypervolume import compute_hypervolume

optuna.logging.set_verbosity(optuna.logging.ERROR)


def zdt(kind):
    def function(x):
        g = 1 + 9 * sum(x[1:]) / (len(x) - 1)
        share = x[0] / g
        if kind == 1:
            return x[0], g * (1 - math.sqrt(share))
        if kind == 2:
            return x[0], g * (1 - share**2)
        return x[0], g * (1 - math.sqrt(share) - share * math.sin(10 * math.pi * x[0]))

    return function


def dtlz2(x):
    g = sum((each - 0.5) ** 2 for each in x[2:])
    a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
    return (1 + g) * math.cos(a) * math.cos(b), (1 + g) * math.cos(a) * math.sin(b), (1 + g) * math.sin(a)


SAMPLERS = {
    "NSGA-II": lambda seed: optuna.samplers.NSGAIISampler(seed=seed),
    "TPE": lambda seed: optuna.samplers.TPESampler(seed=seed),
    "TPE multivariate": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
}
PROBLEMS = {
    "ZDT1": (zdt(1), 10, [1.1, 7.0]),
    "ZDT2": (zdt(2), 10, [1.1, 7.0]),
    "ZDT3": (zdt(3), 10, [1.1, 7.0]),
    "DTLZ2": (dtlz2, 12, [2.5, 2.5, 2.5]),
}

for name, (function, parameters, reference) in PROBLEMS.items():
    for searcher, make in SAMPLERS.items():
        volumes, start = [], time.monotonic()
        for seed in range(20):
            study = optuna.create_study(directions=["minimize"] * len(reference), sampler=make(seed))
            study.optimize(
                lambda trial: function([trial.suggest_float(f"x{i}", 0, 1) for i in range(parameters)]), n_trials=200
            )
            values = np.array([trial.values for trial in study.best_trials])
            values = values[(values < np.array(reference)).all(axis=1)]  # the others add nothing
            volumes.append(float(compute_hypervolume(values, np.array(reference))))
        each = 1e3 * (time.monotonic() - start) / 20 / 200
        print(
            json.dumps(
                {
                    "bench": f"pareto: {name}, 200 trials, {searcher}, optuna: median hypervolume",
                    "value": round(statistics.median(volumes), 4),
                    "min": round(min(volumes), 4),
                    "max": round(max(volumes), 4),
                    "ms_per_trial": round(each, 3),
                }
            ),
            flush=True,
        )
