"""cli_test.py MANTA WRITER PACKAGES: `manta serve` of a TorchScript file, asked by Triton's own client, by wrk while it is
updated and its replicas are killed, and ended by SIGTERM. 77: a package is missing."""

import atexit
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

manta, writer, packages = sys.argv[1:]
sys.path.insert(0, packages)
try:
    import numpy as np
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException
except (ImportError, RuntimeError) as error:
    print(f"skipped: {error}; cmake/deps.sh python installs what is missing")
    sys.exit(77)

folder = tempfile.TemporaryDirectory()
model = f"{folder.name}/model.pt"
subprocess.run([writer, model], check=True)


def start(*options):
    server = subprocess.Popen([manta, "serve", model, "--name", "m", "--port", "0", *options], stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)  # also where the test fails
    line = server.stdout.readline()
    address = re.search(r"http://([^/]+)/v2/models/m", line)
    assert address, f"it said {line!r}"
    return server, address.group(1)


def processes(pid, wanted="manta-worker"):
    """Processes of that name below pid; all replicas are workers."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat") as file:
                parent[int(entry)] = int(file.read().rsplit(")", 1)[1].split()[1])
            with open(f"/proc/{entry}/comm") as file:
                name = file.read().strip()
        except OSError:
            continue
        if name == wanted:
            found.append(int(entry))
    def below(child):
        while child > 1:
            child = parent.get(child, 0)
            if child == pid:
                return True
        return False
    return [child for child in found if below(child)]


parent = {}


def ask(client, rows, binary, **options):
    a = np.arange(rows * 3, dtype=np.float32).reshape(rows, 3)
    b = np.ones((rows, 3), dtype=np.float32)
    inputs = [triton.InferInput("a", a.shape, "FP32"), triton.InferInput("b", b.shape, "FP32")]
    inputs[0].set_data_from_numpy(a, binary_data=binary)
    inputs[1].set_data_from_numpy(b, binary_data=binary)
    result = client.infer("m", inputs, **options)
    return 2 * a + b, result


# --- Triton's client
server, address = start("--replicas", "2", "--max-batch-size", "32", "--output", "scaled:FP32:-1,3", "--output", "total:FP32:-1")
client = triton.InferenceServerClient(address, concurrency=4)
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("m")
assert not client.is_model_ready("other")
metadata = client.get_model_metadata("m")
assert metadata["inputs"] == [{"name": "a"}, {"name": "b"}], metadata  # nothing else is known of them
assert metadata["outputs"][0] == {"name": "scaled", "datatype": "FP32", "shape": [-1, 3]}, metadata
assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
config = client.get_model_config("m")
assert config["output"][0] == {"name": "scaled", "data_type": "TYPE_FP32", "dims": [3]} and config["max_batch_size"] == 32, config
assert client.get_model_repository_index()[0]["name"] == "m"
for binary in (True, False):
    for wanted in (None, True, False):
        outputs = None if wanted is None else [triton.InferRequestedOutput(n, binary_data=wanted) for n in ("total", "scaled")]
        expected, result = ask(client, 4, binary, outputs=outputs, request_id="7")
        assert np.array_equal(result.as_numpy("scaled"), expected), result.get_response()
        assert np.array_equal(result.as_numpy("total"), expected.sum(1))
        assert result.get_response()["id"] == "7" and result.get_response()["model_name"] == "m"
many = []
for rows in range(1, 17):  # of many sizes at once: computed together, given back apart
    a = np.full((rows, 3), rows, dtype=np.float32)
    inputs = [triton.InferInput("a", a.shape, "FP32"), triton.InferInput("b", a.shape, "FP32")]
    for each in inputs:
        each.set_data_from_numpy(a)
    many.append((a, client.async_infer("m", inputs)))
for a, future in many:
    assert np.array_equal(future.get_result().as_numpy("scaled"), 3 * a)
wrong = [triton.InferInput("a", [1, 3], "FP32"), triton.InferInput("b", [1, 4], "FP32")]
wrong[0].set_data_from_numpy(np.zeros((1, 3), np.float32))
wrong[1].set_data_from_numpy(np.zeros((1, 4), np.float32))
try:
    client.infer("m", wrong)
    raise AssertionError("shapes that do not fit were taken")
except InferenceServerException as error:
    assert "The size of tensor a (3) must match" in str(error) and error.status() == "500", error
try:
    client.infer("m", wrong[:1])
    raise AssertionError("an input is missing")
except InferenceServerException as error:
    assert "there is no input 'b'" in str(error), error
assert client.get_inference_statistics("m")["model_stats"][0]["inference_count"] >= 22
print("tritonclient: ok")

# --- wrk, while the model is loaded anew and replicas are killed
seconds = int(os.environ.get("MANTA_WRK_SECONDS", "4"))
if shutil.which("wrk"):
    script = f"{folder.name}/post.lua"
    body = {"inputs": [{"name": n, "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]} for n in "ab"]}
    with open(script, "w") as file:
        file.write(f"wrk.method='POST'\nwrk.body='{json.dumps(body)}'\n"
                   "bad = 0\nfunction response(status, headers, body)\n"
                   "  if not body:find('%[3.0,6.0,9.0%]') then bad = bad + 1 end\nend\n"
                   "function setup(thread) t = thread end\n"
                   "function done() print('wrong bodies: ' .. t:get('bad')) end\n")
    wrk = subprocess.Popen(["wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout", "10s", "-s", script, f"http://{address}/v2/models/m/infer"],
                           stdout=subprocess.PIPE, text=True)
    updates = kills = 0

    def watch():
        global updates
        for line in server.stdout:
            assert "loaded anew" in line and "not loaded" not in line, line
            updates += 1

    threading.Thread(target=watch, daemon=True).start()
    end = time.monotonic() + seconds - 1
    while time.monotonic() < end:
        before = updates
        server.send_signal(signal.SIGHUP)
        limit = time.monotonic() + 20
        while updates == before and time.monotonic() < limit:
            time.sleep(0.01)
        assert updates > before, "no update within 20 s"
        for replica in processes(server.pid):
            try:
                os.kill(replica, signal.SIGKILL)
                kills += 1
            except ProcessLookupError:
                pass  # one that had been replaced, and has ended meanwhile
        time.sleep(0.2)
    printed = wrk.communicate(timeout=60)[0]
    assert wrk.returncode == 0 and "Non-2xx" not in printed and "Socket errors" not in printed, printed
    assert "wrong bodies: 0" in printed, printed
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", printed).group(1))
    assert rate > 100, printed
    print(f"wrk: {seconds} s at 64 connections, {updates} updates, {kills} kills: {rate:.0f} requests/s, no error")
else:
    print("wrk: not installed, skipped")
children = processes(server.pid)
server.send_signal(signal.SIGTERM)
assert server.wait(20) == 0
assert children and not [pid for pid in children if os.path.exists(f"/proc/{pid}")], "workers are left"

# --- declared inputs are checked; the node process is killed under the server
server, address = start("--input", "a:FP32:-1,3", "--input", "b:FP32:-1,3")
client = triton.InferenceServerClient(address)
try:
    client.infer("m", wrong)
    raise AssertionError("a shape that is not declared was taken")
except InferenceServerException as error:
    assert "input 'b' has the shape [1,4], the model takes [-1,3]" in str(error) and error.status() == "400", error
[node] = processes(server.pid, "manta-node")
os.kill(node, signal.SIGKILL)
assert server.wait(20) == 1, "the program goes on without anything that computes"

# --- what cannot be served
refused = subprocess.run([manta, "serve", writer, "--port", "0"], capture_output=True, text=True, timeout=60)
assert refused.returncode == 1 and "is no TorchScript model that can be loaded" in refused.stderr, refused
refused = subprocess.run([manta, "serve", model, "--port", "0", "--input", "x"], capture_output=True, text=True, timeout=60)
assert refused.returncode == 1 and "is not NAME:TYPE:SIZES" in refused.stderr, refused
refused = subprocess.run([manta, "serve", "/nowhere.pt"], capture_output=True, text=True, timeout=60)
assert refused.returncode != 0 and "/nowhere.pt" in refused.stderr, refused
print("ok")
