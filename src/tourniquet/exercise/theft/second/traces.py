"""Second family: logs, chats and saved mails. Engine authors must not read this."""

from __future__ import annotations

from urllib.parse import quote_plus

from tourniquet.exercise.theft.content import Content, Draft, Paper, Where
from tourniquet.exercise.theft.desk import Desk, Maker
from tourniquet.exercise.theft.first.mail import mail
from tourniquet.exercise.theft.second.words import (
    about,
    remark,
    request,
    request_name,
    saying,
    shown,
)


def access_log(desk: Desk) -> Content:
    """A web server's log with people in its queries."""
    paper = Paper()
    for number in range(desk.rows):
        case, pen = desk.deal.case(), desk.pen
        family, birth = pen.family(case.subject), pen.birth(case.subject, "iso")
        nhs = pen.nhs(case.subject)
        head = f"10.0.{number % 9}.{number % 200} - - [29/May/2024:03:{number % 60:02d}:00 +0100]"
        if number % 7 == 0:
            paper.line(f'{head} "GET /static/app.js?v={desk.chance.digits(10)} HTTP/1.1" 200 811')
            continue
        query = f"nn={shown(nhs)}&sn={quote_plus(family.text)}&born={birth.text}"
        paper.line(
            f'{head} "GET /results/search?{query} HTTP/1.1" 200 {desk.chance.digits(4)}',
            about(case, nhs, family, birth),
        )
    return paper.content("access_log")


def security_log(desk: Desk) -> Content:
    """Events of a security product."""
    paper = Paper()
    for number in range(desk.rows):
        case, pen = desk.deal.case(), desk.pen
        site = case.trust.ods_code
        local = pen.local(case.subject, site)
        name = pen.full(case.subject, "comma")
        kind = desk.chance.pick(("named", "number", "none"))
        head = f"<134>May 29 02:{number % 60:02d}:07 gw{number % 4} CEF:0|TIE|IE|9|{number % 50}|"
        if kind == "none" or local is None:
            paper.line(f"{head}heartbeat|1|cn1={desk.chance.digits(10)}")
        elif kind == "number":
            text = f"{head}merge|3|deviceFacility={site} duid={local.text}"
            paper.line(text, about(case, local, controller=site, context=site))
        else:
            text = f'{head}view|3|deviceFacility={site} duid={local.text} dname="{name.text}"'
            paper.line(text, about(case, local, name, controller=site, context=site))
    return paper.content("cef.out")


def chat(desk: Desk) -> Content:
    """An exported chat of a team."""
    paper = Paper()
    paper.line("[29/05/2024, 08:00:01] Messages are end-to-end encrypted.")
    for number in range(desk.rows // 2):
        case, pen = desk.deal.case(), desk.pen
        hour = f"[29/05/2024, {8 + number % 10:02d}:{number % 60:02d}:12]"
        luck = desk.chance.real(0, 1)
        if luck < 0.3:
            paper.line(f"{hour} Sam: anyone seen the courier? ref {desk.chance.digits(10)}")
            continue
        name = pen.full(case.subject, desk.chance.pick(("initialled", "natural")))
        birth = pen.birth(case.subject, "dmy2") if luck < 0.8 else None
        nhs = pen.nhs(case.subject) if luck < 0.5 else None
        text, told = saying(desk)
        born = f" dob {birth.text}" if birth else ""
        paper.line(
            f"{hour} Jo: {name.text}{born} {shown(nhs)} {text}",
            about(case, name, birth, nhs, remark(text), sensitive=told),
        )
    return paper.content("_chat.txt")


def inline_list_mail(desk: Desk) -> Content:
    """A mail whose body is a table."""
    trust = desk.trust()
    lines, drafts = ["Morning all, as asked:", "", "initials,surname,born,unit no,test"], []
    for _ in range(max(3, desk.rows // 5)):
        case, pen = desk.deal.case(trust=trust), desk.pen
        family, given = pen.family(case.subject), pen.given(case.subject, "initial")
        birth, local = pen.birth(case.subject, "dmy"), pen.local(case.subject, trust.ods_code)
        cells = (given.text, family.text, birth.text, shown(local), case.test.code)
        lines.append(",".join(cells))
        drafts.append(
            about(
                case, given, family, birth, local, request(case), sensitive=case.sensitive,
                controller=trust.ods_code, context=trust.ods_code, where=Where(message=1),
            )
        )  # fmt: skip
    message = mail(desk, trust, "list", "\n".join([*lines, "", "K"]))
    return Content("FW list.eml", bytes(message), tuple(drafts))


def saved_mail(desk: Desk) -> Content:
    """A mail saved as text."""
    paper, drafts = Paper("cp1252", "\r\n"), []
    case, pen = desk.deal.case(), desk.pen
    place = case.requester
    name, birth = pen.full(case.subject, "titled"), pen.birth(case.subject, "long")
    nhs, address = pen.nhs(case.subject, "spaced"), pen.address(case.subject)
    text, told = saying(desk)
    draft: Draft = about(
        case, name, birth, nhs, address, remark(text), request_name(case),
        sensitive=(*told, *case.sensitive), controller=place.ods_code,
        where=Where(whole=True),
    )  # fmt: skip
    drafts.append(draft)
    lines = (
        f"From:\tOffice <office@{place.domain}>", "Sent:\t29 May 2024 10:02", "To:\tLab duty",
        "Subject:\tquery", "", f"Hello, {name.text}, born {birth.text}, of {address.text}",
        f"({shown(nhs, 'number to follow')}): {case.test.name} please. {text}.",
    )  # fmt: skip
    paper.block(lines, *drafts)
    return paper.content("query from practice.txt")


SHAPES: dict[str, Maker] = {
    "access-log": access_log,
    "security-log": security_log,
    "chat": chat,
    "inline-list-mail": inline_list_mail,
    "saved-mail": saved_mail,
}
