"""The measures that named directions are fitted to, from folders of `data`. The names are data: direction_names.json."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ganji.data.expressions import Expressions
from ganji.errors import InputError
from ganji.expression_map import with_mean_eye
from ganji.training.pictures import read_codes, read_index

NAMES = Path(__file__).with_name("direction_names.json")
EXPRESSIONS = "expressions.npz"  # beside the pictures of `data faces`


def load_measures(folder: Path) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """(w [N, w_dim], {slider name: [N]}) of a folder of faces with expressions, or of drawings.

    Raises:
        InputError: neither, or not one code per picture.
    """
    names = json.loads(NAMES.read_text(encoding="utf-8"))
    index, w = read_index(folder), read_codes(folder).coarse
    if index.get("kind") == "drawings":
        entries = index["images"]
        measures = {
            name: np.array([float(all(entry[slot] in codes for slot, codes in wanted.items())) for entry in entries])
            for name, wanted in names["drawings"].items()
        }
    elif (folder / EXPRESSIONS).is_file():
        found = Expressions.load(folder / EXPRESSIONS)
        rows = [with_mean_eye(found.row(k)) for k in range(len(found.gap))]
        measures = {name: np.array([row[key] for row in rows]) for name, key in names["expressions"].items()}
    else:
        raise InputError(f"{folder.name}/ holds no drawings and no {EXPRESSIONS} of `data expressions`.")
    if any(len(values) != len(w) for values in measures.values()):
        raise InputError(f"{folder.name}/ does not have one measured code per picture.")
    return w, measures
