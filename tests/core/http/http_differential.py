"""http_differential.py PACKAGES MESSAGES HTTP_ECHO [SERVE_ECHO]: the same messages to Manta's server, nginx, and uvicorn with h11 and with
httptools. Each message is followed by a well-formed request on the same connection, which tells where a server believes that the
message ended. serve's front end, SERVE_ECHO, must not differ from the server at all. A difference from the others must be a row of
http_differences.tsv, which names the paragraph of the RFC that allows ours.
MANTA_SEED: of the messages. MANTA_UPDATE: a file for the rows that were seen. 77: there is neither peer."""

import asyncio
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import collections

packages, count, program, others = sys.argv[1], int(sys.argv[2]), sys.argv[3], [each for each in sys.argv[4:] if each]
seed = int(os.environ.get("MANTA_SEED", "1"))
table_file = os.path.join(os.path.dirname(os.path.abspath(__file__)), "http_differences.tsv")
NEXT = b"GET /echo?next HTTP/1.1\r\nHost: next\r\nConnection: close\r\n\r\n"
QUIET = 1.5  # seconds without a byte, after which our side of the connection ends

# --- messages, by family: each gets a random.Random and returns bytes


def head(r, method="GET", target="/echo", version="HTTP/1.1", fields=(), host=b"Host: x", start=b""):
    """fields: lines without their end, as bytes; put among harmless ones in random order."""
    harmless = [b"Accept: */*", b"User-Agent: a/1.0 (b; c)", b"X-Trace: " + bytes(r.choices(b"abcdef0123456789", k=16)), b"Cookie: a=b; c=d",
                b"Accept-Language: de, en;q=0.5"]
    lines = r.sample(harmless, r.randrange(3)) + [fields_of(r, f) for f in fields]
    if host is not None:
        lines.insert(r.randrange(len(lines) + 1) if not start else 0, fields_of(r, host))
    return start + f"{method} {target} {version}\r\n".encode() + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def fields_of(r, line):
    name, colon, value = line.partition(b":")
    return r.choice([name, name.lower(), name.upper()]) + colon + value if r.random() < 0.5 else line


def text(r):
    return bytes(r.choices(b"abcdefghij=&{}[] ", k=r.randrange(1, 40)))


def with_length(r, value=None, more=(), body=None, name=b"Content-Length: "):
    body = text(r) if body is None else body
    value = str(len(body)).encode() if value is None else value(len(body))
    return head(r, "POST", fields=[name + value, *more]) + body


def chunks(r, size=lambda n: b"%x" % n, end=b"\r\n", data_end=b"\r\n", last=b"0\r\n\r\n", extension=b""):
    out = b""
    for _ in range(r.randrange(1, 4)):
        data = text(r)
        out += size(len(data)) + extension + end + data + data_end
    return out + last


def with_chunks(r, coding=b"Transfer-Encoding: chunked", more=(), version="HTTP/1.1", **how):
    return head(r, "POST", version=version, fields=[coding, *more]) + chunks(r, **how)


def smuggled(r):
    return b"GET /echo?smuggled HTTP/1.1\r\nHost: y\r\n\r\n"


