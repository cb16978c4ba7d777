"""Messages and mail, whole, in logs, and beginning or ending in the middle."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.support.breach_reading import read, zipped
from tourniquet.breach.limits import DEFAULT
from tourniquet.breach.pieces import Inner, Passage, Shape, Syntax
from tourniquet.breach.readers.outlook import _pst_message
from tourniquet.breach.readers.source import Scratch, Source

MESSAGE = (
    "MSH|^~\\&|LIMS|X9801|TIE|X99025|202002140830||ORU^R01|M{0}|P|2.4",
    "PID|1||9990000018^^^NHS^NH||SMITH^MARY",
    "OBX|1|ST|HB||12{0}|g/L",
)


def message(number: int, end: str = "\r") -> str:
    return end.join(MESSAGE).format(number) + end


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_batch(tmp_path: Path, end: str) -> None:
    content = (
        f"FHS|^~\\&|x{end}BHS|^~\\&|x{end}{message(1, end)}{message(2, end)}BTS|2{end}FTS|1{end}"
    )
    given = read(tmp_path, content.encode())
    assert [one.place for one in given.wires] == ["message 1", "message 2"]
    assert [one.is_whole for one in given.wires] == [True, True]
    assert given.wires[1].raw.decode() == message(2).rstrip("\r")
    assert not given.passages


def test_framed(tmp_path: Path) -> None:
    content = "".join(f"\x0b{message(number)}\x1c\r" for number in (1, 2))
    given = read(tmp_path, content.encode())
    assert [one.raw.decode() for one in given.wires] == [message(n).rstrip("\r") for n in (1, 2)]


def test_batch_that_begins_and_ends_in_the_middle(tmp_path: Path) -> None:
    content = message(1)[len(MESSAGE[0]) - 1 :] + message(2) + message(3)[:-9]
    given = read(tmp_path, content.encode())
    assert [(one.place.split()[0], one.is_whole) for one in given.wires][:2] == [
        ("bytes", False),
        ("message", True),
    ]
    assert given.wires[0].raw.startswith(b"PID|")


def test_log(tmp_path: Path) -> None:
    content = (
        f"2024-05-01 10:00:00 INFO started\n2024-05-01 10:00:01 DEBUG RX {message(1, chr(10))}"
        f"2024-05-01 10:00:02 DEBUG RX {message(2)}\n2024-05-01 10:00:03 INFO 9990000026 seen\n"
        f"2024-05-01 10:00:04 DEBUG RX PID|1||9990000034|x\nOBX|1|ST|\n"
    )
    given = read(tmp_path, content.encode())
    assert len(given.wires) == 3
    assert [one.is_whole for one in given.wires] == [True, True, False]
    for one in given.wires:
        start, end = map(int, one.place.removeprefix("bytes ").split("-"))
        assert one.raw[:19] in content.encode()[start:end]
    lines = {one.first_line: one.text for one in given.passages}
    assert lines[1].startswith("2024-05-01 10:00:00 INFO started")
    assert any("9990000026 seen" in text for text in lines.values())


def test_message_on_one_line_of_a_log(tmp_path: Path) -> None:
    content = "2024-05-01 RX " + message(1, "\\r") + "\n2024-05-01 done\n"
    given = read(tmp_path, content.encode())
    assert given.wires[0].raw.decode().rstrip("\r") == message(1).rstrip("\r")


def test_edifact(tmp_path: Path) -> None:
    first = "UNH+1+MEDRPT:0:1:RT:NHS003'PNA+PAT+9990000018:OPI+++SU:O?'NEIL'UNT+3+1'"
    content = (
        f"UNA:+.? 'UNB+UNOA:2+X9806+MESH'\r\n{first}\r\nUNH+2+MEDRPT'PNA+PAT+999'UNT+3+2'UNZ+2+1'"
    )
    given = read(tmp_path, content.encode())
    assert [(one.place, one.is_whole) for one in given.wires] == [
        ("message 1", True),
        ("message 2", True),
    ]
    assert given.wires[0].raw.decode() == f"UNA:+.? 'UNB+UNOA:2+X9806+MESH'{first}"
    assert {one.syntax for one in given.wires} == {Syntax.EDIFACT}
    middle = content[content.index("PNA") :]
    given = read(tmp_path, middle[:-30].encode(), kind="edifact")
    assert [one.is_whole for one in given.wires] == [False, False]
    assert given.wires[0].place.startswith("bytes 0-")


def mail(*, html: bool = False) -> EmailMessage:
    found = EmailMessage()
    found["From"], found["To"] = "Jón <a@example.org>", "b@example.org"
    found["Subject"] = "RE: Müller 9990000018"
    found.set_content("Please see the list.\n\n> On Monday you wrote:\n> about SMITH\n")
    if html:
        found.add_alternative("<p>Please see the <b>list</b>.</p>", subtype="html")
    found.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="réception.csv")
    return found


@pytest.mark.parametrize("html", [False, True])
def test_mail(tmp_path: Path, html: bool) -> None:  # noqa: FBT001 # pytest's
    given = read(tmp_path, bytes(mail(html=html)))
    (one,) = given.passages
    assert one.shape is Shape.MAIL
    assert one.head == {
        "from": "Jón <a@example.org>",
        "to": "b@example.org",
        "subject": "RE: Müller 9990000018",
    }
    assert "> about SMITH" in one.text
    assert given.members() == {"réception.csv": b"a,b\n1,2\n"}
    assert given.inners[0].beside == "message 1"


def test_mail_in_a_mail(tmp_path: Path) -> None:
    outer = EmailMessage()
    outer["From"], outer["To"], outer["Subject"] = "a@example.org", "b@example.org", "FW: two"
    outer.set_content("see within")
    outer.add_attachment(mail())
    given = read(tmp_path, bytes(outer))
    (name,) = given.members()
    assert name.endswith(".eml")
    inner = read(tmp_path, given.members()[name])
    assert "about SMITH" in inner.passages[0].text
    assert inner.inners[0].name == "réception.csv"


def test_mail_of_html_alone(tmp_path: Path) -> None:
    head = b"From: a@b.org\nTo: c@d.org\nContent-Type: text/html\n\n"
    content = head + b"<p>Mrs SMITH<br>well</p><script>x</script>"
    assert read(tmp_path, content).passages[0].text == "Mrs SMITH\nwell"


def test_mail_with_a_broken_head(tmp_path: Path) -> None:
    content = (
        b"From: =?utf-8?B?!!?= <a@b.org>\nSubject: caf\xe9\nDate: never\nTo: x\n"
        b"Content-Type: text/plain; charset=nonsense\nContent-Transfer-Encoding: base64\n\n!!!!\n"
    )
    given = read(tmp_path, content)
    assert given.passages[0].head is not None
    assert given.passages[0].head["to"] == "x"


def test_mbox(tmp_path: Path) -> None:
    box = b"".join(
        b"From a@example.org Wed May  1 10:00:00 2024\n" + bytes(mail()) + b"\n" for _ in range(3)
    )
    given = read(tmp_path, box)
    assert [one.place for one in given.passages] == ["message 1", "message 2", "message 3"]
    assert [one.beside for one in given.inners] == ["message 1", "message 2", "message 3"]


def test_attachments_are_containers(tmp_path: Path) -> None:
    outer = mail()
    outer.add_attachment(
        zipped({"a": b"x"}), maintype="application", subtype="zip", filename="C:\\x\\a.zip"
    )
    given = read(tmp_path, bytes(outer))
    assert [one.name for one in given.inners] == ["réception.csv", "a.zip"]


def test_a_store_that_is_none(tmp_path: Path) -> None:
    given = read(tmp_path, b"!BDN" + bytes(2_000))
    assert given.ended.why.startswith("the store can't be opened")


class StoredAttachment:
    """An attachment as libpff gives it."""

    def __init__(self, name: str, content: bytes, inner: StoredMessage | None = None) -> None:
        self.long_filename = name
        self.number_of_sub_items = int(inner is not None)
        self._content, self._inner = content, inner

    def get_size(self) -> int:
        return len(self._content)

    def read_buffer(self, size: int) -> bytes:
        given, self._content = self._content[:size], self._content[size:]
        return given

    def get_sub_item(self, number: int) -> StoredMessage | None:
        return self._inner


class StoredMessage:
    """A message as libpff gives it."""

    def __init__(self, subject: str, *attachments: StoredAttachment) -> None:
        self.subject, self.sender_name = subject, "A"
        self.transport_headers = "To: b@example.org\r\nDate: Wed, 1 May 2024 10:00:00 +0100\r\n"
        self.plain_text_body = b"about SMITH"
        self.number_of_attachments = len(attachments)
        self.get_attachment = attachments.__getitem__


def test_a_message_of_a_store(tmp_path: Path) -> None:
    inner = StoredMessage("inner", StoredAttachment("b.csv", b"1,2"))
    outer = StoredMessage(
        "outer", StoredAttachment("a.csv", b"3,4"), StoredAttachment("", b"", inner)
    )
    source = Source(tmp_path / "x", "x", "pst", DEFAULT, Scratch(tmp_path, DEFAULT, 100))
    pieces = list(_pst_message(source, outer, "message 1"))
    mails = [one for one in pieces if isinstance(one, Passage)]
    assert [(one.place, one.text) for one in mails] == [
        ("message 1", "about SMITH"),
        ("message 1.2", "about SMITH"),
    ]
    assert mails[0].head is not None
    assert mails[0].head["to"] == "b@example.org"
    inners = [one for one in pieces if isinstance(one, Inner)]
    assert [(one.name, one.beside) for one in inners] == [
        ("a.csv", "message 1"),
        ("b.csv", "message 1.2"),
    ]
