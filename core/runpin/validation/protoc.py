"""
Compiling `.proto` files with the compiler that grpcio-tools brings.

It works on a folder of its own, which holds the files of the repository that belong together and nothing else.
What Google and Buf ship with their libraries comes from there, so everybody has the same.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpin.errors import CheckFailed
from runpin.validation.faults import Fault, Refused

if TYPE_CHECKING:
    from runpin.compiling.schemas import ProtoFile

_SAID = re.compile(r"(?P<name>[^\n]+?):(?:(?P<line>\d+):\d+:)? (?P<text>[^\n]+)")
_IMPORT = re.compile(r'Import "(?P<name>[^"]*)" was not found or had errors\.')
_NAMES = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
_LONGEST_LOG = 64 * 1024
_LONGEST_TEXT = 300
_MOST = 20
_FAILED = 99
_SIMPLER = "simplify what stands there; options that are nested deep are known for it"


def compiled(files: Sequence[ProtoFile]) -> bytes:
    """
    Return the descriptors of the first of *files* and of everything it imports, as a serialised FileDescriptorSet.

    Raises:
        Refused: the compiler does not take them.
        CheckFailed: there is no room for temporary files.
        ImportError: a library is missing.
    """
    from grpc_tools import protoc  # type: ignore[import-untyped] # it ships no types

    with tempfile.TemporaryDirectory(prefix="runpin-") as folder:
        place = Path(folder)
        _lay_out(place, files)
        arguments = [f"-I{place / 'files'}", f"--descriptor_set_in={place / 'built_in'}", "--include_imports"]
        arguments += [f"--descriptor_set_out={place / 'out'}", str(place / "files" / files[0].name)]
        code = _run(protoc.main, arguments, place / "log")
        if code < 0:
            raise Refused([Fault(files[0].path, 0, "protobuf/compile", "the compiler crashes on the file", _SIMPLER)])
        if code != 0:
            raise Refused(_faults((place / "log").read_bytes(), f"{place / 'files'}{os.sep}", files))
        return (place / "out").read_bytes()


def _lay_out(place: Path, files: Sequence[ProtoFile]) -> None:
    try:
        (place / "built_in").write_bytes(_built_in())
        for file in files:
            path = place / "files" / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file.body)
    except OSError as error:
        if error.errno not in _NAMES:
            raise CheckFailed(
                "the folder for compiling Protobuf files cannot be written",
                where=files[0].path,
                fix=f"see why the system says: {error.strerror}",
            ) from None
        what = "the names of the file and its imports do not fit into one folder"
        raise Refused([Fault(files[0].path, 0, "protobuf/import", what, "use short names, and one for each")]) from None


def _run(compiler: Callable[[list[str]], int], arguments: Sequence[str], log: Path) -> int:
    """
    Return how the compiler ended, negative for a signal.

    It crashes on some options, and writes to the process's one standard error; so it gets a copy of this process.
    """
    copy = os.fork()
    if copy == 0:
        try:
            # A host that has traces of crashes written would have them for this expected one.
            faulthandler.disable()
            os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT, 0o600), 2)
            os._exit(compiler(["protoc", *arguments]))
        finally:
            # Whatever happens, a copy must not go on with its original's work.
            os._exit(_FAILED)
    return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])


@lru_cache(maxsize=1)
def _built_in() -> bytes:
    """Return the descriptors of google/protobuf/*.proto and buf/validate/validate.proto, which no wheel has as text."""
    from google.protobuf import (  # type: ignore[import-untyped] # it ships no types
        any_pb2,
        api_pb2,
        descriptor_pb2,
        duration_pb2,
        empty_pb2,
        field_mask_pb2,
        source_context_pb2,
        struct_pb2,
        timestamp_pb2,
        type_pb2,
        wrappers_pb2,
    )
    from protovalidate import ViolationPb

    files = descriptor_pb2.FileDescriptorSet()
    known: list[Any] = [descriptor_pb2, any_pb2, source_context_pb2, type_pb2, api_pb2, duration_pb2, empty_pb2]
    for module in (*known, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2):
        module.DESCRIPTOR.CopyToProto(files.file.add())
    files.file.add().MergeFromString(ViolationPb.desc().file.proto.to_binary())
    serialised: bytes = files.SerializeToString()
    return serialised


def _faults(log: bytes, folder: str, files: Sequence[ProtoFile]) -> list[Fault]:
    """Return what the compiler said, without its consequences, and without the folder it worked in."""
    text = log[:_LONGEST_LOG].decode(errors="replace").replace(folder, "")
    paths = {file.name: file.path for file in files}
    found = dict.fromkeys(
        fault for said in _SAID.finditer(text) if (fault := _fault(said, paths)) and fault.message.isprintable()
    )
    return [*found][:_MOST] or [
        Fault(files[0].path, 0, "protobuf/compile", "the compiler refuses the file and does not say why")
    ]


def _fault(said: re.Match[str], paths: dict[str, str]) -> Fault | None:
    path, words, line = paths.get(said["name"]), said["text"], int(said["line"] or 0)
    if path is None or line == 0 or words.startswith("warning:"):
        # What is said without a line is said again where the file is imported.
        return None
    imported = _IMPORT.fullmatch(words)
    if imported is None:
        return Fault(path, line, "protobuf/compile", words[:_LONGEST_TEXT].removesuffix("."))
    name = imported["name"]
    if name in paths:
        return None
    fix = "imports are paths from the repository's root, or from a folder above the file that the manifest names"
    return Fault(path, line, "protobuf/import", f'the import "{name[:100]}" leads to no file of the repository', fix)
