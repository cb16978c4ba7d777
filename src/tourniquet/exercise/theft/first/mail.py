"""First family: mails with attachments, mail boxes with quoted replies and forwarded lists.

Invariants:
- Messages of a box are numbered from 1; an attachment's fragments are of the attachment.
- A quoted reply repeats what it quotes: the same person again, in another message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from email.message import EmailMessage
from email.policy import SMTP

from tourniquet.exercise.theft.cases import Case
from tourniquet.exercise.theft.content import Content, Draft, Where, Written, nest
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.sheets import workbook
from tourniquet.exercise.theft.first.tables import csv_billing, csv_lims
from tourniquet.exercise.theft.institutions import PROVIDER_DOMAIN, Institution


def query(desk: Desk, case: Case) -> tuple[str, Draft]:
    """A question about somebody's sample, as people type it."""
    pen, who = desk.pen, case.subject
    name = pen.full(who, pen.chance.pick(("natural", "comma", "initialled")))
    nhs = pen.nhs(who, pen.chance.pick(("plain", "spaced"))) if pen.chance.happens(0.7) else None
    birth = pen.birth(who, pen.chance.pick(("dmy", "dmy2", "mon")))
    shows_birth = pen.chance.happens(0.7)
    text = f"Please can you chase {case.test.name} for {name.text}"
    text += f", dob {birth.text}" if shows_birth else ""
    text += f", NHS {nhs.text}" if nhs else ""
    text += f", sample {case.specimen}. Result was {case.result}?"
    fields = (
        name, birth if shows_birth else None, nhs,
        Written("request", "", case.test.name, case.test.code),
        Written("result", "", case.result, case.result),
    )  # fmt: skip
    draft = Draft(
        who, tuple(one for one in fields if one is not None), sensitive=case.sensitive,
        controller=case.requester.ods_code, context=case.requester.ods_code,
    )  # fmt: skip
    return text, draft


def mail(desk: Desk, sender: Institution, subject: str, body: str) -> EmailMessage:
    """A mail from a controller to the laboratory."""
    message = EmailMessage(policy=SMTP)
    day, hour = desk.chance.number(1, 28), desk.chance.number(8, 17)
    message["From"] = f"reception@{sender.domain}"
    message["To"] = f"enquiries@{PROVIDER_DOMAIN}"
    message["Date"] = f"Tue, {day:02d} May 2024 {hour:02d}:12:00 +0100"
    message["Subject"] = subject
    message["Message-ID"] = f"<{desk.chance.digits(12)}@{sender.domain}>"
    message.set_content(body, cte=desk.chance.pick(("quoted-printable", "base64", "8bit")))
    return message


def _attach(message: EmailMessage, one: Content, boundary: str) -> None:
    main, _, sub = (
        ("text", "/", "csv") if one.name.endswith(".csv")
        else ("application", "/", "vnd.openxmlformats-officedocument.spreadsheetml.sheet")
    )  # fmt: skip
    if main == "text":
        message.add_attachment(
            one.data, maintype="application", subtype="octet-stream", filename=one.name
        )
    else:
        message.add_attachment(one.data, maintype=main, subtype=sub, filename=one.name)
    message.set_boundary(boundary)


def eml(desk: Desk) -> Content:
    """A mail about one person with a list attached."""
    case = desk.deal.case()
    text, draft = query(desk, case)
    message = mail(desk, case.requester, "Missing result", f"Hi,\n\n{text}\n\nThanks\n{case.ward}")
    small = replace(desk, rows=max(3, desk.rows // 4))
    attached = (csv_lims(small), workbook(small))
    for one in attached:
        _attach(message, one, f"----=_Part_{desk.chance.digits(10)}")
    box = nest(f"RE missing result {desk.chance.number(1, 999)}.eml", bytes(message), attached)
    return replace(box, drafts=(replace(draft, where=Where(message=1, whole=True)), *box.drafts))


def eml_in_eml(desk: Desk) -> Content:
    """A mail that carries another mail, which is about somebody else."""
    inner = eml(desk)
    case = desk.deal.case()
    text, draft = query(desk, case)
    message = mail(desk, case.requester, "FW: two to chase", f"and this one:\n\n{text}")
    message.add_attachment(
        inner.data, maintype="application", subtype="octet-stream", filename=inner.name
    )
    message.set_boundary(f"----=_Part_{desk.chance.digits(10)}")
    box = nest(f"FW two to chase {desk.chance.number(1, 99)}.eml", bytes(message), (inner,))
    return replace(box, drafts=(replace(draft, where=Where(message=1, whole=True)), *box.drafts))


def _quoted(body: str) -> str:
    return "\n".join(f"> {line}" for line in body.split("\n"))


def _forwarded(desk: Desk, trust: Institution) -> tuple[str, list[Draft]]:
    """A list in a mail's body, a line for each person."""
    lines, drafts = ["---------- Forwarded message ----------", "Subject: DNA list", ""], []
    for _ in range(desk.chance.number(3, 9)):
        pen, case = desk.pen, desk.deal.case(trust=trust)
        name, birth = pen.full(case.subject, "comma"), pen.birth(case.subject, "dmy")
        local = pen.local(case.subject, trust.ods_code)
        lines.append(f"{name.text}  {birth.text}  {local.text if local else ''}")
        fields = tuple(one for one in (name, birth, local) if one is not None)
        drafts.append(
            Draft(case.subject, fields, controller=trust.ods_code, context=trust.ods_code)
        )
    return "\n".join(lines), drafts


def mbox(desk: Desk) -> Content:
    """A box with threads: questions, replies that quote them, forwarded lists, attachments."""
    data, count = bytearray(), 0
    drafts: list[Draft] = []
    inside: list[Content] = []

    def add(message: EmailMessage, about: Sequence[Draft]) -> None:
        nonlocal count
        count += 1
        start = len(data)
        text = message.as_bytes(policy=SMTP.clone(linesep="\n"))
        data.extend(b"From MAILER-DAEMON Tue May 28 09:00:00 2024\n")
        data.extend(text.replace(b"\nFrom ", b"\n>From ") + b"\n")
        where = Where(message=count, start=start, end=len(data))
        drafts.extend(replace(one, where=where) for one in about)

    for _ in range(max(3, desk.rows // 6)):
        case = desk.deal.case()
        text, draft = query(desk, case)
        body = f"Hello,\n{text}"
        add(mail(desk, case.requester, "Query", body), [draft])
        if desk.chance.happens(0.5):
            answer = f"On its way.\n\nOn 28/05/2024 somebody wrote:\n{_quoted(body)}"
            add(mail(desk, case.requester, "RE: Query", answer), [draft])
        if desk.chance.happens(0.25):
            trust = desk.trust()
            listed, several = _forwarded(desk, trust)
            add(mail(desk, trust, "FW: DNA list", listed), several)
        if desk.chance.happens(0.1):
            one = csv_billing(replace(desk, rows=4))
            one = replace(one, name=f"{len(inside) + 1} {one.name}")
            message = mail(desk, desk.trust(), "billing", "see attached")
            _attach(message, one, f"----=_Part_{desk.chance.digits(10)}")
            add(message, ())
            inside.append(one)
    box = nest(f"Inbox-{desk.chance.number(1, 99)}.mbox", bytes(data), inside)
    return replace(box, drafts=(*drafts, *box.drafts))


SHAPES: dict[str, Maker] = {"eml": eml, "eml-in-eml": eml_in_eml, "mbox": mbox}
