"""Notes and checkpoints in the exact form that other implementations write and read: their published examples, and what must be refused."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterfoil.proofs.log.merkle import Leaves, inclusion_proof, leaf_hash, root_of
from counterfoil.proofs.log.notes import (
    Checkpoint,
    NoteKey,
    NoteRefused,
    open_note,
    read_checkpoint,
    read_proof,
    sign_note,
    write_proof,
)

# The example of the Go module golang.org/x/mod/sumdb/note, and the one of the format's own page.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETERS_SEED = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
PETERS_NOTE = f"{TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCHS_LINE = "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n"
FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOOS_NOTE = (
    "This is an example message.\n\n"
    "\u2014 example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
ROOT = base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")


def test_published_notes_open_and_are_signed_to_the_same_bytes() -> None:
    assert open_note(PETERS_NOTE, [NoteKey.read(PETER)])[0] == TEXT
    assert sign_note(TEXT, "PeterNeumann", PETERS_SEED) == PETERS_NOTE
    assert open_note(FOOS_NOTE, [NoteKey.read(FOO)])[0] == "This is an example message.\n"


def test_keys_are_written_as_they_were_read() -> None:
    for key in (PETER, ENOCH, FOO):
        assert NoteKey.read(key).written() == key


def test_signatures_of_others_are_passed_over() -> None:
    both = PETERS_NOTE + ENOCHS_LINE
    assert [one.name for one in open_note(both, [NoteKey.read(ENOCH)])[1]] == ["EnochRoot"]
    assert [one.name for one in open_note(both, [NoteKey.read(PETER), NoteKey.read(ENOCH)])[1]] == ["PeterNeumann", "EnochRoot"]


@pytest.mark.parametrize(
    "note",
    [
        PETERS_NOTE.replace("answer", "question"),
        PETERS_NOTE.replace("x08go/", "x08gp/"),
        PETERS_NOTE.replace("\u2014", "-"),
        PETERS_NOTE.removesuffix("\n"),
        PETERS_NOTE.replace("\n\n", "\n"),
        PETERS_NOTE.replace("PeterNeumann ", "PeterNeumann  "),
        PETERS_NOTE.replace("AM=", "AN="),
        TEXT + "\n" + ENOCHS_LINE,
        "",
    ],
)
def test_what_no_known_key_signed_is_refused(note: str) -> None:
    with pytest.raises(NoteRefused):
        open_note(note, [NoteKey.read(PETER)])


@pytest.mark.parametrize("place", range(len(PETER)))
def test_no_key_with_another_letter_is_read(place: int) -> None:
    changed = PETER[:place] + chr(ord(PETER[place]) + 1) + PETER[place + 1 :]
    with pytest.raises(NoteRefused):
        NoteKey.read(changed)


def test_a_checkpoint_is_three_lines() -> None:
    text = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    assert Checkpoint("example.com/behind-the-sofa", 20852163, ROOT).text() == text
    assert read_checkpoint(text) == Checkpoint("example.com/behind-the-sofa", 20852163, ROOT)
    assert read_checkpoint(text + "more, for other readers\n").size == 20852163


@pytest.mark.parametrize(
    "text",
    [
        "a\n1\n",
        "a\n01\n{root}\n",
        "a\n-1\n{root}\n",
        "a\n1\nAAAA\n",
        "a\n1\n{root}",
        "\n1\n{root}\n",
        "a\n\u0661\n{root}\n",
        "a\n1\n{root}=\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        read_checkpoint(text.format(root=base64.b64encode(ROOT).decode()))


@given(st.integers(1, 300), st.data())
def test_a_proof_stands_alone(size: int, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, size - 1))
    leaves = Leaves([leaf_hash(str(one).encode()) for one in range(size)])
    note = sign_note(Checkpoint("example.com/log", size, root_of(size, leaves)).text(), "PeterNeumann", PETERS_SEED)
    hashes = inclusion_proof(place, size, leaves)
    text = write_proof(place, hashes, note)
    assert text.startswith(f"c2sp.org/tlog-proof@v1\nindex {place}\n")
    assert read_proof(text) == (place, hashes, note)


@pytest.mark.parametrize("text", ["", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex 01\n\nx\n", "wrong\nindex 0\n\nx\n"])
def test_what_is_no_proof_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        read_proof(text)
