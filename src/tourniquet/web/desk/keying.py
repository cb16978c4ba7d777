"""Results keyed twice against a form's number, and calls noted.

Invariants:
- Every value is typed twice and compared; what differs is named, and nothing is kept.
- A patient is chosen among those whom the desk knows, or written as the form says; never guessed.
- A critical value is said at once, and stays marked until a call is noted with read-back. What no
  limit can be held against is asked about.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_protect

from tourniquet.directory.desk_roles import DeskTask, DeskUser
from tourniquet.flows.desk_work import find_keyed, key_result, note_call
from tourniquet.kernel.errors import NotFound, UserError
from tourniquet.pathology.catalogue import load_catalogue
from tourniquet.pathology.desk_lines import KeyedValue, PersonWritten, ResultKeyed
from tourniquet.pathology.desk_numbers import FormNumber
from tourniquet.pathology.keyed_values import Limits, must_ask
from tourniquet.pathology.rules import critical_tables
from tourniquet.patients.queries import Wanted
from tourniquet.patients.rules import family_key
from tourniquet.web.desk import addresses
from tourniquet.web.desk.access import desk, desk_page
from tourniquet.web.desk.keyed import get_keyed, page_keyed, units
from tourniquet.web.desk.presenters import CallPage, KeyPage, ResultsPage, ValueField
from tourniquet.web.desk.rendering import render, say_done
from tourniquet.web.filters import nhs_number, person_name, staff_date
from tourniquet.web.presenters.people import PersonName
from tourniquet.web.presenters.shell import BLANK_FORM, Choice, FieldError, Form
from tourniquet.web.views.typed import (
    LONGEST_LINE,
    clean,
    find_count,
    find_day,
    find_moment,
    read_page,
    see_other,
)

OTHER = "OTHER"
OTHER_ROWS = 6
CANDIDATES_MOST = 12
_PERSON = ("family", "given", "born", "nhs", "details")
_REST = ("collected", "reported_by", "note", "patient")
UNKNOWN = "unknown"


@desk_page(DeskTask.RECORD)
def show(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """What waits for a call, what was keyed here, newest first, and the way to key more."""
    return _results(http_request, BLANK_FORM)


def _results(http_request: HttpRequest, form: Form) -> HttpResponse:
    keyed = page_keyed(desk(), read_page(http_request))
    return render(
        http_request,
        "desk/results.html",
        ResultsPage(form, _tests(), keyed.unphoned, keyed.rows, keyed.paging),
        title="Key results",
        section="results",
        form_errors=form.errors,
        status=400 if form.errors else 200,
    )


def _tests() -> tuple[Choice, ...]:
    tests = sorted(load_catalogue().tests.values(), key=lambda test: test.name)
    return (*(Choice(test.code, test.name) for test in tests), Choice(OTHER, "Another test"))


@desk_page(DeskTask.RECORD, methods=("GET", "HEAD", "POST"))
@csrf_protect
def key(http_request: HttpRequest, user: DeskUser) -> HttpResponse:
    """The form for one result: whose it is, and each value twice."""
    typed = http_request.POST if http_request.method == "POST" else http_request.GET
    number_text = clean(typed.get("number", ""))[:LONGEST_LINE]
    test = clean(typed.get("test", ""))[:LONGEST_LINE]
    corrects = clean(typed.get("corrects", ""))
    try:
        number = FormNumber.parse(number_text)
    except UserError as error:
        return _again(http_request, number_text, test, f"{error.what} {error.remedy}")
    known = load_catalogue().tests.get(test)
    if known is None and test != OTHER:
        return _again(http_request, number_text, test, "Choose a test.", field="test")
    values = {
        name: clean(typed.get(name, ""))[:LONGEST_LINE]
        for name in (*_PERSON, *_REST, *_value_names(test))
    }
    faults: list[FieldError] = []
    if http_request.method == "POST" and "save" in typed:
        fixed = find_count(corrects) or 0
        result = _result(user, number, test, values, faults, corrects=fixed)
        if not faults and result is not None:
            try:
                line = key_result(desk(), result)
            except UserError as error:
                faults.append(FieldError(_field(error), f"{error.what} {error.remedy}".strip()))
            else:
                return _kept(http_request, line)
    return _key_page(http_request, number, test, values, faults, corrects=bool(corrects))


def _field(error: UserError) -> str:
    return error.where if error.where in ("family", "number") else "family"


def _again(
    http_request: HttpRequest, number: str, test: str, text: str, *, field: str = "number"
) -> HttpResponse:
    form = Form({"number": number, "test": test}, (FieldError(field, text.strip()),))
    return _results(http_request, form)


def _kept(http_request: HttpRequest, line: int) -> HttpResponse:
    row = get_keyed(desk(), line)
    assert row is not None, "a line that was just written is there"
    if row.has_critical:
        say_done(http_request, "Kept. A value is critical: phone it now, and note who read it.")
        return see_other(addresses.call(line))
    say_done(http_request, f"The result of {row.number} is kept, in line {line} of the book.")
    return see_other(addresses.RESULTS)


def _fields(test: str) -> tuple[ValueField, ...]:
    catalogue = load_catalogue()
    if test == OTHER:
        return tuple(ValueField(at, "", "", "") for at in range(1, OTHER_ROWS + 1))
    known_units = units()
    names = {code: one.name for code, one in catalogue.analytes.items()}
    names |= {code: one.name for code, one in catalogue.word_analytes.items()}
    return tuple(
        ValueField(at, code, names[code], known_units.get(code, ""))
        for at, code in enumerate(catalogue.tests[test].analytes, 1)
    )


def _value_names(test: str) -> list[str]:
    parts = ("value", "again", "critical", *(("name", "unit") if test == OTHER else ()))
    return [f"{part}{field.index}" for field in _fields(test) for part in parts]


def _key_page(
    http_request: HttpRequest,
    number: FormNumber,
    test: str,
    values: dict[str, str],
    faults: list[FieldError],
    *,
    corrects: bool,
) -> HttpResponse:
    known = load_catalogue().tests.get(test)
    earlier = find_keyed(desk().demand().lines(), str(number), test)
    form = Form(values, tuple(faults))
    return render(
        http_request,
        "desk/key.html",
        KeyPage(
            form=form,
            number=str(number),
            test=test,
            test_name=known.name if known else "Another test",
            fields=tuple(
                replace(field, asked=bool(form.error(name) or form.value(name)))
                for field in _fields(test)
                for name in (f"critical{field.index}",)
            ),
            people=_candidates(values),
            corrects=earlier if corrects or earlier else 0,
        ),
        title="Key a result",
        section="results",
        form_errors=form.errors,
        status=400 if faults else 200,
    )


def _candidates(values: dict[str, str]) -> tuple[Choice, ...]:
    """People whom the form may name, to choose from."""
    born = find_day(values["born"]) if values["born"] else None
    found = []
    index = desk().demand().reading.index
    if values["nhs"]:
        found += index.search(Wanted(number=values["nhs"]), limit=CANDIDATES_MOST)
    if family_key(values["family"]):
        wanted = Wanted(family_name=values["family"], birth_date=born)
        found += index.search(wanted, limit=CANDIDATES_MOST)
    if values["patient"] and values["patient"] != UNKNOWN:
        chosen = index.find(values["patient"])
        found += [chosen] if chosen else []
    unique = list({one.id: one for one in found}.values())[:CANDIDATES_MOST]
    return tuple(
        Choice(
            one.id,
            person_name(PersonName(one.family_name, one.given_names, one.title)),
            selected=values["patient"] == one.id,
            hint=f"born {staff_date(one.birth_date)}, {nhs_number(one.nhs_number)}",
        )
        for one in unique
    )


def _result(
    user: DeskUser,
    number: FormNumber,
    test: str,
    values: dict[str, str],
    faults: list[FieldError],
    *,
    corrects: int,
) -> ResultKeyed | None:
    born, collected = _day(values, faults), None
    if values["collected"]:
        collected = find_moment(values["collected"])
        if collected is None:
            faults.append(FieldError("collected", "Write it as 04-Jun-2024 09:00."))
    people = {choice.value for choice in _candidates(values)}
    patient = values["patient"]
    if patient not in people and patient != UNKNOWN:
        text = "Look the person up, then choose who it is, or that it is none of them."
        faults.append(FieldError("patient", text))
    keyed = _values(test, values, faults)
    if faults:
        return None
    known = load_catalogue().tests.get(test)
    return ResultKeyed(
        at=desk().now(),
        who=user.account,
        number=str(number),
        test=test,
        test_name=known.name if known else values["name1"],
        values=keyed,
        patient="" if patient == UNKNOWN else patient,
        written=PersonWritten(
            family_name=values["family"],
            given_names=values["given"],
            birth_date=born,
            nhs_number=values["nhs"],
            other=values["details"],
        ),
        collected_at=collected,
        reported_by=values["reported_by"],
        note=values["note"],
        corrects=corrects,
    )


def _day(values: dict[str, str], faults: list[FieldError]) -> date | None:
    if not values["born"]:
        return None
    found = find_day(values["born"])
    if found is None:
        faults.append(FieldError("born", "Write the day as 14-Jul-1945."))
    return found


def _values(test: str, values: dict[str, str], faults: list[FieldError]) -> tuple[KeyedValue, ...]:
    found = []
    for field in _fields(test):
        first, second = values[f"value{field.index}"], values[f"again{field.index}"]
        name = field.name or values.get(f"name{field.index}", "")
        if first != second:
            text = f"{name or f'Value {field.index}'}: the two do not agree. Look at the paper."
            faults.append(FieldError(f"value{field.index}", text))
        elif first and not name:
            faults.append(FieldError(f"name{field.index}", "Say what was measured."))
        elif first:
            unit = field.unit or values.get(f"unit{field.index}", "")
            keyed = KeyedValue(field.code or name, name, first, unit)
            found.append(_judged(field, keyed, values, faults))
    if not found and not faults:
        faults.append(FieldError("value1", "Key at least one value, twice."))
    return tuple(found)


def _judged(
    field: ValueField, keyed: KeyedValue, values: dict[str, str], faults: list[FieldError]
) -> KeyedValue:
    """The value with what was said of it, where no limit can be held against it (HAZ-005)."""
    if not must_ask(keyed, Limits(*critical_tables(load_catalogue()), None)):
        return keyed
    said = values[f"critical{field.index}"]
    if said not in ("yes", "no"):
        text = (
            f"{keyed.name} {keyed.value}: no limit can be held against this. Say whether it is "
            "critical, and key it twice again."
        )
        faults.append(FieldError(f"critical{field.index}", text))
    return msgspec.structs.replace(keyed, critical=said == "yes")


@desk_page(DeskTask.RECORD, methods=("GET", "HEAD", "POST"))
@csrf_protect
def call(http_request: HttpRequest, user: DeskUser, line: int) -> HttpResponse:
    """Who was told a value, and read it back."""
    row = get_keyed(desk(), line)
    if row is None:
        raise NotFound("There is no such result at this desk.")
    lines = desk().demand().lines()
    result = lines[line - 1]
    assert isinstance(result, ResultKeyed)
    names = ("code", "told", "read_back", "comment")
    values = {name: clean(http_request.POST.get(name, ""))[:LONGEST_LINE] for name in names}
    faults: tuple[FieldError, ...] = ()
    if http_request.method == "POST":
        if values["code"] not in {one.code for one in result.values}:
            faults = (FieldError("code", "Choose the value that was given."),)
        else:
            try:
                note_call(
                    desk(),
                    user,
                    line,
                    values["code"],
                    told=values["told"],
                    read_back=values["read_back"] == "yes",
                    comment=values["comment"],
                )
            except UserError as error:
                field = error.where if error.where in values else "told"
                faults = (FieldError(field, f"{error.what} {error.remedy}".strip()),)
            else:
                say_done(http_request, "The call is noted.")
                return see_other(addresses.RESULTS)
    marked = {name for name, _, _, critical in row.values if critical}
    return render(
        http_request,
        "desk/call.html",
        CallPage(
            Form(values, faults),
            row,
            tuple(
                Choice(
                    one.code,
                    f"{one.name} {one.value} {one.unit}".strip(),
                    selected=one.code == values["code"] or one.name in marked,
                    hint="Critical" if one.name in marked else "",
                )
                for one in result.values
            ),
        ),
        title="Note a call",
        section="results",
        form_errors=faults,
        status=400 if faults else 200,
    )
