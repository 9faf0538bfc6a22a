"""What this installation can do: versions, devices, system libraries, shipped files."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import audit
from audit.errors import UserError
from audit.resources import folder, shipped_policies

LIBRARIES = ("torch", "transformers", "captum", "safetensors", "scikit-learn", "statsmodels", "weasyprint")


def examine() -> tuple[list[str], bool]:
    """Return what was found, line by line, and whether everything that an audit needs is there."""
    from audit.capture.store import default_root

    lines = [f"inspectoscope {audit.__version__}, Python {platform.python_version()}, {platform.platform()}"]
    sound = True
    for name in LIBRARIES:
        try:
            lines.append(f"  ok       {name} {version(name)}")
        except PackageNotFoundError:
            sound = False
            lines.append(f"  MISSING  {name}: install inspectoscope again")
    for line, fine in (_pdf(), _device(), _files()):
        lines.append(line)
        sound = sound and fine
    root = default_root()
    room = shutil.disk_usage(next(p for p in (root, *root.parents) if p.exists())).free
    lines.append(f"  ok       store {root}, {room / 1e9:,.1f} GB free")
    return lines, sound


def _pdf() -> tuple[str, bool]:
    """Look for Pango in another process: a failed import of weasyprint prints advice of its own."""
    from audit.report import MISSING_PANGO

    found = subprocess.run([sys.executable, "-c", "import weasyprint"], capture_output=True, text=True, check=False)
    if found.returncode == 0:
        return "  ok       PDF reports (Pango found)", True
    return f"  MISSING  Pango, for PDF reports; run: {MISSING_PANGO}", False


def _device() -> tuple[str, bool]:
    import torch

    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
        return f"  ok       {torch.cuda.device_count()} CUDA device(s): {', '.join(sorted(names))}", True
    return "  ok       no CUDA device; audits run on the CPU", True


def _files() -> tuple[str, bool]:
    try:
        fonts = len(list((folder("report_templates") / "fonts").glob("*.woff2")))
        return f"  ok       {len(shipped_policies())} shipped policies, {fonts} fonts", fonts > 0
    except (FileNotFoundError, UserError) as error:
        return f"  MISSING  {error}", False
