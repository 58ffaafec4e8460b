"""Build the compiled kernels and the generated protobuf code; the metadata is in pyproject.toml."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import resources
from importlib.machinery import SourceFileLoader
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import ClassVar

from setuptools import Command, Extension, setup
from setuptools.command.build import build

ROOT = Path(__file__).resolve().parent
PROTO_ROOT = ROOT / "proto"
# The compiled schema with comments and imports: what `buf lint` reads, since the imported
# google/rpc files come from Python packages and not from a schema registry.
SCHEMA = ROOT / "build" / "tillcore.binpb"
# What the wire codec includes: field numbers and wire types of the messages that it knows.
WIRE_FIELDS = ROOT / "ext" / "wire_fields.pxi"
# What the .proto files say of everything they name: the OpenAPI document repeats it, and the
# generated modules carry no comments.
COMMENTS = PROTO_ROOT / "tillcore" / "v1" / "comments.json"
# The client is a distribution of its own, and absent from a source distribution of this one.
CLIENT_ROOT = ROOT / "clients" / "python"
GENERATED_PATTERNS = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py", "*_pb2_grpc.pyi")

# -fwrapv comes with many CPython builds. Money never relies on it: every addition is checked.
# Debug level 1 keeps function names and lines for valgrind and crash reports at no run-time cost.
RELEASE_FLAGS = ["-O3", "-g1"]
SANITIZE_FLAGS = [
    "-O1",
    "-g",
    "-fno-wrapv",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
]
# What Cython generates is not ours to clean: unused helpers and its own conversions stay allowed.
# The hand-written headers are held to more than this, in tests/unit/test_build.py.
DEVELOPER_FLAGS = [
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wno-unused-function",
    "-Wno-unused-parameter",
    "-Wno-missing-field-initializers",
]


def is_set(option: str) -> bool:
    """Return whether the build option is switched on in the environment."""
    return os.environ.get(option, "") not in ("", "0")


def compile_flags() -> list[str]:
    """Return the compiler's flags under the options TILLCORE_SANITIZE and TILLCORE_DEV."""
    flags = list(SANITIZE_FLAGS if is_set("TILLCORE_SANITIZE") else RELEASE_FLAGS)
    if is_set("TILLCORE_DEV"):
        flags += DEVELOPER_FLAGS
    return flags


def link_flags() -> list[str]:
    """Return the linker's flags under the option TILLCORE_SANITIZE."""
    return ["-fsanitize=address,undefined"] if is_set("TILLCORE_SANITIZE") else []


def slow_paths() -> list[tuple[str, str | None]]:
    """Return the macros of TILLCORE_PORTABLE_INT128: the paths that are rarely taken, everywhere.

    No __int128, and exact rationals wide from 1000 on, so that sanitizers see both.
    """
    if not is_set("TILLCORE_PORTABLE_INT128"):
        return []
    return [("TILLCORE_PORTABLE", "1"), ("TC_SMALL_MAX", "1000")]


def relative(paths: list[Path]) -> list[str]:
    """Return the paths relative to the checkout, sorted, as setuptools wants them."""
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def kernel(source: str) -> Extension:
    """Return the extension module of one .pyx file: its path is its import path."""
    shared = [path for kind in ("h", "pxi", "pxd") for path in (ROOT / "ext").rglob(f"*.{kind}")]
    return Extension(
        name=source.removesuffix(".pyx").replace("/", "."),
        sources=[source],
        depends=relative(shared),
        include_dirs=["ext"],
        define_macros=slow_paths(),
        extra_compile_args=compile_flags(),
        extra_link_args=link_flags(),
    )


FRONT = "ext/front/front.pyx"
FRONT_LIBRARY = "libnghttp2"
FRONT_ABSENT = (
    f"the fast front is not built: expected {FRONT_LIBRARY} by pkg-config, was absent "
    "(Debian: apt-get install libnghttp2-dev pkg-config); everything else works without it"
)


def library_flags(question: str) -> list[str] | None:
    """Return what pkg-config answers about the library of the front, None without it."""
    program = shutil.which("pkg-config")
    if program is None:
        return None
    done = subprocess.run(
        [program, question, FRONT_LIBRARY], capture_output=True, text=True, check=False
    )
    return done.stdout.split() if done.returncode == 0 else None


def with_front(extension: Extension) -> Extension:
    """Return the module of the front with its own C sources and its library."""
    folder = ROOT / Path(FRONT).parent
    extension.sources = [*map(str, extension.sources), *relative(list(folder.glob("*.c")))]
    extension.include_dirs.append(relative([folder])[0])
    extension.extra_compile_args += [*(library_flags("--cflags") or []), "-pthread"]
    extension.extra_link_args += [*(library_flags("--libs") or []), "-pthread"]
    return extension


