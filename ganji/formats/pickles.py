"""Unpickling in which nothing that a file carries can run.

A pickle is a program: it names functions and has them called. Here every name is looked up in a short table of inert
stand-ins made afresh for each file, a name outside of it refuses the file, and only these stand-ins can be called or
given state. Tensors stay unread until someone asks for them, so that a file's claims can be judged before memory is spent.
No import, `torch.load` or environment variable has a say. Knows no architecture.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, ClassVar, NamedTuple

import torch

from ganji.errors import CheckpointError, GanjiError

MAX_TENSOR_BYTES = 512 << 20  # of all tensors that are taken from one file; the largest generator of ours has 120 MB
MAX_OPCODES = 1_000_000  # a training checkpoint with two networks and two optimisers has 60 000
_MAX_DIMS = 8
DTYPES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64, "LongStorage": torch.int64, "IntStorage": torch.int32, "ShortStorage": torch.int16,
    "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip


class Refused(Exception):
    """A file asks for something that no checkpoint needs; the text goes on after the file's name."""


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn whatever hostile or damaged bytes provoke into one sentence.

    Raises:
        CheckpointError: instead of any other exception.
    """
    try:
        yield
    except GanjiError:
        raise
    except Refused as exc:
        raise CheckpointError(f"{name} {exc}.") from exc
    except Exception as exc:  # parsers fail in every way on hostile bytes; none of them is a bug of ours
        raise CheckpointError(f"{name} is damaged, or no checkpoint that we read.") from exc


class Storage(NamedTuple):
    """A run of numbers that still lies in the file.

    Attributes:
        read: gives its bytes, little-endian.
    """

    dtype: torch.dtype
    numel: int
    read: Callable[[], bytes | memoryview]


class LazyTensor(NamedTuple):
    """A tensor that still lies in the file; `size` and `stride` are only the file's claim until `load`."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]

    @property
    def shape(self) -> torch.Size:
        """As a tensor has it."""
        return torch.Size(self.size)

    @property
    def dtype(self) -> torch.dtype:
        """As a tensor has it."""
        return self.storage.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the tensor in memory."""
        return math.prod(self.size) * self.storage.dtype.itemsize

    def check(self) -> None:
        """Make sure that the tensor lies within its storage and is no larger than it.

        Raises:
            Refused: it does not.
        """
        numbers = (self.offset, *self.size, *self.stride)
        if any(not isinstance(n, int) or isinstance(n, bool) or n < 0 for n in numbers):
            raise Refused("holds a tensor whose shape makes no sense")
        if len(self.size) != len(self.stride) or len(self.size) > _MAX_DIMS or 0 in self.size:
            raise Refused("holds a tensor whose shape makes no sense")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.size, self.stride))
        repeated = any(n > 1 and step == 0 for n, step in zip(self.size, self.stride))
        if repeated or last >= self.storage.numel or math.prod(self.size) > self.storage.numel:
            raise Refused(f"holds a tensor of {math.prod(self.size):.0f} numbers in {self.storage.numel} stored ones")

    def load(self) -> torch.Tensor:
        """The tensor: contiguous, in memory of its own."""
        self.check()
        raw = bytearray(self.storage.read())
        if len(raw) != self.storage.numel * self.dtype.itemsize:
            raise Refused("is cut short")
        flat = torch.frombuffer(raw, dtype=self.dtype)
        return torch.as_strided(flat, self.size, self.stride, self.offset).clone(memory_format=torch.contiguous_format)


def load_all(tensors: dict[str, LazyTensor]) -> dict[str, torch.Tensor]:
    """Read tensors, after making sure that they are of a bearable size together.

    Raises:
        Refused: too large, or not within their storages.
    """
    for tensor in tensors.values():
        tensor.check()
    total = sum(tensor.nbytes for tensor in tensors.values())
    if total > MAX_TENSOR_BYTES:
        raise Refused(f"holds {total >> 20} MiB of weights; more than {MAX_TENSOR_BYTES >> 20} is no generator of ours")
    return {name: tensor.load() for name, tensor in tensors.items()}


class StandIn:
    """What a file may construct in place of a class of its own; it does nothing with what it is given."""

    def __init__(self, *args: Any):
        pass

    def accept(self, state: Any) -> None:
        """Take the state that the pickle gives an object."""


class StandInDict(dict[Any, Any], StandIn):
    """In place of OrderedDict, EasyDict and their like; items come one by one.

    It takes none at once: a few bytes that have a large dict copied, again and again, would be a bomb.
    """

    def __init__(self) -> None:
        dict.__init__(self)


class Module(StandIn):
    """In place of an NVlabs network module, whose pickle embeds its source text; the text is never looked at.

    Attributes:
        state: what its `__dict__` held.
    """

    def __init__(self, meta: Any):
        if not isinstance(meta, dict) or meta.get("type") != "class" or meta.get("version") != 6:
            raise Refused("holds a network module of a version that we do not know")
        self.state: Any = meta.get("state")


class _Function:
    """A function that a file may have called."""

    def __init__(self, function: Callable[..., Any]):
        self.function = function


class _Dtype(NamedTuple):
    """In place of a torch storage class."""

    dtype: torch.dtype


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *ignored: Any) -> LazyTensor:
    if not isinstance(storage, Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise Refused("holds a tensor without numbers")
    return LazyTensor(storage, offset, size, stride)


def _rebuild_parameter(data: Any, *ignored: Any) -> Any:
    return data


def _table(storage_from_bytes: Callable[[bytes], Any]) -> dict[tuple[str, str], Any]:
    """Every global that a file may name -> its stand-in."""
    parameter = _Function(_rebuild_parameter)
    table: dict[tuple[str, str], Any] = {
        ("torch._utils", "_rebuild_tensor_v2"): _Function(_rebuild_tensor),
        ("torch._utils", "_rebuild_tensor"): _Function(_rebuild_tensor),
        ("torch._utils", "_rebuild_parameter"): parameter,
        ("torch._utils", "_rebuild_parameter_with_state"): parameter,
        ("torch.nn.parameter", "Parameter"): parameter,
        ("torch.storage", "_load_from_bytes"): _Function(storage_from_bytes),
        ("torch_utils.persistence", "_reconstruct_persistent_obj"): Module,
        ("torch", "Size"): _Function(_rebuild_parameter),  # (a tuple,) -> that tuple
    }
    table |= {("torch", name): _Dtype(dtype) for name, dtype in DTYPES.items()}
    for module, name in (("collections", "OrderedDict"), ("dnnlib.util", "EasyDict"), ("dnnlib", "EasyDict")):
        table[module, name] = StandInDict
    for module, name in (("argparse", "Namespace"), ("numpy", "dtype"), ("numpy.core.multiarray", "scalar"),
                         ("numpy._core.multiarray", "scalar"), ("builtins", "set"), ("__builtin__", "set")):  # fmt: skip
        table[module, name] = StandIn
    return table


class _Counted(dict[int, Any]):
    """A dispatch table that ends in a refusal, so that no file keeps the interpreter busy for long."""

    def __init__(self, table: dict[int, Any]):
        super().__init__(table)
        self.left = MAX_OPCODES

    def __getitem__(self, code: int) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Refused("holds more objects than any checkpoint has")
        return super().__getitem__(code)


def _opcodes(*names: str) -> set[int]:
    return {getattr(pickle, name)[0] for name in names}


# Python's C unpickler is not used: five bytes make it reserve gigabytes (a memo index), and its steps cannot be changed.
_PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]


class Unpickler(_PythonUnpickler):
    """Reads one pickle.

    Args:
        stream: read exactly as far as the pickle goes.
        storage: (persistent id) -> Storage, for the pickles of torch files.
        storage_from_bytes: reads a storage that is embedded as bytes.
    """

    steps: ClassVar[dict[int, Any]] = dict(_PythonUnpickler.dispatch)
    for code in _opcodes(
        "PERSID", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX", "NEXT_BUFFER", "READONLY_BUFFER"
    ):
        steps.pop(code)
    del code

    def __init__(
        self,
        stream: IO[bytes],
        storage: Callable[[Any], Storage] | None = None,
        storage_from_bytes: Callable[[bytes], Any] | None = None,
    ):
        super().__init__(stream, encoding="latin1")
        self.dispatch = _Counted(self.steps)
        self._storage = storage
        self._globals = _table(storage_from_bytes or self._no_storage)

    @staticmethod
    def _no_storage(data: bytes) -> Any:
        raise Refused("holds numbers where none belong")

    def find_class(self, module: str, name: str) -> Any:
        """The stand-in for a global; refuses the file if there is none."""
        try:
            return self._globals[module, name]
        except KeyError:
            if module.startswith("dnnlib.tflib"):
                raise Refused(
                    "is a TensorFlow pickle; legacy.py of stylegan2-ada-pytorch makes one that we read"
                ) from None
            wanted = "".join(c for c in f"{module}.{name}" if c.isprintable())[:60]
            raise Refused(f"asks for {wanted}, which no plain checkpoint needs; nothing of it was run") from None

    def persistent_load(self, pid: Any) -> Storage:
        """The storage that a persistent id means."""
        if self._storage is None:
            raise Refused("refers to numbers outside of itself")
        return self._storage(pid)

    def _call(self) -> None:
        """REDUCE and NEWOBJ: have a stand-in, and nothing else, called."""
        args, function = self.stack.pop(), self.stack.pop()
        if not isinstance(args, tuple):
            raise Refused("is damaged")
        if isinstance(function, _Function):
            self.append(function.function(*args))
        elif isinstance(function, type) and issubclass(function, StandIn):
            self.append(function(*args))
        else:
            raise Refused("asks for a call that no plain checkpoint needs; nothing of it was run")

    def _build(self) -> None:
        """BUILD: give a stand-in its state; everything else goes without."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, StandIn):
            target.accept(state)

    steps[pickle.REDUCE[0]] = steps[pickle.NEWOBJ[0]] = _call
    steps[pickle.BUILD[0]] = _build