families = {
    # accepted by all three servers
    "get": lambda r: head(r, r.choice(["GET", "GET", "HEAD", "POST"])),
    "body": with_length,
    "body zero": lambda r: with_length(r, body=b""),
    "body leading zeros": lambda r: with_length(r, lambda n: b"00%d" % n),
    "body spaces around length": lambda r: with_length(r, lambda n: b" \t%d \t" % n),
    "body of a GET": lambda r: head(r, "GET", fields=[b"Content-Length: 3"]) + b"abc",
    "chunked": with_chunks,
    "chunked in capitals": lambda r: with_chunks(r, b"Transfer-Encoding: " + r.choice([b"Chunked", b"CHUNKED"])),
    "chunked spaces around": lambda r: with_chunks(r, b"Transfer-Encoding:\t chunked \t"),
    "chunk size capitals and zeros": lambda r: with_chunks(r, size=lambda n: b"00%X" % n),
    "chunk extension": lambda r: with_chunks(r, extension=r.choice([b";a", b";a=b", b";a=b;c", b';a="b c"'])),
    "trailers": lambda r: with_chunks(r, last=b"0\r\nX-Sum: abc\r\n\r\n"),
    "version 1.0": lambda r: head(r, version="HTTP/1.0"),
    "version 1.0 without host": lambda r: head(r, version="HTTP/1.0", host=None),
    "version 1.0 keep-alive": lambda r: head(r, version="HTTP/1.0", fields=[b"Connection: " + r.choice([b"keep-alive", b"Keep-Alive"])]),
    "connection close": lambda r: head(r, fields=[b"Connection: " + r.choice([b"close", b"Close", b"foo, close"])]),
    "connection keep-alive": lambda r: head(r, fields=[b"Connection: " + r.choice([b"keep-alive", b"foo", b"te, foo"])]),
    "absolute form": lambda r: head(r, target=r.choice(["http://x/echo", "HTTP://x:80/echo?a=b"])),
    "absolute form other host": lambda r: head(r, target="http://other/echo"),
    "query": lambda r: head(r, target="/echo?" + r.choice(["a=b", "a=%20&b=%C3%A9", "?", "/x?y", "a;b:c@d!$'()*,"])),
    "query of browsers": lambda r: head(r, target="/echo?" + r.choice(["a[0]=1", "a|b", "{a}", "^", "`"])),
    "percent path": lambda r: head(r, target=r.choice(["/%65cho", "/ech%6f", "/%65%63%68%6F"])),
    "dot segments": lambda r: head(r, target=r.choice(["/./echo", "/a/../echo", "/%2e/echo"])),
    "empty segments": lambda r: head(r, target=r.choice(["//echo", "/a//../echo"])),
    "nowhere": lambda r: head(r, target="/" + "".join(r.choices("abcdef", k=8))),
    "field empty": lambda r: head(r, fields=[b"X-Empty:" + r.choice([b"", b" ", b"\t"])]),
    "field obs-text": lambda r: head(r, fields=[b"X-Text: \xc3\xa9"]),
    "field tab": lambda r: head(r, fields=[b"X-Text: a\tb"]),
    "field name odd": lambda r: head(r, fields=[r.choice([b"X!#$%&'*+.^`|~", b"X_y", b"1"]) + b": a"]),
    "empty line before": lambda r: head(r, start=b"\r\n"),
    "host with port": lambda r: head(r, host=r.choice([b"Host: x:80", b"Host: [::1]:80", b"Host: 127.0.0.1"])),
    "host empty": lambda r: head(r, host=b"Host:"),
    "expect": lambda r: with_length(r, more=[b"Expect: 100-continue"]),
    "upgrade": lambda r: head(r, fields=[b"Connection: upgrade", b"Upgrade: foo/1"]),
    # CL.TE, TE.CL
    "both length first": lambda r: head(r, "POST", fields=[b"Content-Length: %d" % r.choice([0, 4, 5, 30]), b"Transfer-Encoding: chunked"]) + b"0\r\n\r\n" + smuggled(r),
    "both coding first": lambda r: head(r, "POST", fields=[b"Transfer-Encoding: chunked", b"Content-Length: 4"]) + b"27\r\n" + smuggled(r)[:39] + b"\r\n0\r\n\r\n",
    "both coding identity": lambda r: with_length(r, more=[b"Transfer-Encoding: identity"]),
    # TE.TE
    "coding unknown": lambda r: with_chunks(r, b"Transfer-Encoding: " + r.choice([b"xchunked", b"gzip", b"identity", b"cow", b"chunke", b"chunkedd"])),
    "coding then chunked": lambda r: with_chunks(r, b"Transfer-Encoding: " + r.choice([b"gzip, chunked", b"cow, chunked", b"deflate,chunked"])),
    "chunked then coding": lambda r: with_chunks(r, b"Transfer-Encoding: chunked, " + r.choice([b"gzip", b"identity", b"cow"])),
    "identity then chunked": lambda r: with_chunks(r, b"Transfer-Encoding: identity, chunked"),
    "chunked twice": lambda r: with_chunks(r, b"Transfer-Encoding: chunked, chunked"),
    "chunked in two fields": lambda r: with_chunks(r, more=[b"Transfer-Encoding: chunked"]),
    "chunked and unknown in two fields": lambda r: with_chunks(r, more=[b"Transfer-Encoding: " + r.choice([b"cow", b"identity"])]),
    "coding with empty elements": lambda r: with_chunks(r, b"Transfer-Encoding: " + r.choice([b",chunked", b", ,chunked"])),
    "coding with empty last": lambda r: with_chunks(r, b"Transfer-Encoding: chunked,"),
    "coding with parameter": lambda r: with_chunks(r, b"Transfer-Encoding: chunked;a=b"),
    "coding quoted": lambda r: with_chunks(r, b'Transfer-Encoding: "chunked"'),
    "coding empty": lambda r: with_chunks(r, b"Transfer-Encoding:"),
    "coding with control": lambda r: with_chunks(r, b"Transfer-Encoding: " + r.choice([b"\x0bchunked", b"chunked\x0c", b"chunked\x00"])),
    "coding space before colon": lambda r: with_chunks(r, b"Transfer-Encoding : chunked"),
    "coding folded": lambda r: with_chunks(r, b"Transfer-Encoding:\r\n chunked"),
    "coding in version 1.0": lambda r: with_chunks(r, version="HTTP/1.0", more=[b"Connection: keep-alive"]),
    "coding name odd": lambda r: with_chunks(r, r.choice([b"Transfer_Encoding: chunked", b"Transfer-Encodin: chunked"])),
    # CL.CL
    "length twice same": lambda r: with_length(r, body=b"abc", more=[b"Content-Length: 3"]),
    "length twice different": lambda r: with_length(r, body=b"abc", more=[b"Content-Length: " + r.choice([b"0", b"4", b"30"])]),
    "length list same": lambda r: with_length(r, lambda n: b"%d, %d" % (n, n)),
    "length list different": lambda r: with_length(r, lambda n: b"%d, %d" % (n, n + 1)),
    "length with sign": lambda r: with_length(r, lambda n: r.choice([b"+", b"-"]) + b"%d" % n),
    "length hexadecimal": lambda r: with_length(r, lambda n: b"0x%x" % n),
    "length with letters": lambda r: with_length(r, lambda n: b"%d" % n + r.choice([b"a", b" 1", b";", b".0", b"e0", b"_0"])),
    "length empty": lambda r: with_length(r, lambda n: b""),
    "length space before colon": lambda r: with_length(r, name=b"Content-Length : "),
    "length folded": lambda r: with_length(r, name=b"Content-Length:\r\n "),
    "length huge": lambda r: with_length(r, lambda n: b"9" * r.choice([20, 30, 300])),
    "length wraps": lambda r: with_length(r, lambda n: b"%d" % ((1 << 64) + n)),
    # chunks
    "chunk size with prefix": lambda r: with_chunks(r, size=lambda n: r.choice([b"0x%x", b"+%x", b"-%x", b" %x", b"\t%x"]) % n),
    "chunk size with suffix": lambda r: with_chunks(r, size=lambda n: b"%x" % n + r.choice([b"g", b"h", b"_0", b".0"])),
    "chunk size then space": lambda r: with_chunks(r, size=lambda n: b"%x" % n + r.choice([b" ", b"\t", b"  "])),
    "chunk size empty": lambda r: with_chunks(r, size=lambda n: b""),
    "chunk size wraps": lambda r: with_chunks(r, size=lambda n: b"1%016x" % n),
    "chunk size long": lambda r: with_chunks(r, size=lambda n: b"0" * 40 + b"%x" % n),
    "chunk bare LF": lambda r: with_chunks(r, end=b"\n"),
    "chunk bare CR": lambda r: with_chunks(r, end=b"\r"),
    "chunk data bare LF": lambda r: with_chunks(r, data_end=b"\n"),
    "chunk data without end": lambda r: with_chunks(r, data_end=b""),
    "chunk too long": lambda r: with_chunks(r, data_end=b"x\r\n"),
    "chunk last bare LF": lambda r: with_chunks(r, last=b"0\n\n"),
    "chunk extension broken": lambda r: with_chunks(r, extension=r.choice([b";", b";=b", b";a=", b';a="b', b";a b"])),
    "chunk extension with control": lambda r: with_chunks(r, extension=r.choice([b";a\x00b", b";a=\x01", b";a\n"])),
    "chunk extension spaces": lambda r: with_chunks(r, extension=r.choice([b" ;a", b"; a=b", b";a = b"])),
    "chunk extension large": lambda r: with_chunks(r, extension=b";a=" + b"b" * 17000),
    "trailer broken": lambda r: with_chunks(r, last=b"0\r\n" + r.choice([b"X : a", b"X", b": a", b"X: a\x00"]) + b"\r\n\r\n"),
    "trailer folded": lambda r: with_chunks(r, last=b"0\r\nX: a\r\n b\r\n\r\n"),
    "trailer framing": lambda r: with_chunks(r, last=b"0\r\n" + r.choice([b"Content-Length: 5", b"Transfer-Encoding: chunked", b"Host: y"]) + b"\r\n\r\n"),
    "trailers large": lambda r: with_chunks(r, last=b"0\r\n" + b"X: aaaaaaaaaa\r\n" * 2000 + b"\r\n"),
    # lines
    "bare LF all": lambda r: head(r).replace(b"\r\n", b"\n"),
    "bare LF in head": lambda r: head(r, fields=[b"X: a\nY: b"]),
    "bare LF smuggles": lambda r: with_length(r, body=b"", more=[b"X: a\nTransfer-Encoding: chunked"]),
    "bare CR in value": lambda r: head(r, fields=[b"X: a\rY: b"]),
    "control in value": lambda r: head(r, fields=[b"X: a" + r.choice([b"\x01", b"\x0b", b"\x1f", b"\x7f"])]),
    "NUL in value": lambda r: head(r, fields=[b"X: a\x00b"]),
    "NUL in name": lambda r: head(r, fields=[b"X\x00Y: b"]),
    "space before colon": lambda r: head(r, fields=[b"X" + r.choice([b" ", b"\t"]) + b": a"]),
    "folded": lambda r: head(r, fields=[b"X: a\r\n" + r.choice([b" ", b"\t"]) + b"b"]),
    "space before first field": lambda r: head(r, host=b" Host: x", start=b""),
    "no colon": lambda r: head(r, fields=[b"nonsense"]),
    "name empty": lambda r: head(r, fields=[b": a"]),
    "name broken": lambda r: head(r, fields=[r.choice([b"X(", b"X/", b"X@y", b'"X"', b"X\xc3\xa9", b"X[0]", b"X y"]) + b": a"]),
    "field large": lambda r: head(r, fields=[b"X: " + b"a" * 70000]),
    "LF before": lambda r: head(r, start=b"\n"),
    # request lines
    "version 2.0": lambda r: head(r, version=r.choice(["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"])),
    "version 1.x": lambda r: head(r, version=r.choice(["HTTP/1.2", "HTTP/1.9"])),
    "version broken": lambda r: head(r, version=r.choice(["http/1.1", "HTTP/1", "HTTP/1.1.1", "HTTP/11", "HTTPS/1.1", "HTTP 1.1", "FTP/1.1", "HTTP/1.a"])),
    "version 01.1": lambda r: head(r, version=r.choice(["HTTP/01.1", "HTTP/1.01"])),
    "space after version": lambda r: head(r, version="HTTP/1.1" + r.choice([" ", "  ", "\t"])),
    "two spaces": lambda r: head(r).replace(b" ", b"  ", 1),
    "tab in request line": lambda r: head(r).replace(b" ", b"\t", 1),
    "space before method": lambda r: b" " + head(r),
    "no version": lambda r: b"GET /echo\r\nHost: x\r\n\r\n",
    "no target": lambda r: b"GET HTTP/1.1\r\nHost: x\r\n\r\n",
    "method lower": lambda r: head(r, r.choice(["get", "Get"])),
    "method unknown": lambda r: head(r, r.choice(["BREW", "GETX", "A-B"])),
    "method broken": lambda r: head(r, r.choice(["G@T", "GET:", "(GET)"])),
    "space in target": lambda r: head(r, target="/echo?a b"),
    "control in target": lambda r: head(r, target="/echo?" + r.choice(["\x01", "\x0b", "\x7f"])),
    "NUL in target": lambda r: head(r, target="/echo?\x00"),
    "target not ASCII": lambda r: head(r, target="/echo?\u00e9"),
    "target fragment": lambda r: head(r, target="/echo#a"),
    "target forbidden characters": lambda r: head(r, target="/echo?" + r.choice(["<", ">", '"'])),
    "percent broken in path": lambda r: head(r, target="/" + r.choice(["%zzecho", "echo%", "echo%4"])),
    "percent broken in query": lambda r: head(r, target="/echo?" + r.choice(["%", "%zz", "100%"])),
    "percent control in path": lambda r: head(r, target="/echo" + r.choice(["%00", "%0d%0a", "%1f"])),
    "above the root": lambda r: head(r, target="/../echo"),
    "target without slash": lambda r: head(r, target="echo"),
    "target star": lambda r: head(r, target="*"),
    "target long": lambda r: head(r, target="/echo?" + "a" * r.choice([9000, 70000])),
    "absolute form without host": lambda r: head(r, target=r.choice(["http:///echo", "http:/echo", "http:echo"])),
    "absolute form userinfo": lambda r: head(r, target="http://u:p@x/echo"),
    "absolute form other scheme": lambda r: head(r, target="ftp://x/echo"),
    "absolute form bad host": lambda r: head(r, target="http://x y/echo"),
    "connect": lambda r: head(r, "CONNECT", target=r.choice(["x:80", "x", "/echo"])),
    # hosts
    "no host": lambda r: head(r, host=None),
    "no host in absolute form": lambda r: head(r, target="http://x/echo", host=None),
    "hosts same": lambda r: head(r, fields=[b"Host: x"]),
    "hosts different": lambda r: head(r, fields=[b"Host: y"]),
    "host broken": lambda r: head(r, host=b"Host: " + r.choice([b"a b", b"a/b", b"u@x", b"x:y", b"[::1", b"x:80:80"])),
    "host with comma": lambda r: head(r, host=b"Host: a,b"),
    "host space before colon": lambda r: head(r, host=b"Host : x"),
    "expect unknown": lambda r: head(r, fields=[b"Expect: a-miracle"]),
    # what ends too early
    "body cut": lambda r: head(r, "POST", fields=[b"Content-Length: 5000"]) + b"abc",
    "chunk cut": lambda r: head(r, "POST", fields=[b"Transfer-Encoding: chunked"]) + b"fff\r\nabc",
}

