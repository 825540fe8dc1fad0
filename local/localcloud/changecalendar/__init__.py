"""Systems Manager Change Calendar: when changes are allowed, and an event when that changes."""

from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud import background
from localcloud.changecalendar import change_events, documents
from localcloud.changecalendar.operations import get_calendar_state

__all__ = ["install"]


def install() -> None:
    """Give moto's Systems Manager its Change Calendar."""
    documents.install()
    SimpleSystemManagerResponse.get_calendar_state = get_calendar_state
    background.watch(change_events.look)
