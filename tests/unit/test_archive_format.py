"""The archive's bytes: what comes out is what went in, and whatever was altered, moved or cut off is noticed."""

from __future__ import annotations

import io
import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archiving import KEY, NOON_MS, PUBLIC_KEY, MemoryPlace, message, seen, writer
from sofetch.archive.folder import Folder
from sofetch.archive.frames import MESSAGES, About, CutOff, new_clear, new_frame, new_header, read_frames, read_header
from sofetch.archive.messages import Damaged, pack_messages, unpack_messages
from sofetch.archive.place import Listed
from sofetch.archive.reading import look_at_file, read_file, read_messages
from sofetch.archive.sealing import FrameSeal, new_archive_keypair, parse_archive_key, parse_archive_public_key
from sofetch.errors import ArchiveDamaged, KeyringError
from sofetch.mask.identity import ledger_key
from sofetch.record import Message

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)  # lone surrogates too
ANY_MESSAGE = st.builds(
    Message,
    id=ANY_TEXT,
    body=st.binary(max_size=200) | st.text(max_size=50).map(str.encode),
    queue=st.just("q"),
    sent_ms=st.none() | st.integers(0, 2**47),
    received_ms=st.integers(0, 2**47),
    receive_count=st.integers(1, 1_000),
    group_id=st.none() | ANY_TEXT,
    sequence_number=st.none() | ANY_TEXT,
    attributes=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
)


@settings(max_examples=60)
@given(st.lists(ANY_MESSAGE, max_size=3))
def test_any_messages_come_out_as_they_went_in(messages: list[Message]) -> None:
    assert seen(unpack_messages(pack_messages(messages), queue="q")) == seen(messages)


def test_a_body_that_was_unwrapped_is_archived_as_it_came() -> None:
    unwrapped = Message(id="m", body=b"inner", queue="q", sent_ms=1, received_ms=2, original=b"outer")
    assert unpack_messages(pack_messages([unwrapped]), queue="q")[0].body == b"outer"


@pytest.mark.parametrize("packed", [b"", b"nonsense", zlib.compress(b'{"id": 1}'), zlib.compress(b"[" * 9)])
def test_what_is_no_messages_is_damage_and_nothing_of_it_is_told(packed: bytes) -> None:
    with pytest.raises(Damaged) as caught:
        unpack_messages(packed, queue="q")
    assert "nonsense" not in str(caught.value)


def three_frames(folder: Path) -> tuple[Folder, Path]:
    """A closed file of three frames."""
    place = Folder(str(folder))
    archive, _ = writer(place)
    for number in range(3):
        archive.keep([message(number, b"secret-%d" % number)])
    archive.close()
    [file] = folder.rglob("*.sfa")
    return place, file


