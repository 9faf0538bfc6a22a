"""The form of the chain is a promise to whoever checks it in ten years, with whatever they have then."""

import hashlib
from dataclasses import fields, replace

from hypothesis import given
from hypothesis import strategies as st

from audit.history import chain
from audit.history.chain import Link

HISTORY = "6f1c3a52-0000-4000-8000-000000000001"
DIGEST = "ab" * 32


def links(count, history=HISTORY):
    """A chain of runs."""
    head, made = chain.beginning(history), []
    for number in range(1, count + 1):
        record = hashlib.sha256(str(number).encode()).hexdigest()
        made.append(chain.link(previous=head, number=number, record=record, entered="2026-11-20T10:00:45Z"))
        head = made[-1].head
    return made


def told(found):
    return [fault.says for fault in chain.faults(HISTORY, found)]


def test_a_head_is_the_digest_of_five_lines():
    text = (
        f"inspectoscope-history-2\nprevious={'0' * 64}\nnumber=8\nrecord={DIGEST}\nentered=2026-11-20T10:00:45Z\n"
    ).encode()

    assert chain.head(previous="0" * 64, number=8, record=DIGEST, entered="2026-11-20T10:00:45Z") == (
        hashlib.sha256(text).hexdigest()
    )


def test_a_history_begins_with_the_digest_of_its_id():
    assert chain.beginning(HISTORY) == hashlib.sha256(f"inspectoscope-history-2\nid={HISTORY}\n".encode()).hexdigest()


def test_an_untouched_chain_has_no_fault():
    assert told(links(5)) == []
    assert told([]) == []


def test_a_run_taken_out_is_named():
    made = links(5)

    assert told([*made[:2], *made[3:]]) == ["Run 3 was removed: the history goes from run 2 to run 4."]
    assert told(made[2:]) == ["Runs 1 to 2 were removed: the history goes from its beginning to run 3."]


def test_an_edited_run_is_named_once_and_casts_no_doubt_on_the_others():
    made = links(5)
    made[2] = replace(made[2], record=DIGEST)

    assert told(made) == ["The head of run 3 is not the digest of what stands beside it: the run was edited."]


def test_an_edited_run_with_a_head_made_anew_does_not_lead_to_the_next():
    made = links(5)
    made[2] = chain.link(previous=made[2].previous, number=3, record=DIGEST, entered=made[2].entered)

    assert told(made) == [
        f"Run 4 follows the head {links(5)[2].head}, and what stands before it has {made[2].head}: "
        "one of the two was edited."
    ]


def test_a_chain_of_another_history_does_not_begin_here():
    (fault,) = told(links(3, history="another"))

    assert fault.startswith("Run 1 follows the head ")


@given(
    count=st.integers(1, 6), at=st.integers(0, 5), field=st.sampled_from([f.name for f in fields(Link)]),
    text=st.text(max_size=70),
)  # fmt: skip
def test_whatever_is_edited_is_noticed(count, at, field, text):
    made = links(count)
    at %= count
    edited = replace(made[at], **{field: made[at].number + 1 + len(text) if field == "number" else text})

    assert told([*made[:at], edited, *made[at + 1 :]])


def test_lines_cannot_be_smuggled_into_a_field():
    honest = links(1)[0]
    smuggled = replace(
        honest, record=DIGEST, entered=f"2026-11-20T10:00:45Z\nrecord={honest.record}",
    )  # fmt: skip
    smuggled = replace(
        smuggled,
        head=chain.head(
            previous=smuggled.previous, number=1, record=smuggled.record, entered=smuggled.entered
        ),
    )  # fmt: skip

    assert not chain.follows(smuggled)
