"""svm_test.py PROGRAM DIGITS PACKAGES [COUNT]: the candidates of the example svm_digits and their scores are those of
scikit-learn in PACKAGES. 77: that is not there."""

import json
import os
import subprocess
import sys
import tempfile

program, digits, packages = sys.argv[1:4]
count = int(sys.argv[4]) if len(sys.argv) > 4 else 12
sys.path.insert(0, packages)
os.environ["PYTHONPATH"] = packages  # of the processes that joblib starts
if not os.path.exists(digits):
    print(f"skipped: no {digits}; cmake/deps.sh digits brings it")
    sys.exit(77)
try:
    import numpy as np
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.svm import SVC
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh sklearn installs what is missing")
    sys.exit(77)

with tempfile.TemporaryDirectory() as storage:
    out = subprocess.run([program, "--data", digits, "--candidates", str(count), "--each", "--storage", storage], check=True,
                         capture_output=True, text=True)
ours = [json.loads(line) for line in out.stdout.splitlines() if line.startswith("{")]

table = np.loadtxt(digits, delimiter=",")
space = {"C": np.logspace(-6, 6, 30), "gamma": np.logspace(-8, 8, 30), "tol": np.logspace(-4, -1, 30),
         "class_weight": [None, "balanced"]}
search = RandomizedSearchCV(SVC(kernel="rbf"), space, cv=5, n_iter=count, random_state=0, n_jobs=2, refit=False)
search.fit(table[:, :64], table[:, 64].astype(int))

assert len(ours) == count
wrong = 0
for mine, params, score in zip(ours, search.cv_results_["params"], search.cv_results_["mean_test_score"]):
    for name in ("C", "gamma", "tol"):
        assert abs(mine[name] / params[name] - 1) < 1e-12, (mine, params)
    assert mine["class_weight"] == (params["class_weight"] or "none"), (mine, params)
    if abs(mine["accuracy"] - score) > 1e-12:
        print(f"{mine['accuracy']} instead of {score}: {params}")
        wrong += 1
assert wrong == 0, f"{wrong} of {count} scores differ"
print(f"{count} candidates, the same scores; the best is {search.best_score_:.6f}")
