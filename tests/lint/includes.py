"""Dependencies run one way: formats <- kernels <- engine <- selector <- programs; public headers include only public ones."""
import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1])
# What each folder may include besides itself. "siskin" is the public API, <siskin/...>.
ALLOWED = {
    "formats": {"siskin:result.h", "siskin:routing_trace.h"},
    "kernels": {"formats", "siskin:result.h"},
    "engine": {"formats", "kernels", "siskin"},
    "selector": {"siskin"},
    "examples": {"selector", "siskin"},
    "bench": {"siskin", "engine", "kernels", "formats", "examples"},  # kernels_bench looks inside; siskin-bench shares cli/
}
# Parts of formats that cross-build: the standard library and each other alone.
CORE = ("formats/blocks", "formats/packed", "formats/dtype", "formats/checked_math.h", "formats/check.")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
STANDARD = re.compile(r"^[a-z_0-9]+$")

errors = []


def public_header(path):
    return "include/siskin/" in path


def check(path, quoted, angled):
    room = path.split("/")[0]
    if quoted:
        target = quoted.split("/")[0]
        if (ROOT / path).parent.joinpath(quoted).exists() and "/" not in quoted:
            return  # a generated or neighbouring file
        if public_header(path):
            errors.append(f'{path}: a public header includes "{quoted}"')
        elif target in ALLOWED and target != room and target not in ALLOWED[room]:
            errors.append(f'{path}: {room} must not include "{quoted}"')
        return
    if angled.startswith("siskin/"):
        name = angled.removeprefix("siskin/")
        if public_header(path) or "siskin" in ALLOWED[room] or f"siskin:{name}" in ALLOWED[room]:
            return
        errors.append(f"{path}: {room} must not include <{angled}>")
    elif public_header(path) and not STANDARD.match(angled) and not (path.endswith("/siskin.h") and angled.endswith(".h")):
        errors.append(f"{path}: a public header includes <{angled}>")
    elif path.startswith(CORE) and not STANDARD.match(angled) and angled != "unistd.h":
        errors.append(f"{path}: cross-built code includes <{angled}>")


count = 0
for room in ALLOWED:
    for file in sorted((ROOT / room).rglob("*")):
        if file.suffix not in {".h", ".cpp", ".inc", ".c"}:
            continue
        count += 1
        path = file.relative_to(ROOT).as_posix()
        for quoted, angled in INCLUDE.findall(file.read_text()):
            check(path, quoted, angled)

print("\n".join(errors) if errors else f"{count} files include only what their place allows")
sys.exit(1 if errors or count < 50 else 0)
