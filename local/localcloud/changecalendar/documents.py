"""Documents of type ChangeCalendar, which moto refuses: their format is TEXT."""

from __future__ import annotations

import functools
from typing import Any

from moto.ssm import models
from moto.ssm.exceptions import InvalidDocumentContent, ValidationException
from moto.ssm.models import Document, SimpleSystemManagerBackend

from localcloud.changecalendar.calendar import Calendar, NoCalendar

DOCUMENT_TYPE = "ChangeCalendar"
FORMAT = "TEXT"
EMPTY_DOCUMENT = '{"schemaVersion": "1.0"}'
"""What moto reads in the calendar's place."""


def install() -> None:
    """Let moto keep calendars, and give them out as they came."""
    Document.__init__ = _reading_calendars(Document.__init__)
    models._validate_document_format = _knowing_text(models._validate_document_format)
    backend = SimpleSystemManagerBackend
    backend._generate_document_information = _as_they_came(backend._generate_document_information)


def calendar_of(document: Document) -> Calendar | None:
    """Return the calendar that the document is, if it is one."""
    return getattr(document, "calendar", None)


def _reading_calendars(original: Any) -> Any:
    @functools.wraps(original)
    def __init__(  # noqa: N807
        self: Document, *args: Any, content: Any, document_type: str, document_format: str, **kwargs: Any
    ) -> None:
        if document_type != DOCUMENT_TYPE:
            original(
                self,
                *args,
                content=content,
                document_type=document_type,
                document_format=document_format,
                **kwargs,
            )
            return
        if document_format != FORMAT:
            raise ValidationException(f"A {DOCUMENT_TYPE} has the document format {FORMAT}.")
        try:
            self.calendar = Calendar(content)
        except NoCalendar as error:
            raise InvalidDocumentContent(f"The content for the document is not valid: {error}.") from None
        original(
            self,
            *args,
            content=EMPTY_DOCUMENT,
            document_type=document_type,
            document_format="JSON",
            **kwargs,
        )
        self.content, self.document_format = content, FORMAT

    return __init__


def _knowing_text(original: Any) -> Any:
    @functools.wraps(original)
    def validate(document_format: str) -> None:
        # Which documents may have it is decided where they are made.
        if document_format != FORMAT:
            original(document_format)

    return validate


def _as_they_came(original: Any) -> Any:
    @functools.wraps(original)
    def describe(
        self: SimpleSystemManagerBackend, document: Document, document_format: str
    ) -> dict[str, Any]:
        return original(self, document, FORMAT if calendar_of(document) else document_format)

    return describe
