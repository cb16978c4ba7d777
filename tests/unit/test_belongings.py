"""Every replayed table says whose its rows are; what says nothing could never be erased."""

from __future__ import annotations

import pytest

from tourniquet.record.emptying import list_undeclared, reasons_of_nobody, rows_about
from tourniquet.record.models import Alarm, Message
from tourniquet.record.replay import replayed_models


def test_every_table_says_whose_its_rows_are() -> None:
    assert list_undeclared() == []


def test_a_table_that_is_nobodys_says_why_and_has_no_patient() -> None:
    reasons = reasons_of_nobody()
    models = {model._meta.label: model for model in replayed_models()}
    assert reasons
    for label, reason in reasons.items():
        assert len(reason.split()) >= 3, label
        columns = {field.attname for field in models[label]._meta.concrete_fields}
        theirs = {"patient_id", "need_id", "appointment_id", "report_id", "specimen_id", "subject"}
        assert not columns & theirs, label


@pytest.mark.parametrize("model", [Alarm, Message])
def test_a_table_says_it_once(model: type[Alarm] | type[Message]) -> None:
    with pytest.raises(RuntimeError, match="says twice"):
        rows_about(model, "id")
