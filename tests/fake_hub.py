"""A loopback stand-in for the Hugging Face Hub, so that tests can run the real client against every fault.

    with FakeHub({"me/weights": {"a.bin": b"..."}}) as hub:  # 127.0.0.1, a free port
        hub.fault("a.bin", cut_at=1000)                      # the next request for it loses its connection
        hub.fault("a.bin", status=503, times=2, method="GET")
        hf_hub_download("me/weights", "a.bin", endpoint=hub.url, cache_dir=folder)

Serves what huggingface_hub 2.4 asks for: HEAD and GET of files, and creating a repository and a commit in it.
"""

import base64
import contextlib
import hashlib
import json
import re
import socket
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
UPLOAD = re.compile(r"/api/models/([^/]+/[^/]+)/(preupload|commit)/main")


@dataclass
class Fault:
    """What goes wrong, for how many requests (-1: all), of which method ("": both)."""

    times: int = 1
    method: str = ""
    status: int = 0  # answer with this status
    error_code: str = ""  # X-Error-Code
    message: str = ""  # X-Error-Message
    retry_after: str = ""
    reset: bool = False  # close the connection without an answer
    cut_at: int = -1  # close it after so many bytes of the body
    stall_at: int = -1  # send nothing more after so many bytes, until the server ends
    chunk: int = 0  # send the body in pieces of this size ...
    delay: float = 0.0  # ... and wait so long between them
    hurry: threading.Event | None = None  # ... until this is set
    corrupt: bool = False  # flip the first byte
    body: bytes | None = None  # send this in place of the file
    content_type: str = "application/octet-stream"
    drop: tuple = ()  # response headers to leave out, lower case
    headers: dict = field(default_factory=dict)  # response headers to add or replace
    no_range: bool = False  # ignore Range
    redirect: str = ""  # "cdn": to another host name, as large files are; "loop": to itself


@dataclass
class Repo:
    """A repository: files, and who may read them."""

    files: dict
    private: bool = False
    gated: bool = False

    @property
    def sha(self) -> str:
        """Its commit: 40 hex digits, another one whenever a file changes."""
        digest = hashlib.sha1()
        for name in sorted(self.files):
            digest.update(name.encode() + b"\0" + self.files[name])
        return digest.hexdigest()


