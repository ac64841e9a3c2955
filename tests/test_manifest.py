"""The manifest: what is refused, how it says so, and that the JSON Schema says the same."""

import copy
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ganji import manifest_edit
from ganji.errors import ManifestError
from ganji.manifest import Manifest, load_manifest, parse_manifest
from tests.helpers import TINY

ROOT = Path(__file__).resolve().parent.parent
SCHEMA = json.loads((ROOT / "weights_manifest.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
DELETE = object()


def entry(kind="generator", name="face", **changes):
    return {
        "kind": kind, "title": "A file", "repo_id": None, "revision": None, "filename": f"{name}.safetensors",
        "bytes": 1000, "sha256": "0" * 64, "format": "safetensors", "licence": "MIT", "source": "a test",
        "bundled": f"weights/{name}.safetensors", **changes,
    }  # fmt: skip


def example():
    """A manifest with every kind of file and every role."""
    files = {
        "mapping": entry("mapping", "mapping"),
        "face": entry(config=TINY["mobile"].to_dict()),
        "emoji": entry(name="emoji", repo_id="me/weights", revision="a" * 40, bundled=None),
        "directions": entry("directions", "directions"),
        "codebook": entry("codebook", "codebook"),
        "perceptual": entry("perceptual", "perceptual"),
        "bank": entry("bank", "bank"),
        "old": entry(name="old", format="rosinality", filename="networks/635000.pt"),
        "factor": entry("directions", "factor", format="factor"),
    }
    roles = {"mapping": "mapping", "face": "face", "emoji": "emoji", "emoji_blend": "old", "codebook": "codebook",
             "emoji_directions": "directions", "emoji_blend_directions": "factor", "perceptual": "perceptual",
             "bank": "bank"}  # fmt: skip
    return {"format": 1, "files": files, "bundles": {"default": {"title": "All of it", **roles}}}


def changed(place, value):
    """The example with the value at `place` (keys joined by "/") replaced, or deleted."""
    data = copy.deepcopy(example())
    *folders, last = place.split("/")
    target = data
    for key in folders:
        target = target[key]
    if value is DELETE:
        del target[last]
    else:
        target[last] = value
    return data


# place, value -> what the sentence names. The last element: whether a schema can tell.
MUTATIONS = [
    ("format", 2, "top level: format", True),
    ("format", "1", "top level: format", True),
    ("format", True, "top level: format", True),
    ("format", DELETE, "top level: format must be present", True),
    ("files", DELETE, "top level: files must be present", True),
    ("files", {}, "top level: files", True),
    ("files", [], "top level: files", True),
    ("files", None, "top level: files", True),
    ("bundles", {}, "top level: bundles", True),
    ("bundles", "default", "top level: bundles", True),
    ("extra", 1, "top level: 'extra' is no known field", True),
    ("files/face", [], "files.face: the entry must be an object", True),
    ("files/face", None, "files.face: the entry must be an object", True),
    ("files/Face", entry(), "files.Face: the id", True),
    ("files/../x", entry(), None, True),
    ("files/a b", entry(), "files.a b: the id", True),
    ("files/" + "a" * 61, entry(), "the id", True),
    ("files/face/colour", 1, "files.face: 'colour' is no known field", True),
    *[(f"files/face/{field}", DELETE, f"files.face: {field} must be present", True)
      for field in ("kind", "title", "repo_id", "revision", "filename", "bytes", "sha256", "format", "licence", "source")],
    ("files/face/kind", "picture", "files.face: kind must be one of generator", True),
    ("files/face/kind", ["generator"], "files.face: kind", True),
    ("files/face/kind", None, "files.face: kind", True),
    ("files/face/format", "pickle", "files.face: format must be one of safetensors", True),
    ("files/face/format", "factor", "files.face: format", True),
    ("files/face/format", {}, "files.face: format", True),
    ("files/mapping/format", "rosinality", "files.mapping: format must be one of safetensors", True),
    ("files/directions/format", "nvlabs", "files.directions: format", True),
    ("files/face/title", "", "files.face: title", True),
    ("files/face/title", 3, "files.face: title", True),
    ("files/face/title", "x" * 501, "files.face: title", True),
    ("files/face/licence", None, "files.face: licence", True),
    ("files/face/source", [], "files.face: source", True),
    ("files/emoji/repo_id", "weights", "files.emoji: repo_id must be null or owner/name", True),
    ("files/emoji/repo_id", "me/../../x", "files.emoji: repo_id", True),
    ("files/emoji/repo_id", "https://huggingface.co/me/x", "files.emoji: repo_id", True),
    ("files/emoji/repo_id", "me/weights?x", "files.emoji: repo_id", True),
    ("files/emoji/repo_id", "나/weights", "files.emoji: repo_id", True),
    ("files/emoji/repo_id", 3, "files.emoji: repo_id", True),
    ("files/emoji/repo_id", None, "files.emoji: revision", True),
    ("files/face/repo_id", "me/weights", "files.face: revision", True),
    ("files/emoji/revision", None, "files.emoji: revision", True),
    ("files/emoji/revision", "main", "files.emoji: revision must be a full commit of 40", True),
    ("files/emoji/revision", "a" * 39, "files.emoji: revision", True),
    ("files/emoji/revision", "A" * 40, "files.emoji: revision", True),
    ("files/emoji/revision", 1, "files.emoji: revision", True),
    ("files/face/filename", "/etc/passwd", "files.face: filename must be a relative path", True),
    ("files/face/filename", "../face.pt", "files.face: filename", True),
    ("files/face/filename", "a/../../face.pt", "files.face: filename", True),
    ("files/face/filename", "..", "files.face: filename", True),
    ("files/face/filename", "~/face.pt", "files.face: filename", True),
    ("files/face/filename", "C:\\face.pt", "files.face: filename", True),
    ("files/face/filename", "a\nb", "files.face: filename", True),
    ("files/face/filename", "a\0b", "files.face: filename", True),
    ("files/face/filename", "", "files.face: filename", True),
    ("files/face/filename", ".", "files.face: filename", True),
    ("files/face/filename", "x" * 301, "files.face: filename", True),
    ("files/face/filename", None, "files.face: filename", True),
    ("files/face/bundled", "/weights/face", "files.face: bundled", True),
    ("files/face/bundled", "weights/../../face", "files.face: bundled", True),
    ("files/face/bundled", 1, "files.face: bundled", True),
    ("files/face/bytes", 0, "files.face: bytes must be a whole number", True),
    ("files/face/bytes", -1, "files.face: bytes", True),
    ("files/face/bytes", 1.5, "files.face: bytes", True),
    ("files/face/bytes", True, "files.face: bytes", True),
    ("files/face/bytes", "1000", "files.face: bytes", True),
    ("files/face/bytes", 10**15, "files.face: bytes", True),
    ("files/face/sha256", "0" * 63, "files.face: sha256 must be 64", True),
    ("files/face/sha256", "G" * 64, "files.face: sha256", True),
    ("files/face/sha256", "A" * 64, "files.face: sha256", True),
    ("files/face/sha256", None, "files.face: sha256", True),
    ("files/face/sha256", 0, "files.face: sha256", True),
    ("files/face/config", [], "files.face: config", True),
    ("files/face/config", {}, "files.face: config", True),
    ("files/face/config/family", "stylegan3", "files.face: config must be a generator config", True),
    ("files/face/config/img_resolution", 100, "files.face: config", True),
    ("files/face/config/img_resolution", "64", "files.face: config", True),
    ("files/face/config/w_dim", 0, "files.face: config", True),
    ("files/face/config/colour", 1, "files.face: config", True),
    ("files/face/config/preview_resolutions", 5, "files.face: config", True),
    ("files/face/config/preview_resolutions", [17], "files.face: config", True),
    ("files/face/config/style_row", "x", "files.face: config", True),
    ("files/face/config/conv_clamp", 256, "files.face: config", False),
    ("files/face/config/conv_clamp", "256", "files.face: config", True),
    ("files/face/config/conv_clamp", 0, "files.face: config", True),
    ("files/face/config/style_row", 29, "files.face: config", False),
    ("files/mapping/config", {"family": "mobile", "img_resolution": 64}, "files.mapping: config", True),
    ("bundles/default", [], "bundles.default: the entry must be an object", True),
    ("bundles/Default", example()["bundles"]["default"], "bundles.Default: the id", True),
    ("bundles/default/title", DELETE, "bundles.default: title must be present", True),
    ("bundles/default/title", "", "bundles.default: title", True),
    ("bundles/default/face", DELETE, "bundles.default: face must be present", True),
    ("bundles/default/emoji", DELETE, "bundles.default: emoji must be present", True),
    ("bundles/default/emoji_blend", DELETE, "bundles.default: emoji_blend must be present", True),
    ("bundles/default/nose", "face", "bundles.default: 'nose' is no known field", True),
    ("bundles/default/face", None, "bundles.default: face must be the id of a listed file", True),
    ("bundles/default/face", ["face"], "bundles.default: face must be the id", True),
    ("bundles/default/face", "nobody", "bundles.default: face must be the id of a listed file", False),
    ("bundles/default/face", "mapping", "bundles.default: face must be a file of kind generator", False),
    ("bundles/default/bank", "face", "bundles.default: bank must be a file of kind bank", False),
]  # fmt: skip


def mutated(mutation):
    place, value, _, _ = mutation
    if place == "files/../x":
        data = example()
        data["files"]["../x"] = value
        return data
    return changed(place, value)


def assert_one_line(error):
    text = str(error)
    assert len(text) <= 200
    assert "\n" not in text
    assert "/tmp" not in text
    assert text.endswith(".")


def test_there_are_many_mutations():
    assert len(MUTATIONS) >= 60


def test_the_example_is_valid():
    assert len(parse_manifest(json.dumps(example())).files) == 9
    VALIDATOR.validate(example())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[f"{k}: {m[0]}" for k, m in enumerate(MUTATIONS)])
def test_mutation_is_refused_in_one_line_by_reader_and_schema(mutation, tmp_path):
    path = tmp_path / "my_manifest.json"
    path.write_text(json.dumps(mutated(mutation)))
    with pytest.raises(ManifestError) as caught:
        load_manifest(path)
    assert_one_line(caught.value)
    assert str(caught.value).startswith("my_manifest.json: ")
    assert mutation[2] is None or mutation[2] in str(caught.value)
    if mutation[3]:
        assert not VALIDATOR.is_valid(mutated(mutation))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no valid JSON: line 1, column 1"),
        ("{", "no valid JSON: line 1"),
        ("[" * 100_000, "no valid JSON"),
        ('{"format": NaN}', "NaN is no number"),
        ('{"format": 1, "format": 1}', "'format' stands there twice"),
        ('{"files": {"face": {}, "face": {}}}', "'face' stands there twice"),
        ("[]", "top level: the entry must be an object"),
        ("null", "top level: the entry must be an object"),
        ("1" * 5000, "no valid JSON"),
        ("\ufeff{}", "no valid JSON"),
    ],
)
def test_text_that_is_no_manifest(text, sentence, tmp_path):
    path = tmp_path / "my_manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=sentence) as caught:
        load_manifest(path)
    assert_one_line(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ManifestError, match="cannot be read") as caught:
            load_manifest(path)
        assert_one_line(caught.value)
    (tmp_path / "latin.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ManifestError, match="no UTF-8 text"):
        load_manifest(tmp_path / "latin.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES = ["format", "files", "bundles", "files/face", "bundles/default", "bundles/default/face", "files/face/config",
          *(f"files/emoji/{field}" for field in entry()), *(f"files/face/config/{f}" for f in TINY["mobile"].to_dict())]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_any_value_anywhere_is_taken_or_refused_in_one_line(place, value):
    data = changed(place, value)
    try:
        found = parse_manifest(json.dumps(data))
    except ManifestError as error:
        assert_one_line(error)
    else:
        assert isinstance(found, Manifest)
        assert VALIDATOR.is_valid(data)  # whatever the reader takes, the schema takes


def test_our_manifest_is_valid():
    data = json.loads((ROOT / "weights_manifest.json").read_text(encoding="utf-8"))
    VALIDATOR.validate(data)
    found = load_manifest(ROOT / "weights_manifest.json")
    assert {"default", "ganji-2022"} <= set(found.bundles)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_our_bundled_files_are_there_and_whole():
    found = load_manifest(ROOT / "weights_manifest.json")
    for name in found.bundle("default").roles.values():
        spec = found.file(name)
        assert spec.bundled is not None  # the default bundle needs no Hub
        data = (ROOT / spec.bundled).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (spec.bytes, spec.sha256)


def test_the_files_of_2022_are_listed_with_their_true_digests():
    data = json.loads((ROOT / "weights_manifest.json").read_text(encoding="utf-8"))
    known = {
        "networks/ffhq256.pt": (308281344, "39c574493114228e4f77a0dfbb9691abccd20d33a69abcd997322cfd9b1cbce0"),
        "networks/635000.pt": (828535255, "80eba31bd6d6499b212ad23b5c88b9d02fd2bff92fefe8e996cd4c099512ac6a"),
        "factor.pt": (1049460, "7a5b88f5b780aa41d071ede27c2dafbdd37812300e5748146ab7b1213300289d"),
    }
    listed = {data["files"][name]["filename"]: data["files"][name] for name in set(data["bundles"]["ganji-2022"].values())
              if name in data["files"]}  # fmt: skip
    assert {name: (e["bytes"], e["sha256"]) for name, e in listed.items()} == known
    assert all(e["repo_id"] is None and e["revision"] is None for e in listed.values())


def test_unknown_names_list_the_known_ones():
    found = parse_manifest(json.dumps(example()))
    with pytest.raises(ManifestError, match="known: bank, codebook, directions, emoji") as caught:
        found.file("nobody")
    assert_one_line(caught.value)
    with pytest.raises(ManifestError, match="known: default"):
        found.bundle("2022")


def test_a_malformed_manifest_stops_the_start_with_one_line(tmp_path):
    path = tmp_path / "my_manifest.json"
    path.write_text(json.dumps(changed("files/face/sha256", "x")))
    environment = {**os.environ, "GANJI_MANIFEST": str(path), "GANJI_TEMP_DIR": str(tmp_path / "temp")}
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1] == "ganji: my_manifest.json: files.face: sha256 must be 64 lower-case hex digits."
    )
    assert "Traceback" not in done.stderr