def name_of(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix()


def pieces_of(content: bytes) -> list[bytes]:
    """The header, and each frame."""
    stream = io.BytesIO(content)
    header = read_header(stream)
    ends = [len(header.raw)] + [stream.tell() for _ in read_frames(stream, header)]
    return [content[: ends[0]], *(content[a:b] for a, b in pairwise(ends))]


def test_a_file_is_read_without_a_key_to_its_counts_and_keys_and_with_it_to_its_messages(tmp_path: Path) -> None:
    place, file = three_frames(tmp_path)
    clear = [frame.clear for frame in read_file(place, name_of(tmp_path, file))]
    assert [(one.count, one.archived_ms) for one in clear] == [(1, NOON_MS)] * 3
    assert [key for one in clear for key in one.each_key()] == [ledger_key(message(number)) for number in range(3)]
    assert b"secret" not in file.read_bytes()
    opened = [one for batch in read_messages(place, name_of(tmp_path, file), [KEY]) for one in batch]
    assert seen(opened) == seen([message(number, b"secret-%d" % number) for number in range(3)])


def with_bit(frame: bytes, at: int) -> bytes:
    """A frame with one bit changed, and a check that fits."""
    changed = bytearray(frame[:-4])
    changed[at] ^= 3
    return bytes(changed) + zlib.crc32(bytes(changed)).to_bytes(4, "big")


def test_a_frame_that_says_another_number_of_messages_is_damage_whoever_sealed_it() -> None:
    place = MemoryPlace()
    data_key, wrapped = PUBLIC_KEY.new_data_key()
    about = About(pipeline="p", queue="q", dedupe="message", writer="w", number=0, hour="2026-11-26T12", sofetch="0")
    header = new_header(PUBLIC_KEY.id, wrapped, about)
    clear = new_clear([bytes(16)] * 2, archived_ms=1)
    seal = FrameSeal(data_key, header=header)
    sealed = seal.seal(pack_messages([message(1)]), number=0, kind=MESSAGES, clear=clear)
    place.files["x"] = header + new_frame(MESSAGES, clear=clear, sealed=sealed)
    with pytest.raises(ArchiveDamaged, match="as many messages"):
        list(read_messages(place, "x", [KEY]))


def test_each_frame_that_is_altered_reordered_left_out_doubled_or_of_another_file_is_noticed(tmp_path: Path) -> None:
    place, file = three_frames(tmp_path)
    _, other = three_frames(tmp_path / "other")
    header, one, two, three, end = pieces_of(file.read_bytes())
    strange = pieces_of(other.read_bytes())
    altered = bytearray(two)
    altered[60] ^= 1
    wrong = {
        "bit": [header, one, bytes(altered), three, end],
        "bit, and its check": [header, one, with_bit(two, 60), three, end],
        "key": [header, one, with_bit(two, 30), three, end],
        "kind": [header, one, two, with_bit(three, 0)],
        "pipeline": [header.replace(b"user_logins", b"user_l0gins"), one, two, three, end],
        "order": [header, two, one, three, end],
        "gap": [header, one, three, end],
        "end too early": [header, one, end],
        "twice": [header, one, one, two, three, end],
        "other file": [header, strange[1], two, three, end],
        "other header": [strange[0], one, two, three, end],
        "after the end": [header, one, two, three, end, b"x"],
        "version": [header.replace(b"SFARCH1", b"SFARCH2"), one, two, three, end],
    }
    for pieces in wrong.values():
        file.write_bytes(b"".join(pieces))
        with pytest.raises(ArchiveDamaged):
            list(read_messages(place, name_of(tmp_path, file), [KEY]))


def test_a_file_cut_off_anywhere_is_read_to_its_last_whole_frame(tmp_path: Path) -> None:
    place, file = three_frames(tmp_path)
    content = file.read_bytes()
    pieces = pieces_of(content)
    for length in range(0, len(content), 5):
        whole = sum(len(b"".join(pieces[: n + 1])) <= length for n in range(1, 4))
        grown = bytes(0 if length % 2 else _to_the_end_of_its_piece(pieces, length))  # before its blocks were written
        torn = content[:length] + grown
        if grown and length < len(pieces[0]):  # a header is one block
            torn = bytes(len(torn))
        file.write_bytes(torn)
        found = [one for batch in read_messages(place, name_of(tmp_path, file), [KEY]) for one in batch]
        assert len(found) == whole
        looked = look_at_file(place, Listed(name_of(tmp_path, file), len(torn)), keys=[KEY] if whole else [])
        assert (looked.damage, looked.file.messages, looked.file.ended) == (None, whole, False)


def _to_the_end_of_its_piece(pieces: list[bytes], length: int) -> int:
    ends = [len(b"".join(pieces[: n + 1])) for n in range(len(pieces))]
    return min(end - length for end in ends if end >= length)


def test_a_cut_says_how_much_is_whole() -> None:
    place = MemoryPlace()
    archive, _ = writer(place)
    archive.keep([message(1)])
    [content] = place.files.values()
    stream = io.BytesIO(content[:-1])
    header = read_header(stream)
    with pytest.raises(CutOff) as caught:
        list(read_frames(stream, header))
    assert 0 < caught.value.good_bytes < len(content) - 1


def test_another_key_opens_nothing_and_is_told_by_its_id(tmp_path: Path) -> None:
    place, file = three_frames(tmp_path)
    other = parse_archive_key(new_archive_keypair()[0])
    with pytest.raises(KeyringError, match=PUBLIC_KEY.id.hex()):
        list(read_messages(place, name_of(tmp_path, file), [other]))
    assert len(list(read_messages(place, name_of(tmp_path, file), [other, KEY]))) == 3


def test_a_worker_is_not_given_the_private_half() -> None:
    private, public = new_archive_keypair()
    with pytest.raises(KeyringError, match="private half"):
        parse_archive_public_key(private)
    with pytest.raises(KeyringError, match="private key"):
        parse_archive_key(public)
    assert "redacted" not in repr(parse_archive_public_key(public))
    with pytest.raises(TypeError):
        parse_archive_key(private).__reduce_ex__(4)


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_done_to_a_file_nothing_but_its_own_first_messages_comes_out(data: st.DataObject) -> None:
    place = MemoryPlace()
    archive, _ = writer(place)
    archive.keep([message(1), message(2)])
    [name] = place.files
    content = bytearray(place.files[name])
    at = data.draw(st.integers(0, len(content) - 1))
    content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    unchanged = bytes(content) == place.files[name]
    place.files[name] = bytes(content)
    try:
        found = [one for batch in read_messages(place, name, [KEY]) for one in batch]
    except (ArchiveDamaged, KeyringError):
        assert not unchanged
    else:
        assert seen(found) in ([], seen([message(1), message(2)]))
    look_at_file(place, Listed(name, len(content)))
