"""A small assembler for pickles, and what malicious ones are made of."""

import io
import pickle
import struct

import torch

from tests.checkpoint_files import write_zip


def lit(value):
    """Opcodes that push a plain value."""
    return pickle.dumps(value, 2)[2:-1]


def name(module, attribute):
    """Opcodes that push a global."""
    return f"c{module}\n{attribute}\n".encode()


def call(function, *args):
    """Opcodes that call what `function` pushes."""
    return function + b"(" + b"".join(args) + b"tR"


def mapping(**items):
    """Opcodes that push a dict."""
    return b"}(" + b"".join(lit(key) + value for key, value in items.items()) + b"u"


def done(opcodes):
    return b"\x80\x02" + opcodes + b"."


def tensor(size, stride=None, *, offset=0, numel=16, key="0", storage="FloatStorage"):
    """Opcodes of a tensor as torch.save writes them."""
    if stride is None:
        stride = tuple(int(torch.tensor(size[k + 1 :]).prod()) for k in range(len(size)))
    pid = b"(" + lit("storage") + name("torch", storage) + lit(key) + lit("cpu") + lit(numel) + b"tQ"
    hooks = call(name("collections", "OrderedDict"))
    return call(name("torch._utils", "_rebuild_tensor_v2"), pid, lit(offset), lit(size), lit(stride), lit(False), hooks)


def zipped(opcodes, storages=None, **more):
    """A .pt file: data.pkl of these opcodes, and storages."""
    members = {"data.pkl": done(opcodes), "byteorder": b"little", "version": b"3\n", **more}
    buffer = io.BytesIO()
    write_zip(buffer, members | {f"data/{key}": data for key, data in (storages or {"0": bytes(64)}).items()})
    return buffer.getvalue()


def legacy(opcodes, storages=()):
    """A file of torch.save before 1.6."""
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(v, 2) for v in (0x1950A86A20F9469CFC6C, 1001, system))
    keys = pickle.dumps([str(k) for k in range(len(storages))], 2)
    return head + done(opcodes) + keys + b"".join(struct.pack("<q", len(s) // 4) + s for s in storages)


def payloads(marker):
    """name -> opcodes that would create the marker file, if anything ran them."""
    touch, code = f"touch {marker}", f"open({str(marker)!r}, 'w').close()"
    posix = name("posix", "system")
    return {
        "os.system": call(name("os", "system"), lit(touch)),
        "posix.system": call(posix, lit(touch)),
        "eval": call(name("builtins", "eval"), lit(code)),
        "exec": call(name("builtins", "exec"), lit(code)),
        "python 2 eval": call(name("__builtin__", "eval"), lit(code)),
        "subprocess": call(name("subprocess", "Popen"), lit(["touch", str(marker)])),
        "runpy": call(name("runpy", "_run_code"), lit(code), lit({})),
        "pathlib": call(name("pathlib", "Path.touch"), lit(str(marker))),
        "open": call(name("io", "open"), lit(str(marker)), lit("w")),
        "getattr": call(name("builtins", "getattr"), call(name("builtins", "__import__"), lit("os")), lit("system")),
        "torch.load": call(name("torch", "load"), lit(str(marker))),
        "torch.hub": call(name("torch.hub", "load"), lit(str(marker)), lit("x")),
        "shutil": call(name("shutil", "copyfile"), lit("/etc/hostname"), lit(str(marker))),
        "numpy": call(name("numpy.testing._private.utils", "runstring"), lit(code), lit({})),
        "partial": call(call(name("functools", "partial"), posix), lit(touch)),
        "persistence": call(
            name("torch_utils.persistence", "_reconstruct_persistent_obj"),
            mapping(type=lit("class"), version=lit(6), module_src=lit(code), class_name=lit("X"), state=b"N"),
        ),
        "INST": b"(" + lit(touch) + b"ios\nsystem\n",
        "OBJ": b"(" + posix + lit(touch) + b"o",
        "NEWOBJ": posix + lit((touch,)) + b"\x81",
        "a stand-in with a system call": name("torch._utils", "_rebuild_parameter") + b"(" + posix + lit(touch) + b"tR",
        "BUILD of a class": name("argparse", "Namespace") + b"N" + mapping(__init__=posix) + b"\x86b" + b")R",
        "STACK_GLOBAL": lit("os") + lit("system") + b"\x93(" + lit(touch) + b"tR",
        "extension": b"\x82\x01(" + lit(touch) + b"tR",
        "text id": b"P" + touch.encode() + b"\n",
    }


def generator_of(state, **changes):
    """A state dict's opcodes, all tensors in storage "0" of `numel` numbers, some from other opcodes."""
    numel = max(t.numel() for t in state.values())
    items = {key: tensor(tuple(t.shape), numel=numel) for key, t in state.items()}
    return mapping(g_ema=mapping(**{**items, **changes})), {"0": bytes(4 * numel)}


def module_of(children, before=b""):
    """An NVlabs module with these child modules; `before` is pushed first, for `children` to refer to."""
    state = mapping(_parameters=b"}", _buffers=b"}", _modules=children, _init_kwargs=b"}")
    meta = mapping(type=lit("class"), version=lit(6), class_name=lit("X"), state=state)
    return before + call(name("torch_utils.persistence", "_reconstruct_persistent_obj"), meta)


def saved(value, **kwargs):
    """What torch.save writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer, **kwargs)
    return buffer.getvalue()