def test_reading_a_manifest_needs_no_torch():
    code = "import sys, ganji.manifest; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- changes -----------------------------------------------------------------------------------------------------------


def add(folder, name, role, bundle="mine", **kwargs):
    (folder / name).write_bytes(name.encode())
    return manifest_edit.add_file(
        folder / "m.json", folder / name, bundle=bundle, role=role, title=name, licence="MIT", source="a test", **kwargs
    )


def test_a_bundle_grows_file_by_file_and_is_always_valid(tmp_path):
    assert add(tmp_path, "face.safetensors", "face", config=TINY["stylegan2"].to_dict()) == "mine-face"
    roles = load_manifest(tmp_path / "m.json").bundle("mine").roles
    assert roles == dict.fromkeys(("face", "emoji", "emoji_blend"), "mine-face")
    add(tmp_path, "emoji.safetensors", "emoji")
    add(tmp_path, "d.safetensors", "emoji_directions")
    found = load_manifest(tmp_path / "m.json")
    assert found.bundle("mine").roles == {
        "face": "mine-face", "emoji": "mine-emoji", "emoji_blend": "mine-emoji",
        "emoji_directions": "mine-emoji-directions", "emoji_blend_directions": "mine-emoji-directions",
    }  # fmt: skip
    spec = found.file("mine-emoji")
    assert (spec.bundled, spec.bytes) == ("emoji.safetensors", 17)
    assert spec.sha256 == hashlib.sha256(b"emoji.safetensors").hexdigest()
    add(tmp_path, "blend.safetensors", "emoji_blend")
    add(tmp_path, "emoji2.safetensors", "emoji")
    roles = load_manifest(tmp_path / "m.json").bundle("mine").roles
    assert (roles["emoji"], roles["emoji_blend"]) == ("mine-emoji", "mine-emoji-blend")


