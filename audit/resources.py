"""Where the shipped policies and report templates are.

In a checkout they are the two folders at the top level; in an installed wheel they travel inside the
package. The checkout wins, so an editable install never reads a stale copy.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parent


def folder(name: str) -> Path:
    """Return the folder ``policies`` or ``report_templates``.

    Raises
    ------
    FileNotFoundError
        When the installation lacks it: a report without its templates or fonts is worse than none.
    """
    inside_checkout = _CHECKOUT / name
    if (_CHECKOUT / "pyproject.toml").is_file() and inside_checkout.is_dir():
        return inside_checkout
    installed = _PACKAGE / "_data" / name
    if installed.is_dir():
        return installed
    raise FileNotFoundError(f"this installation has no {name} folder; install inspectoscope again")


def near_here(path: Path) -> Path:
    """Return a path below the working folder relative to it, and any other as it is.

    A policy's path is printed in reports that others read; where a checkout lies on this machine is
    nothing they can use.
    """
    resolved = path.resolve()
    here = Path.cwd()
    return resolved.relative_to(here) if resolved.is_relative_to(here) else path


def shipped_policies() -> tuple[Path, ...]:
    """Return the policies that come with the tool, by name."""
    return tuple(sorted(folder("policies").glob("*.yaml")))
