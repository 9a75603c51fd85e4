"""soak_test.py MANTA WRITER: wrk asks `manta serve` at 64 connections while a replica is killed every 5 s and the model's file
is away for 1 s of every 10: no request fails. MANTA_SOAK_SECONDS says for how long (300; by hand: 1800)."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

manta, writer = sys.argv[1:]
if not shutil.which("wrk"):
    print("skipped: wrk is not installed")
    sys.exit(77)
seconds = int(os.environ.get("MANTA_SOAK_SECONDS", "300"))
folder = tempfile.TemporaryDirectory()
model = f"{folder.name}/model.pt"
subprocess.run([writer, model], check=True)


def replicas_of(pid):
    """The two workers with the most memory: other ones have not loaded a model."""
    parent, pages = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as file:
                name, fields = file.read().rsplit(")", 1)
            with open(f"/proc/{entry}/statm") as file:
                if name.endswith("(manta-worker"):
                    pages[int(entry)] = int(file.read().split()[1])
        except OSError:
            continue
        parent[int(entry)] = int(fields.split()[1])

    def below(child):
        while child > 1 and child != pid:
            child = parent.get(child, 0)
        return child == pid

    return sorted(filter(below, pages), key=pages.get)[-2:]


server = subprocess.Popen([manta, "serve", model, "--name", "m", "--port", "0", "--replicas", "2", "--max-batch-size", "32"],
                          stdout=subprocess.PIPE, text=True)
try:
    address = re.search(r"http://([^/]+)/v2/models/m", server.stdout.readline()).group(1)
    body = {"inputs": [{"name": n, "datatype": "FP32", "shape": [1, 3], "data": [1, 2, 3]} for n in "ab"]}
    with open(f"{folder.name}/post.lua", "w") as file:
        file.write(f"wrk.method='POST'\nwrk.body='{json.dumps(body)}'\n"
                   "bad = 0\nfunction response(status, headers, body)\n"
                   "  if not body:find('%[3.0,6.0,9.0%]') then bad = bad + 1 end\nend\n"
                   "function setup(thread) t = thread end\n"
                   "function done() print('wrong bodies: ' .. t:get('bad')) end\n")
    wrk = subprocess.Popen(["wrk", "-t1", "-c64", f"-d{seconds}s", "--timeout", "20s", "-s", f"{folder.name}/post.lua",
                            f"http://{address}/v2/models/m/infer"], stdout=subprocess.PIPE, text=True)
    kills, away, second = 0, 0, 0
    while wrk.poll() is None:
        if second % 10 == 4:
            os.rename(model, model + ".away")
            away += 1
        if second % 5 == 0 and second > 0:
            victim = random.choice(replicas_of(server.pid))
            os.kill(victim, signal.SIGKILL)
            kills += 1
        if second % 10 == 5:
            time.sleep(0.2)
            os.rename(model + ".away", model)
        second += 1
        try:
            wrk.wait(1)
        except subprocess.TimeoutExpired:
            pass
    printed = wrk.communicate()[0]
    print(printed)
    assert "Non-2xx" not in printed and "Socket errors" not in printed and "wrong bodies: 0" in printed, "requests failed"
    assert kills > 0 and away > 0 and server.poll() is None
    print(f"{seconds} s, {kills} kills, the file {away} times away: no request failed")
finally:
    server.terminate()
    server.wait(20)
