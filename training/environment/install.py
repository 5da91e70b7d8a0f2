"""Make the training environment: `install.py <folder>`. Standard library only.

A machine with an NVIDIA driver gets LLaMA-Factory with its own choice of torch (CUDA). Without one
it gets the CPU build of torch, and stand-ins for torchvision and torchaudio, whose wheels link CUDA
libraries and would break `import transformers`. A stamp makes a second call a no-op.
"""

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REQUIREMENTS = ROOT / "requirements-training.txt"
CONSTRAINTS = ROOT / "constraints-training-cpu.txt"
TORCH_CPU = "torch==2.13.0"
BUILD_TOOLS = ["setuptools==84.2.1", "wheel==0.48.0"]
FREE_GB_NEEDED = {"cpu": 4, "gpu": 12}


def fail(problem: str, remedy: str) -> None:
    sys.exit(f"\n{problem}\n  Remedy: {remedy}")


def machine_kind() -> str:
    return "gpu" if shutil.which("nvidia-smi") else "cpu"


def fingerprint(kind: str) -> str:
    seen = hashlib.sha256(kind.encode())
    for file in [REQUIREMENTS, CONSTRAINTS, *sorted(HERE.rglob("*.*"))]:
        if file.is_file() and file.suffix in {".txt", ".toml", ".py"} and "build" not in file.parts:
            seen.update(file.read_bytes())
    return seen.hexdigest()


def check_machine(folder: Path, kind: str) -> None:
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        fail(
            f"LLaMA-Factory needs Python 3.11 to 3.13; this is {sys.version.split()[0]}.",
            "install python3.11, then: make run PYTHON=python3.11",
        )
    free_gb = shutil.disk_usage(folder.parent).free / 1024**3
    if free_gb < FREE_GB_NEEDED[kind]:
        fail(
            f"{free_gb:.1f} GB are free; the training environment needs {FREE_GB_NEEDED[kind]} GB.",
            "free some disk, or keep it elsewhere and set TRAINING_PYTHON",
        )


def pip(python: Path, *arguments: str) -> None:
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    if subprocess.run([*command, *arguments], check=False).returncode != 0:
        fail(
            "Installing the training environment failed (see above).",
            "check that the package registry is reachable, then run the same command again",
        )


def install_cpu(python: Path) -> None:
    print("  torch, CPU build …", flush=True)
    pip(python, *BUILD_TOOLS, TORCH_CPU)
    stand_ins = [str(HERE / "torchaudio"), str(HERE / "torchvision")]
    pip(python, "--no-build-isolation", "--no-deps", *stand_ins)
    print("  LLaMA-Factory, SwanLab, bitsandbytes …", flush=True)
    pip(python, "-c", str(CONSTRAINTS), "-r", str(REQUIREMENTS))


def install_gpu(python: Path) -> None:
    print("  LLaMA-Factory with CUDA (several GB) …", flush=True)
    pip(python, "-r", str(REQUIREMENTS))


def main(folder: Path) -> None:
    kind = machine_kind()
    stamp, wanted = folder / ".installed", fingerprint(kind)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    check_machine(folder, kind)
    started = time.monotonic()
    print(f"Training environment ({kind}), a few minutes the first time", flush=True)
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    {"cpu": install_cpu, "gpu": install_gpu}[kind](python)
    stamp.write_text(wanted)
    print(f"Training environment ready in {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
