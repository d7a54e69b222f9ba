"""Generate the message classes from proto/, or check that what is committed is what would be generated.

    python -m n1v1_common.codec.generate [--check]

--check also lints the definitions and refuses a change that breaks readers of an older message: it compares with
proto/baseline.binpb, the image of the last release (`--release` writes it).
"""

from __future__ import annotations

import filecmp
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

ROOT = Path(__file__).parents[5]
PROTO = ROOT / "proto"
OUTPUT = ROOT / "libs" / "common" / "src"
PACKAGE = "n1v1_messages"
BASELINE = PROTO / "baseline.binpb"


def generate(output: Path, *, proto: Path = PROTO) -> None:
    """Write the classes and their type stubs below `output`. Raises CalledProcessError when protoc refuses."""
    sources = sorted(str(path.relative_to(proto)) for path in proto.rglob("*.proto"))
    includes = [f"-I{proto}", f"-I{files('grpc_tools') / '_proto'}"]
    plugin = Path(sys.executable).parent / "protoc-gen-mypy"
    command = [sys.executable, "-m", "grpc_tools.protoc", *includes, f"--plugin=protoc-gen-mypy={plugin}"]
    subprocess.run([*command, f"--python_out={output}", f"--mypy_out=quiet:{output}", *sources], check=True)


def drift() -> list[str]:
    """Committed files that differ from what would be generated, are missing, or have no source any more."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = {path.relative_to(folder) for path in Path(folder).rglob("*_pb2.py*")}
        committed = {path.relative_to(OUTPUT) for path in (OUTPUT / PACKAGE).rglob("*_pb2.py*")}
        changed = {
            name for name in fresh & committed if not filecmp.cmp(Path(folder) / name, OUTPUT / name, shallow=False)
        }
    return sorted(str(name) for name in changed | (fresh ^ committed))


def buf(*arguments: str) -> int:
    program = Path(sys.executable).parent / "buf"
    return subprocess.run([str(program), *arguments], cwd=ROOT, check=False).returncode


def breaks(proto: Path) -> bool:
    """Whether those who read messages of the last release, or are read by them, would not understand these any more."""
    return buf("breaking", str(proto), "--against", str(BASELINE)) != 0


def check() -> int:
    drifted = drift()
    for name in drifted:
        print(f"{PACKAGE}: {name} is not what proto/ would generate; run `make proto`", file=sys.stderr)
    lint = buf("lint", "proto")
    is_broken = BASELINE.exists() and breaks(PROTO)
    return 1 if drifted or lint or is_broken else 0


def main(arguments: list[str]) -> int:
    if "--check" in arguments:
        return check()
    if "--release" in arguments:
        return buf("build", "proto", "-o", str(BASELINE.relative_to(ROOT)))
    generate(OUTPUT)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