def kernels() -> list[Extension]:
    """Return every extension module; that of the front only where its library is."""
    sources = relative(list((ROOT / "ext").rglob("*.pyx")))
    found = [kernel(source) for source in sources if source != FRONT]
    if FRONT in sources and library_flags("--libs") is not None:
        found.append(with_front(kernel(FRONT)))
    return sorted(found, key=lambda extension: extension.name)


EXTENSIONS = kernels()


def plugin(name: str) -> str:
    """Return the path of a protoc plugin: on PATH in an isolated build, else beside this Python."""
    path = shutil.which(name) or shutil.which(name, path=sysconfig.get_path("scripts"))
    if path is None:
        raise FileNotFoundError(f"expected protoc plugin {name} of mypy-protobuf, was absent")
    return path


def wire_fields() -> ModuleType:
    """Return the module that knows the messages of the wire codec, wherever Python was started."""
    loader = SourceFileLoader("wire_fields", str(PROTO_ROOT / "wire_fields.py"))
    module = ModuleType(loader.name)
    loader.exec_module(module)
    return module


def comments_of(schema: Path) -> dict[str, str]:
    """Return the comments of a compiled schema by the full names of what they are about."""
    # Isolated builds bring protobuf with grpcio-tools; other commands of this file need none.
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    found: dict[str, str] = {}
    for file in FileDescriptorSet.FromString(schema.read_bytes()).file:
        if not file.package.startswith("tillcore."):
            continue
        for place in file.source_code_info.location:
            # A path alternates between the numbers of fields of the descriptor and positions.
            if not place.leading_comments or len(place.path) % 2:
                continue
            node, names = file, [file.package]
            for number, index in zip(place.path[::2], place.path[1::2], strict=True):
                node = getattr(node, node.DESCRIPTOR.fields_by_number[number].name)[index]
                names.append(node.name)
            paragraphs = place.leading_comments.split("\n\n")
            found[".".join(names)] = "\n\n".join(" ".join(each.split()) for each in paragraphs)
    return found


class BuildProto(Command):
    """Generate the Python modules and type stubs of proto/tillcore beside their .proto files."""

    description = "generate the protobuf and gRPC modules of tillcore.v1"
    user_options: ClassVar[list[tuple[str, str | None, str]]] = []

    def initialize_options(self) -> None:
        """Do nothing: the command has no options."""

    def finalize_options(self) -> None:
        """Do nothing: the command has no options."""

    def run(self) -> None:
        """Generate in the source tree, where editable installs read and build_py collects."""
        sources = sorted((PROTO_ROOT / "tillcore").rglob("*.proto"))
        if not sources:
            raise FileNotFoundError(f"expected .proto files under {PROTO_ROOT}, was none")
        self._remove_stale()
        well_known = resources.files("grpc_tools") / "_proto"
        google_rpc = distribution("googleapis-common-protos").locate_file("")
        command = [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--plugin=protoc-gen-mypy={plugin('protoc-gen-mypy')}",
            f"--plugin=protoc-gen-mypy_grpc={plugin('protoc-gen-mypy_grpc')}",
            f"--proto_path={PROTO_ROOT}",
            f"--proto_path={well_known}",
            f"--proto_path={google_rpc}",
            f"--python_out={PROTO_ROOT}",
            f"--grpc_python_out={PROTO_ROOT}",
            f"--mypy_out=quiet:{PROTO_ROOT}",
            f"--mypy_grpc_out=quiet:{PROTO_ROOT}",
            f"--descriptor_set_out={SCHEMA}",
            "--include_imports",
            "--include_source_info",
            *(str(source) for source in sources),
        ]
        SCHEMA.parent.mkdir(exist_ok=True)
        subprocess.run(command, check=True)
        text = json.dumps(comments_of(SCHEMA), ensure_ascii=False, indent=0)
        COMMENTS.write_text(f"{text}\n", encoding="utf-8")
        wire_fields().write_tags(SCHEMA, WIRE_FIELDS)
        if CLIENT_ROOT.is_dir():
            subprocess.run([sys.executable, "-m", "codegen"], check=True, cwd=CLIENT_ROOT)

    def _remove_stale(self) -> None:
        """Remove modules whose .proto file is gone: they would still import."""
        for pattern in GENERATED_PATTERNS:
            for path in (PROTO_ROOT / "tillcore").rglob(pattern):
                source = path.with_name(path.name.split("_pb2")[0] + ".proto")
                if not source.exists():
                    path.unlink()


class Build(build):
    """Build with the protobuf modules first: the Python step then finds them as plain files."""

    sub_commands: ClassVar = [("build_proto", None), *build.sub_commands]


if __name__ == "__main__":
    if FRONT not in {source for extension in EXTENSIONS for source in extension.sources}:
        print(FRONT_ABSENT, file=sys.stderr)
    setup(
        ext_modules=EXTENSIONS,
        cmdclass={"build": Build, "build_proto": BuildProto},
        # Generated C goes to the build directory: the tree holds sources only.
        options={"build_ext": {"cython_c_in_temp": "1"}},
    )
