"""peers_test.py WRITER PACKAGES: what WRITER writes, read by safetensors and tensorboard in PACKAGES. 77: not there."""

import csv
import io
import json
import math
import pickle
import pickletools
import subprocess
import sys
import tempfile
import zipfile

writer, packages = sys.argv[1:]
sys.path.insert(0, packages)
try:
    import numpy as np
    from safetensors import safe_open
    from safetensors.numpy import load_file, save_file
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
except ImportError as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

folder = tempfile.TemporaryDirectory()
subprocess.run([writer, folder.name], check=True)

model = load_file(f"{folder.name}/checkpoint/model.safetensors")
assert model["0.weight"].tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]], model["0.weight"]
buffers = ["1.num_batches_tracked", "1.running_mean", "1.running_var"]
assert sorted(model) == ["0.bias", "0.weight", "1.bias", *buffers, "1.weight"], sorted(model)
with safe_open(f"{folder.name}/checkpoint/model.safetensors", "np") as file:
    assert file.metadata() == {"format": "pt"}, file.metadata()

# torch.load of Python allows these names in a pickle by default (weights_only=True): here without torch.
with zipfile.ZipFile(f"{folder.name}/checkpoint/optimizer.pt") as archive:
    root = archive.namelist()[0].split("/")[0]
    assert {f"{root}/data.pkl", f"{root}/version"} <= set(archive.namelist()), archive.namelist()
    assert f"{root}/constants.pkl" not in archive.namelist()  # else it is TorchScript
    data = archive.read(f"{root}/data.pkl")
allowed = {"torch._utils _rebuild_tensor_v2", "torch FloatStorage", "torch LongStorage", "collections OrderedDict"}
used = {argument for opcode, argument, _ in pickletools.genops(data) if opcode.name == "GLOBAL"}
assert used <= allowed, used - allowed
assert not {"REDUCE_EX", "INST", "OBJ", "NEWOBJ", "STACK_GLOBAL"} & {opcode.name for opcode, _, _ in pickletools.genops(data)}


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return lambda *arguments: (name, arguments)

    def persistent_load(self, storage):
        return storage


optimizer = Unpickler(io.BytesIO(data)).load()
assert set(optimizer) == {"pytorch_version", "state", "param_groups"}, optimizer
assert len(optimizer["state"]) == 4  # a weight and a bias of two layers
assert all(set(each) >= {"step", "exp_avg", "exp_avg_sq"} for each in optimizer["state"].values()), optimizer["state"]

types = load_file(f"{folder.name}/types.safetensors")
names = {"Bool": "bool", "Byte": "uint8", "Char": "int8", "Short": "int16", "UInt16": "uint16", "Int": "int32",
         "Long": "int64", "Half": "float16", "Float": "float32", "Double": "float64"}
for name, dtype in names.items():
    assert types[name].dtype == np.dtype(dtype) and types[name].tolist() == [0, 1, 1, 0, 1], name
assert types["scalar"].shape == () and types["scalar"] == 0.1
assert types["empty"].shape == (0, 3)

board = EventAccumulator(f"{folder.name}/board").Reload()
assert board.Tags()["scalars"] == ["train/loss", "nan"], board.Tags()
expected = [(step * 1000, float(np.float32(1 / (1 + step)))) for step in range(5)]
assert [(event.step, event.value) for event in board.Scalars("train/loss")] == expected
assert math.isnan(board.Scalars("nan")[0].value)
assert board.Tags()["tensors"] == ["note"]
text = board.Tensors("note")[0]
assert text.step == 3 and text.tensor_proto.string_val[0].decode() == "*hello* wörld"
assert board.SummaryMetadata("note").plugin_data.plugin_name == "text"

lines = [json.loads(line) for line in open(f"{folder.name}/log/result.json")]
assert [line["training_iteration"] for line in lines] == [1, 2] and math.isnan(lines[1]["loss"])
rows = list(csv.DictReader(open(f"{folder.name}/log/progress.csv")))
assert [(row["loss"], row["accuracy"]) for row in rows] == [("0.5", ""), ("nan", "0.9")], rows

# The other way round: a file of the package's own, by the reader of this one.
theirs = f"{folder.name}/theirs.safetensors"
save_file({"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([True])}, theirs, {"k": "v"})
found = subprocess.run([writer, "--read", theirs], check=True, capture_output=True, text=True).stdout
assert found == "a Float [2, 3] 15\nb Bool [1] 1\nk v\n", found
print("read by safetensors, tensorboard, json and csv")
