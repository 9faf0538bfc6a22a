"""Fixtures that more than one folder of tests may need."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def verapdf() -> ModuleType:
    """The veraPDF runner beside this file; skips where its packages are not installed."""
    spec = importlib.util.spec_from_file_location("verapdf", Path(__file__).with_name("verapdf.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    if package := module.missing():
        pytest.skip(f"veraPDF needs the package {package}")
    return module