# --- servers

APP = """
import json, socket, sys
sys.path.insert(0, sys.argv[1])
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    known = scope["path"] == "/echo"
    seen = json.dumps({"method": scope["method"], "path": scope["path"], "query": scope["query_string"].decode("latin-1"),
                       "body": body.decode("utf-8", "replace")}).encode()
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": [(b"content-length", b"%d" % len(seen))]})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else seen})
listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
print(listener.getsockname()[1], flush=True)
uvicorn.Server(uvicorn.Config(app, http=sys.argv[2], lifespan="off", log_level="critical")).run(sockets=[listener])
"""
started, folder = [], tempfile.TemporaryDirectory()


def launch(*command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    started.append(process)
    return process


def start_manta(which):
    return int(launch(which).stdout.readline().rsplit(":", 1)[1])


def start_uvicorn(parser):
    return int(launch(sys.executable, "-c", APP, packages, parser).stdout.readline())


def start_nginx(nginx):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    places = "".join(f"{kind}_temp_path {folder.name}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(f"{folder.name}/nginx.conf", "w") as file:
        file.write(f"""daemon off; worker_processes 1; pid {folder.name}/pid; error_log /dev/null; {'user root;' if os.getuid() == 0 else ''}
events {{ worker_connections 2000; }}
http {{ access_log off; {places} client_max_body_size 128m; keepalive_requests 1000000;
server {{ listen 127.0.0.1:{port}; default_type application/json;
location = /echo {{ return 200 '{{"method":"$request_method","path":"$uri","query":"$args"}}'; }}
location / {{ return 404; }} }} }}""")
    launch(nginx, "-p", folder.name, "-c", f"{folder.name}/nginx.conf", "-e", "/dev/null")
    return port


# --- one message


def responses(data, method):
    """What came back, as (status, body) each; interim responses are left out."""
    found = []
    while data.startswith(b"HTTP/1."):
        start, end = data.partition(b"\r\n\r\n")[0], data.find(b"\r\n\r\n") + 4
        if end < 4:
            break
        status = int(start[9:12])
        fields = dict(line.lower().split(b":", 1) for line in start.split(b"\r\n")[1:] if b":" in line)
        data = data[end:]
        if status < 200:
            continue
        has_body = not (method == b"HEAD" and not found) and status not in (204, 304)
        if has_body and fields.get(b"transfer-encoding", b"").strip() == b"chunked":
            body = b""
            while data:
                size, _, data = data.partition(b"\r\n")
                body, data = body + data[:int(size, 16)], data[int(size, 16) + 2:]
                if int(size, 16) == 0:
                    break
        else:
            length = int(fields.get(b"content-length", b"%d" % len(data))) if has_body else 0
            body, data = data[:length], data[length:]
        found.append((status, body))
    return found


async def exchange(port, message):
    for attempt in range(3):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            break
        except OSError:
            await asyncio.sleep(0.2)
    else:
        raise AssertionError(f"nothing listens at {port}")
    data, ended = b"", False
    try:
        writer.write(message + NEXT)
        while True:
            try:
                more = await asyncio.wait_for(reader.read(65536), QUIET if not ended else 10)
            except asyncio.TimeoutError:
                if ended:
                    data += b"(open)"
                    break
                writer.write_eof()
                ended = True
                continue
            if not more:
                break
            data += more
    except (ConnectionError, OSError):
        pass  # it closed while bytes were on their way
    finally:
        writer.close()
    return data


def outcome(data, message, bodies):
    """(pattern, what was understood): pattern is of ok, next, refused, joined by +; silence: nothing came back."""
    pattern, understood = [], []
    for status, body in responses(data, message.lstrip().split(b" ", 1)[0].split(b"\t", 1)[0]):
        seen = {}
        if status == 200:
            try:
                seen = json.loads(body)
            except ValueError:
                pass
        if seen.get("query") == "next":
            pattern.append("next")
            continue
        pattern.append("ok" if status < 300 else "refused")
        if seen.get("query") == "smuggled":
            pattern[-1] = "smuggled"
        if seen:
            understood.append((seen["method"], seen["path"], seen["query"], seen.get("body") if bodies else None))
    return "+".join(pattern) or "silence", understood


async def run(peers, messages, at_once=24):
    seen, limit = collections.defaultdict(list), asyncio.Semaphore(at_once)

    async def one(family, message):
        async with limit:
            data = dict(zip(peers, await asyncio.gather(*(exchange(port, message) for port in peers.values()))))
        ours = {bodies: outcome(data["manta"], message, bodies) for bodies in (True, False)}
        for peer in peers:
            if peer == "manta":
                continue
            bodies = peer != "nginx"  # which does not tell what the body was
            theirs, mine = outcome(data[peer], message, bodies), ours[bodies]
            if theirs[0] != mine[0]:
                seen[family, peer, mine[0], theirs[0]].append((message, data["manta"], data[peer]))
            elif theirs[1] != mine[1]:
                seen[family, peer, mine[0], "other content"].append((message, data["manta"], data[peer]))

    await asyncio.gather(*(one(family, message) for family, message in messages))
    return seen


def main():
    peers = {"manta": start_manta(program)}
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if nginx:
        peers["nginx"] = start_nginx(nginx)
    else:
        print("without nginx, which is not installed (Debian: nginx-light)")
    if os.path.isdir(packages):
        peers.update({parser: start_uvicorn(parser) for parser in ("h11", "httptools")})
    else:
        print("without uvicorn: cmake/deps.sh http installs it")
    compared = len(peers) - 1
    peers.update({"serve": start_manta(other) for other in others})
    if len(peers) == 1:
        print("skipped: there is no peer to compare with")
        return 77
    generator = random.Random(seed)
    names = list(families)
    messages = [(names[i % len(names)], families[names[i % len(names)]](generator)) for i in range(count)]
    seen = asyncio.run(run(peers, messages))
    with open(table_file) as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    table = {}
    for row in rows:
        assert len(row) == 6 and row[4], f"a row is not FAMILY PEER OURS THEIRS SECTION WHY: {row}"
        table[tuple(row[:4])] = row[4:]
    if "MANTA_UPDATE" in os.environ:
        with open(os.environ["MANTA_UPDATE"], "w") as file:
            for key in sorted(seen):
                file.write("\t".join((*key, *table.get(key, ("", "")))) + "\n")
    failed = 0
    for key, examples in sorted(seen.items()):
        if key not in table and key in asyncio.run(run(peers, [(key[0], examples[0][0])], at_once=1)):  # not for a slow machine
            failed += 1
            message, ours, theirs = examples[0]
            print(f"NOT IN THE TABLE: {key}, {len(examples)} times\n  sent   {message[:300]!r}\n  manta  {ours[:200]!r}\n  theirs {theirs[:200]!r}")
    if count >= 5000 and compared == 3:
        for key in sorted(set(table) - set(seen)):
            failed += 1
            print(f"IN THE TABLE, BUT NOT SEEN: {key}")
    smuggled_here = [key for key in seen if "smuggled" in key[2]]
    failed += len(smuggled_here)
    print(f"{len(messages)} messages of {len(names)} families, {len(peers) - 1} peers: {sum(map(len, seen.values()))} differences of {len(seen)} kinds, "
          f"{failed} of them without a reason; smuggled past Manta: {smuggled_here}")
    return 1 if failed else 0


try:
    status = main()
finally:
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)
sys.exit(status)
