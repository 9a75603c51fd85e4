"""clients_test.py SERVE_ECHO PACKAGES: clients that people use, and signals. What is not installed is left out."""

import atexit
import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys

program, packages = sys.argv[1:]
sys.path.insert(0, packages)


def start():
    server = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
    atexit.register(server.kill)  # also where the test fails
    return server, server.stdout.readline().strip()


server, address = start()
host, port = address.rsplit(":", 1)

# --- http.client
connection = http.client.HTTPConnection(host, int(port))
for method in ("GET", "POST", "HEAD"):
    connection.request(method, "/echo?a=b", body=b"x" * 10 if method == "POST" else None, headers={"X-A": "b"})
    response = connection.getresponse()
    body = response.read()
    assert response.status == 200 and response.getheader("Date"), (method, response.status)
    assert method == "HEAD" or json.loads(body)["method"] == method, body
    assert method != "HEAD" or body == b""
connection.request("POST", "/echo", body=iter([b"abc", b"def" * 1000]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
assert json.loads(connection.getresponse().read())["body"] == "abc" + "def" * 1000
print("http.client: ok")

# --- curl
if shutil.which("curl"):
    def curl(*options):
        done = subprocess.run(["curl", "-sS", "-i", "--max-time", "30", *options], capture_output=True, text=True)
        assert done.returncode == 0, (options, done)
        return done.stdout

    url = f"http://{address}/echo"
    first = curl("--http1.0", url)
    assert first.startswith("HTTP/1.1 200") and "Connection: close" in first, first
    both = curl("--http1.0", "-H", "Connection: keep-alive", url, url)
    assert both.count("Connection: keep-alive") == 2, both
    assert "HTTP/1.1 200" in curl("-I", url)
    assert '"method":"PUT"' not in curl("-X", "PUT", url)
    large = "x" * 2_000_000
    for options in (["-H", "Expect:"], ["-H", "Expect: 100-continue"], ["-H", "Transfer-Encoding: chunked"],
                    ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"]):
        done = subprocess.run(["curl", "-sS", "--max-time", "30", "--data-binary", "@-", *options, url], input=large, capture_output=True, text=True)
        assert done.returncode == 0 and json.loads(done.stdout)["body"] == large, (options, done.stderr)
    print("curl: ok")
else:
    print("curl: not installed, left out")

# --- ab: HTTP/1.0 with Connection: Keep-Alive
if shutil.which("ab"):
    for options in (["-k"], []):
        done = subprocess.run(["ab", "-q", "-n", "2000", "-c", "16", *options, f"http://{address}/echo"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and re.search(r"Failed requests: +0\b", done.stdout) and "Non-2xx" not in done.stdout, done
        kept = re.search(r"Keep-Alive requests: +(\d+)", done.stdout)
        assert not options or int(kept.group(1)) == 2000, done.stdout
    print("ab: ok")
else:
    print("ab: not installed, left out")

# --- Triton's client: NaN and infinities as JSON and as binary data, there and back; what does not fit is refused
try:
    import numpy as np
    import tritonclient.http as triton
    from tritonclient.utils import InferenceServerException
except (ImportError, RuntimeError) as error:
    print(f"tritonclient: {error}, left out")
else:
    asked = np.array([[1.5, np.nan], [np.inf, -np.inf]], dtype=np.float32)
    client = triton.InferenceServerClient(address)
    for binary in (True, False):
        for wanted in (True, False):
            given = triton.InferInput("x", asked.shape, "FP32").set_data_from_numpy(asked, binary_data=binary)
            outputs = [triton.InferRequestedOutput("y", binary_data=wanted)]
            answer = client.infer("same", [given], outputs=outputs).as_numpy("y")
            assert np.array_equal(answer, asked, equal_nan=True), answer
    for shape, data in (([1, 2], [[1e39, 1]]), ([2, 2], [[1, 2], [3, 4, 5]]), ([2, 2], [[1, 2, 3, 4]]), ([1, 3], [[1, 2, 3]])):
        body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": shape, "data": data}]}
        connection.request("POST", "/v2/models/same/infer", body=json.dumps(body))
        response = connection.getresponse()
        assert response.status == 400 and b"input 'x'" in response.read(), (shape, data, response.status)
    wrong = triton.InferInput("x", [3, 2], "FP32").set_data_from_numpy(np.zeros((3, 2), np.float32))
    try:
        client.infer("same", [wrong])
        raise AssertionError("an output that is not what info() says was sent")
    except InferenceServerException as error:
        assert error.status() == "500" and "its info() says" in str(error), error
    print("tritonclient: ok")

# --- signals: the first lets what is under way end, the second does not
slow = socket.create_connection((host, int(port)))
slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
idle = socket.create_connection((host, int(port)))
idle.settimeout(30)
connection.request("GET", "/echo")
assert connection.getresponse().read()  # so the server has read what came before
server.send_signal(signal.SIGINT)
assert idle.recv(1) == b"", "an idle connection is closed at the first"
assert server.poll() is None, "a request is under way"
server.send_signal(signal.SIGINT)
assert server.wait(10) == -signal.SIGINT, server.returncode
server, address = start()
server.send_signal(signal.SIGTERM)
assert server.wait(30) == 0
print("signals: ok")