class FakeHub:
    """The server; `log` lists (method, path, Range) of all requests."""

    def __init__(self, repos, token="hf_testtoken"):
        self.repos = {name: repo if isinstance(repo, Repo) else Repo(dict(repo)) for name, repo in repos.items()}
        self.token, self.log = token, []
        self._faults, self._lock, self._cdn, self._sockets = [], threading.Lock(), {}, set()
        self._stopped = threading.Event()

    def __enter__(self):
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                hub._sockets.add(self.connection)

            def log_message(self, *args):
                pass

            def do_GET(self):
                hub._serve(self)

            do_HEAD = do_POST = do_GET

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.handle_error = lambda *args: None  # clients that hang up are part of the tests
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._stopped.set()
        self.server.shutdown()
        self.server.server_close()
        for connection in self._sockets:  # kept-alive connections would go on being served
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def fault(self, path, **kwargs):
        """Have requests for a file ("*": any) fail."""
        self._faults.append((path, Fault(**kwargs)))

    def heal(self):
        """Have no more requests fail."""
        with self._lock:
            self._faults.clear()

    def requests(self, method=""):
        """Logged requests for files."""
        return [r for r in self.log if method in ("", r[0]) and not r[1].startswith("/api/agent")]

    def _take(self, path, method):
        with self._lock:
            for name, fault in self._faults:
                if name in (path, "*") and fault.method in ("", method) and fault.times != 0:
                    fault.times -= fault.times > 0
                    return fault
        return Fault()

    def _serve(self, h):
        path = unquote(urlsplit(h.path).path)
        with self._lock:
            self.log.append((h.command, path, h.headers.get("Range", "")))
        authorised = h.headers.get("Authorization") == f"Bearer {self.token}"
        if path.startswith("/cdn/"):
            name, body = self._cdn[path[5:]]
            self._send_body(h, body, {}, self._take(name, "GET"))
        elif h.command == "POST":
            self._upload(h, path, authorised)
        elif match := RESOLVE.fullmatch(path):
            self._resolve(h, *match.groups(), authorised)
        else:
            self._error(h, 404, "RepoNotFound")

    def _resolve(self, h, repo_id, revision, name, authorised):
        fault = self._take(name, h.command)
        repo = self.repos.get(repo_id)
        if fault.reset:
            h.close_connection = True
            h.connection.shutdown(socket.SHUT_RDWR)
        elif fault.status:
            extra = {"Retry-After": fault.retry_after} if fault.retry_after else {}
            self._error(h, fault.status, fault.error_code, fault.message, {**extra, **fault.headers})
        elif repo is None or (repo.private and not authorised):
            self._error(h, 404 if authorised else 401, "RepoNotFound", "Repository not found")
        elif repo.gated and not authorised:
            self._error(h, 401, "GatedRepo", "Access to model is restricted")
        elif revision not in ("main", repo.sha):
            self._error(h, 404, "RevisionNotFound", "Invalid rev id")
        elif name not in repo.files:
            self._error(h, 404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": repo.sha})
        else:
            self._send_file(h, repo, name, fault)

    def _send_file(self, h, repo, name, fault):
        body = repo.files[name]
        digest = hashlib.sha256(body).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Linked-ETag": f'"{digest}"', "X-Linked-Size": str(len(body)),
                   "X-Repo-Commit": repo.sha}  # fmt: skip
        if fault.redirect == "loop":
            self._headers(h, 302, {**headers, "Location": h.path, "Content-Length": "0"}, fault)
        elif fault.redirect == "cdn":
            self._cdn[digest] = (f"cdn:{name}", body)
            location = f"http://localhost:{self.server.server_port}/cdn/{digest}?X-Signature=hushhush"
            self._headers(h, 302, {**headers, "Location": location, "Content-Length": "0"}, fault)
        else:
            self._send_body(h, body if fault.body is None else fault.body, headers, fault)

    def _headers(self, h, status, headers, fault):
        h.send_response(status)
        for name, value in {**headers, **fault.headers}.items():
            if name.lower() not in fault.drop:
                h.send_header(name, value)
        if "content-length" in fault.drop:
            h.close_connection = True
            h.send_header("Connection", "close")
        h.end_headers()

    def _send_body(self, h, body, headers, fault):
        start, status = 0, 200
        match = re.fullmatch(r"bytes=(\d+)-", h.headers.get("Range", ""))
        if match and not fault.no_range:
            start, status = int(match[1]), 206
            headers = {**headers, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        data = body[start:]
        if fault.corrupt:
            data = bytes([data[0] ^ 255]) + data[1:]
        self._headers(
            h, status, {"Content-Type": fault.content_type, "Content-Length": str(len(data)), **headers}, fault
        )
        if h.command == "HEAD":
            return
        end = next((n for n in (fault.cut_at, fault.stall_at) if n >= 0), len(data))
        step = fault.chunk or max(1, len(data))
        for k in range(0, min(end, len(data)), step):
            h.wfile.write(data[k : min(k + step, end)])
            if fault.delay:
                (fault.hurry or self._stopped).wait(fault.delay)
        if fault.stall_at >= 0:
            self._stopped.wait(60)
        if end < len(data):
            h.close_connection = True
            h.connection.shutdown(socket.SHUT_RDWR)

    def _upload(self, h, path, authorised):
        payload = h.rfile.read(int(h.headers.get("Content-Length", 0)))
        if not authorised:
            self._error(h, 401, "", "Invalid username or password.")
        elif path == "/api/repos/create":
            wish = json.loads(payload)
            repo_id = f"{wish['organization']}/{wish['name']}" if wish.get("organization") else f"me/{wish['name']}"
            known = repo_id in self.repos
            self.repos.setdefault(repo_id, Repo({}))
            self._json(h, 409 if known else 200, {"url": f"{self.url}/{repo_id}"})
        elif path == "/api/validate-yaml":
            self._json(h, 200, {"errors": [], "warnings": []})
        elif match := UPLOAD.fullmatch(path):
            repo = self.repos[match[1]]
            if match[2] == "preupload":
                files = [
                    {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for f in json.loads(payload)["files"]
                ]
                self._json(h, 200, {"files": files})
            else:
                for entry in map(json.loads, payload.splitlines()):
                    if entry["key"] == "file":
                        repo.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                self._json(h, 200, {"commitUrl": f"{self.url}/{match[1]}/commit/{repo.sha}", "commitOid": repo.sha})
        else:
            self._error(h, 404)

    def _json(self, h, status, value):
        body = json.dumps(value).encode()
        self._headers(h, status, {"Content-Type": "application/json", "Content-Length": str(len(body))}, Fault())
        h.wfile.write(body)

    def _error(self, h, status, code="", message="", extra=None):
        body = json.dumps({"error": message or code or str(status)}).encode()
        headers = {"X-Error-Code": code, "X-Error-Message": message, **(extra or {})}
        headers = {k: v for k, v in headers.items() if v}
        headers |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        self._headers(h, status, headers, Fault())
        if h.command != "HEAD":
            h.wfile.write(body)
