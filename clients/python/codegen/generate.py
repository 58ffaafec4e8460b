"""Generate `src/tillcore_client/v1` from the checkout's .proto files.

As everywhere in the checkout, what is generated has `_pb2` in its name and is not committed. The
messages get the package `tillcore_client.v1` in place of `tillcore.v1`, in their modules and in
the descriptor pool alike: one process can hold the server's messages, or those of another version,
beside them. Neither the bytes of a message nor the paths of the calls know that name.
"""

import shutil
import subprocess
import sys
import sysconfig
from importlib import resources
from importlib.metadata import distribution
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from codegen.calls import module_of_calls, module_of_methods, module_of_names
from codegen.schema import renamed

ROOT = Path(__file__).resolve().parents[1]
PROTO_ROOT = ROOT.parents[1] / "proto"
TARGET = ROOT / "src" / "tillcore_client" / "v1"


def generate() -> None:
    """Generate all modules; a file that stays the same is not touched.

    Raises:
        FileNotFoundError: There are no .proto files, or no plugin for type stubs.
        CalledProcessError: A .proto file is bad; the compiler has said why.
    """
    with TemporaryDirectory() as directory:
        work = Path(directory)
        schema = renamed(_compiled(work / "tillcore.binpb"))
        binary = work / "client.binpb"
        binary.write_bytes(schema.SerializeToString())
        names = [file.name for file in schema.file if file.name.startswith("tillcore_client/")]
        _protoc(
            f"--descriptor_set_in={binary}",
            f"--plugin=protoc-gen-mypy={_plugin('protoc-gen-mypy')}",
            f"--python_out={work}",
            f"--mypy_out=quiet:{work}",
            *names,
        )
        made = work / "tillcore_client" / "v1"
        for name, text in {
            "names_pb2.py": module_of_names(schema),
            "methods_pb2_grpc.py": module_of_methods(schema),
            "calls_pb2_grpc.py": module_of_calls(schema, is_async=False),
            "async_calls_pb2_grpc.py": module_of_calls(schema, is_async=True),
        }.items():
            (made / name).write_text(text, encoding="utf-8")
        _take_over(made)


def _compiled(path: Path) -> FileDescriptorSet:
    """Return the compiled .proto files with comments and with everything that they import."""
    sources = sorted((PROTO_ROOT / "tillcore").rglob("*.proto"))
    if not sources:
        raise FileNotFoundError(f"expected .proto files under {PROTO_ROOT}, was none")
    _protoc(
        f"--proto_path={PROTO_ROOT}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        f"--proto_path={distribution('googleapis-common-protos').locate_file('')}",
        f"--descriptor_set_out={path}",
        "--include_imports",
        "--include_source_info",
        *map(str, sources),
    )
    return FileDescriptorSet.FromString(path.read_bytes())


def _protoc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True)


def _plugin(name: str) -> str:
    """Return the path of a protoc plugin: on PATH in an isolated build, else beside this Python."""
    path = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if path is None:
        raise FileNotFoundError(f"expected protoc plugin {name} of mypy-protobuf, was absent")
    return path


def _take_over(made: Path) -> None:
    """Bring what was generated into the package, file by file and each at once."""
    TARGET.mkdir(parents=True, exist_ok=True)
    names = {path.name for path in made.iterdir()}
    for path in TARGET.glob("*_pb2*.py*"):
        if path.name not in names:
            path.unlink()
    for name in sorted(names):
        target, data = TARGET / name, (made / name).read_bytes()
        if not target.is_file() or target.read_bytes() != data:
            written = target.with_name(f".{name}.new")
            written.write_bytes(data)
            written.replace(target)
