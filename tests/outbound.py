"""What a Python process asks the network for beyond the loopback, noted from the inside.

    variables = outbound.watched_by(folder)  # for the environment of the process
    outbound.seen(folder)                    # addresses and names that it asked for; [] is what one hopes for

An audit hook sees every connection and every name that Python looks up, whatever library asks, and lets none leave.
"""

import os

HOOK = """
import os, sys

def _watch(event, args):
    if event in ("socket.connect", "socket.sendto"):
        address = args[1]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        address = args[0]
    else:
        return
    host = address[0] if isinstance(address, tuple) else address
    host = host.decode() if isinstance(host, bytes) else str(host)
    if host in ("localhost", "::1", "None", "", "0.0.0.0") or host.startswith(("127.", "/", "\\0")):
        return
    with open({path!r}, "a") as stream:
        stream.write(f"{{event}} {{host}}\\n")
    raise OSError("a test lets nothing leave this computer")

sys.addaudithook(_watch)
"""


def watched_by(folder):
    """Variables with which a process notes in `folder` what it asks for elsewhere."""
    hooks = folder / "hooks"
    hooks.mkdir(parents=True, exist_ok=True)
    (hooks / "sitecustomize.py").write_text(HOOK.format(path=str(folder / "outbound.txt")))
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(hooks), os.environ.get("PYTHONPATH")]))}


def seen(folder):
    """All that was noted."""
    path = folder / "outbound.txt"
    return path.read_text().splitlines() if path.exists() else []