def test_a_new_bundle_measures_likeness_as_the_default_one(tmp_path):
    (tmp_path / "m.json").write_text(json.dumps(example()))
    add(tmp_path, "face.safetensors", "face")
    assert load_manifest(tmp_path / "m.json").bundle("mine").roles["perceptual"] == "perceptual"


def test_changes_that_would_break_the_manifest_are_refused(tmp_path):
    text = json.dumps(example())
    (tmp_path / "m.json").write_text(text)
    (tmp_path / "inside").mkdir()
    with pytest.raises(ManifestError, match="has no generators yet"):
        add(tmp_path, "d.safetensors", "emoji_directions")
    with pytest.raises(ManifestError, match="the id must be 1 to 60 lower-case"):
        add(tmp_path, "f.safetensors", "face", bundle="My bundle")
    with pytest.raises(ManifestError, match="must lie below the folder"):
        manifest_edit.add_file(tmp_path / "inside" / "m.json", tmp_path / "f.safetensors", bundle="mine", role="face",
                               title="x", licence="x", source="x")  # fmt: skip
    with pytest.raises(ManifestError, match="lists no file 'nobody'"):
        manifest_edit.set_location(tmp_path / "m.json", ["nobody"], "me/weights", "b" * 40)
    with pytest.raises(ManifestError, match="revision must be a full commit"):
        manifest_edit.set_location(tmp_path / "m.json", ["face"], "me/weights", "main")
    assert (tmp_path / "m.json").read_text() == text
    manifest_edit.set_location(tmp_path / "m.json", ["face"], "me/weights", "b" * 40)
    spec = load_manifest(tmp_path / "m.json").file("face")
    assert (spec.repo_id, spec.revision, spec.bundled) == ("me/weights", "b" * 40, "weights/face.safetensors")
