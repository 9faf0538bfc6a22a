"""An audit that was left alone is found whole, with and without the libraries that run models."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from audit.verify import STEPS

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "transformers", "captum", "safetensors", "accelerate", "tokenizers"}:
            raise ModuleNotFoundError(f"no module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = ["inspectoscope", *sys.argv[1:]]
from audit.cli import main
main()
"""


def everything(audited):
    return ("--record", audited.record, "--evidence", audited.evidence, "--model", audited.model,
            "--policy", audited.policy)  # fmt: skip


def test_a_whole_audit_is_attested_from_the_pdf_down_to_the_weights(kept_audit, found):
    code, said = found(kept_audit.report, *everything(kept_audit))

    assert code == 0
    assert set(said["attested"]) == {
        "the record's form", "the quoted texts", "the policy in the record", "the model's digest", "the intervals",
        "the verdicts", "the record in the PDF", "the PDF", "the bounds in the record", str(kept_audit.policy),
        "policy.yaml in the evidence", "the data", "the evidence files", "the evidence",
        "the measurements and verdicts", "the verdicts of the run", "the model",
    }  # fmt: skip
    assert set(said["asserted"]) == {"the record", "the stored answers"}
    assert set(said["not covered"]) == {"further files in the model's folder", "the signature", "the history of runs"}


def test_verdicts_are_reached_again_where_no_model_library_can_be_imported(kept_audit):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "verify", kept_audit.record, "--evidence", kept_audit.evidence,
         "--format", "json"],
        capture_output=True, text=True, check=False, env=dict(os.environ),
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    said = {each["about"]: (each["standing"], each["says"]) for each in json.loads(done.stdout)["statements"]}
    assert said["the measurements and verdicts"] == (
        "attested",
        "of swap, outcomes, attribution, probe were reached again from the stored answers, with no model, and are the "
        "same in every digit",
    )
    assert said["the verdicts of the run"] == ("attested", "follow from the stored answers")


def test_the_block_of_the_model_libraries_is_a_real_one(kept_audit, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, "run", kept_audit.policy, "--model", kept_audit.model, "--out", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode != 0
    assert "no module named" in done.stderr


def test_the_store_of_the_run_serves_as_evidence(kept_audit, found):
    code, said = found(kept_audit.record, "--evidence", kept_audit.store, "--policy", kept_audit.policy)

    assert code == 0
    assert {"the evidence", "the measurements and verdicts", "the data"} <= set(said["attested"])


def test_a_store_without_the_policy_says_what_it_cannot_show(kept_audit, found):
    code, said = found(kept_audit.record, "--evidence", kept_audit.store)

    assert code == 0
    assert said["not covered"]["the measurements and verdicts"] == (
        "were not reached again: a store holds no data; give the policy with --policy, its data beside it"
    )


def test_a_record_alone_shows_little_and_says_so(kept_audit, found):
    code, said = found(kept_audit.record)

    assert code == 0
    assert set(said["not covered"]) == {
        "the PDF", "the policy file", "the data", "the evidence", "the measurements and verdicts", "the model",
        "who issued the record", "the history of runs",
    }  # fmt: skip
    assert said["asserted"]["the record"].endswith(
        "whether it is the record that was issued only a signature or a history can tell"
    )


def test_a_record_made_before_evidence_was_kept_stays_readable(audited, found, edited, cli):
    edited(audited.record, lambda data: [data.pop(part) for part in ("evidence", "texts", "runs")])

    code, said = found(audited.record, "--evidence", audited.evidence)
    reported = cli("report", audited.record, "--format", "json", "--out", audited.folder / "again")

    assert code == 0
    assert said["not covered"]["the evidence"] == "the record was made before evidence was kept, and names none"
    assert reported.code == 0
    assert (audited.folder / "again" / "record.json").read_bytes() == audited.record.read_bytes()


def test_people_are_told_in_plain_words_what_is_broken_first(audited, cli, flip):
    flip(audited.model / "model.safetensors", -1)

    ended = cli("verify", audited.record, "--model", audited.model)

    assert ended.code == 1
    lines = ended.out.splitlines()
    assert lines[2:4] == [
        "Broken: looked at here and found to be otherwise",
        "  ✖ the model's file model.safetensors: was changed: SHA-256",
    ]
    assert lines[-1] == "1 thing is broken."


@pytest.mark.parametrize("step", STEPS)
def test_every_step_says_something_of_a_record_alone(step, kept_audit):
    from audit.verify import gather

    assert list(step(gather(kept_audit.record)))  # what is silent was not looked at, and nobody would know
