"""The stand-in for the Hub, with Spaces: creating, listing, committing with deletions, variables and hardware."""

import base64
import json
import re

from tests.fake_hub import FakeHub, Repo

SPACE = re.compile(r"/api/spaces/([^/]+/[^/]+)/(preupload/main|commit/main|variables|hardware)")
TREE = re.compile(r"/api/spaces/([^/]+/[^/]+)/tree/main")


class FakeSpaces(FakeHub):
    """Attributes: `wishes` lists (what, value) of everything but files; `refuse` is a status that commits get."""

    def __init__(self, repos=None, refuse=0, **kwargs):
        super().__init__(repos or {}, **kwargs)
        self.wishes, self.refuse = [], refuse

    def _serve(self, h):
        match = TREE.fullmatch(h.path.split("?")[0])
        if match is None:
            super()._serve(h)
        elif h.headers.get("Authorization") != f"Bearer {self.token}":
            self._error(h, 401, "", "Invalid username or password.")
        else:
            files = self.repos[match[1]].files
            entries = [
                {"type": "file", "path": name, "size": len(body), "oid": "0" * 40} for name, body in files.items()
            ]
            self._json(h, 200, entries)

    def _upload(self, h, path, authorised):
        match = SPACE.fullmatch(path)
        if path == "/api/repos/create":
            return self._create(h, authorised)
        if match is None or not authorised:
            return super()._upload(h, path, authorised)
        payload = h.rfile.read(int(h.headers.get("Content-Length", 0)))
        space, what = match.groups()
        if what == "preupload/main":
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(payload)["files"]
            ]
            return self._json(h, 200, {"files": files})
        if what != "commit/main":
            self.wishes.append((what, json.loads(payload)))
            return self._json(h, 200, {"stage": "BUILDING"} if what == "hardware" else {})
        if self.refuse:
            return self._error(h, self.refuse, "", "refused")
        repo = self.repos[space]
        for entry in map(json.loads, payload.splitlines()):
            if entry["key"] == "file":
                repo.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
            elif entry["key"] == "deletedFile":
                del repo.files[entry["value"]["path"]]
        return self._json(h, 200, {"commitUrl": f"{self.url}/{space}/commit/{repo.sha}", "commitOid": repo.sha})

    def _create(self, h, authorised):
        wish = json.loads(h.rfile.read(int(h.headers.get("Content-Length", 0))))
        if not authorised:
            return self._error(h, 401, "", "Invalid username or password.")
        space = f"{wish.get('organization') or 'me'}/{wish['name']}"
        known = space in self.repos
        self.wishes.append(("create", wish))
        self.repos.setdefault(space, Repo({".gitattributes": b""}))
        return self._json(h, 409 if known else 200, {"url": f"{self.url}/spaces/{space}"})
