"""Forms and numbers: given out, printed, voided, counted."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.desk_roles import DeskTask, DeskUser
from tourniquet.flows.desk_work import (
    count_unused,
    get_block,
    issue_numbers,
    list_ranges,
    read_account,
    void_number,
)
from tourniquet.kernel.errors import UserError
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_account import next_block
from tourniquet.pathology.desk_lines import NumbersIssued
from tourniquet.pathology.desk_numbers import Block
from tourniquet.web.desk import addresses
from tourniquet.web.desk.access import desk, desk_page
from tourniquet.web.desk.paper import Mark, label_sheets, request_forms
from tourniquet.web.desk.presenters import BlockRow, FormsPage
from tourniquet.web.desk.rendering import data_mark, render, say_done
from tourniquet.web.filters import staff_datetime
from tourniquet.web.presenters.shell import BLANK_FORM, FieldError, Form
from tourniquet.web.views.typed import LONGEST_LINE, clean, find_count, see_other

BLOCKS_SHOWN = 50
OPEN_SHOWN = 40


@desk_page(DeskTask.RECORD, methods=("GET", "HEAD", "POST"))
@csrf_protect
def show(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """What was given out, what became of it, and the form that gives out more."""
    form = BLANK_FORM
    if http_request.method == "POST":
        values = {
            name: clean(http_request.POST.get(name, ""))[:LONGEST_LINE]
            for name in ("count", "note")
        }
        try:
            number = find_count(values["count"]) or 0
            issue_numbers(desk(), user, number, note=values["note"])
        except UserError as error:
            form = Form(values, (FieldError("count", f"{error.what} {error.remedy}".strip()),))
        else:
            say_done(http_request, f"{number} numbers were given out. Print them below.")
            return see_other(addresses.FORMS)
    return _page(http_request, form)


def _page(http_request: HttpRequest, form: Form) -> HttpResponse:
    here = desk()
    kept = read_account(here)
    lines = here.demand().lines()
    ranges = list_ranges(here)
    following = next_block(ranges, lines, 1)
    current = next(one for one in ranges if one.code == following.code)
    blocks = [(at, line) for at, line in enumerate(lines, 1) if isinstance(line, NumbersIssued)]
    words = kept_blocks(kept.describe_open())
    return render(
        http_request,
        "desk/forms.html",
        FormsPage(
            form=form,
            blocks=tuple(
                BlockRow(
                    numbers=str(Block(line.code, line.first, line.last)),
                    count=line.last - line.first + 1,
                    at=line.at,
                    who=line.who,
                    note=line.note,
                    requests_href=addresses.requests(at),
                    labels_href=addresses.labels(at),
                )
                for at, line in reversed(blocks[-BLOCKS_SHOWN:])
            ),
            issued=kept.total,
            keyed=len(kept.keyed),
            void=len(kept.void),
            unused=len(kept.unused),
            not_accounted=tuple(words[:OPEN_SHOWN]),
            left=current.last - following.first + 1,
            range_words=str(following),
            is_reserved=following.code.startswith("R"),
            desk_id=here.id,
            elsewhere=tuple(kept_blocks(kept.describe_elsewhere())),
        ),
        title="Forms and numbers",
        section="forms",
        form_errors=form.errors,
        status=400 if form.errors else 200,
    )


def kept_blocks(words: list[str]) -> list[str]:
    """As many blocks as a page shows, with a word on the rest."""
    rest = len(words) - OPEN_SHOWN + 1
    return words if rest <= 1 else [*words[: OPEN_SHOWN - 1], f"and {rest} more"]


def mark() -> Mark:
    """What printed pages say at their foot."""
    here = desk()
    here.demand()
    data = data_mark()
    assert data is not None, "an unlocked desk has a standing"
    return Mark(
        f"{here.places.folder.name} {here.id}".strip(),
        here.exercise,
        staff_datetime(data.as_of),
        data.verified_words,
        data.warnings,
    )


def _pdf(content: bytes, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response.headers["Content-Disposition"] = f'inline; filename="{name}.pdf"'
    return response


@desk_page(DeskTask.RECORD)
def requests_pdf(http_request: HttpRequest, user: DeskUser, line: int) -> HttpResponse:
    """The request forms of a block, to print."""
    block = get_block(desk(), line)
    return _pdf(request_forms(block, load_catalogue(), mark()), f"forms-{block.code}-{block.first}")


@desk_page(DeskTask.RECORD)
def labels_pdf(http_request: HttpRequest, user: DeskUser, line: int) -> HttpResponse:
    """The labels of a block, to print."""
    block = get_block(desk(), line)
    return _pdf(label_sheets(block, mark()), f"labels-{block.code}-{block.first}")


@desk_page(DeskTask.RECORD, methods=("POST",))
@csrf_protect
def void(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """A form was spoiled or lost."""
    values = _typed(http_request, ("number", "why"))
    return _act(
        http_request,
        values,
        "number",
        lambda: void_number(desk(), user, values["number"], values["why"]),
        "The number is void.",
    )


@desk_page(DeskTask.RECORD, methods=("POST",))
@csrf_protect
def unused(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """Forms were counted, and are blank."""
    values = _typed(http_request, ("first", "last"))
    return _act(
        http_request,
        values,
        "first",
        lambda: count_unused(desk(), user, values["first"], values["last"]),
        "Counted as blank.",
    )


def _typed(http_request: HttpRequest, names: tuple[str, ...]) -> dict[str, str]:
    return {name: clean(http_request.POST.get(name, ""))[:LONGEST_LINE] for name in names}


def _act(
    http_request: HttpRequest,
    values: dict[str, str],
    first_field: str,
    work: Callable[[], object],
    done: str,
) -> HttpResponse:
    try:
        work()
    except UserError as error:
        field = error.where if error.where in values else first_field
        text = f"{error.what} {error.remedy}".strip()
        return _page(http_request, Form(values, (FieldError(field, text),)))
    say_done(http_request, done)
    return see_other(addresses.FORMS)
