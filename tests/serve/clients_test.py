"""clients_test.py HTTP_ECHO: clients that people use, and signals. What is not installed is left out."""

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys

program = sys.argv[1]


def start():
    server = subprocess.Popen([program], stdout=subprocess.PIPE, text=True)
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
