"""OpsItems, and the store that deduplicates and keeps them."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from moto.ssm.models import SimpleSystemManagerBackend

from localcloud.errors import ServiceError
from localcloud.opscenter.operational_data import OperationalData, dedup_string, resource_arns, searchable

MONTHLY_LIMIT = 10_000

UNRESOLVED = {"Open", "InProgress"}

DedupKey = tuple[str, str, tuple[str, ...]]


@dataclass
class OpsItem:
    """One OpsItem."""

    arn_prefix: str
    title: str
    description: str
    source: str
    created_by: str
    ops_item_type: str = "/aws/issue"
    priority: int | None = None
    category: str | None = None
    severity: str | None = None
    related_ops_items: list[dict[str, str]] = field(default_factory=list)
    related_items: list[Any] = field(default_factory=list)
    notifications: list[dict[str, str]] = field(default_factory=list)
    times: dict[str, float] = field(default_factory=dict)
    """Planned and actual start and end, by their names in the API."""
    operational_data: OperationalData = field(default_factory=dict)
    status: str = "Open"
    version: int = 1
    id: str = field(default_factory=lambda: f"oi-{token_hex(6)}")
    created_time: datetime = field(default_factory=lambda: datetime.now(UTC))
    last_modified_by: str = ""
    last_modified_time: datetime | None = None
    dedup_key: DedupKey | None = None

    def __post_init__(self) -> None:
        self.last_modified_by = self.created_by
        self.last_modified_time = self.created_time
        text = dedup_string(self.operational_data)
        if text is not None:
            # AWS hashes the dedup string and the resource that began the item, once and for all.
            self.dedup_key = text, self.source, tuple(sorted(resource_arns(self.operational_data)))

    @property
    def arn(self) -> str:
        """The item's ARN."""
        return f"{self.arn_prefix}{self.id}"

    @property
    def region(self) -> str:
        """The item's Region."""
        return self.arn_prefix.split(":")[3]

    @property
    def account_id(self) -> str:
        """The item's account."""
        return self.arn_prefix.split(":")[4]

    def describe(self) -> dict[str, Any]:
        """Return the item as ``OpsItem``."""
        return {
            **self._common_members(),
            "OpsItemArn": self.arn,
            "Description": self.description,
            "Notifications": self.notifications,
            "RelatedOpsItems": self.related_ops_items,
            "OperationalData": self.operational_data,
            "Version": str(self.version),
        }

    def summarize(self) -> dict[str, Any]:
        """Return the item as ``OpsItemSummary``, which shows searchable data only."""
        return {**self._common_members(), "OperationalData": searchable(self.operational_data)}

    def _common_members(self) -> dict[str, Any]:
        members = {
            "OpsItemId": self.id,
            "OpsItemType": self.ops_item_type,
            "Title": self.title,
            "Source": self.source,
            "Status": self.status,
            "Priority": self.priority,
            "Category": self.category,
            "Severity": self.severity,
            "CreatedBy": self.created_by,
            "CreatedTime": self.created_time,
            "LastModifiedBy": self.last_modified_by,
            "LastModifiedTime": self.last_modified_time,
            **self.times,
        }
        return {name: value for name, value in members.items() if value is not None}


class OpsItems:
    """All OpsItems of one account and Region; callers hold the lock while they read and write."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.changes: list[Any] = []
        """The history of all items, the oldest change first."""
        self._by_id: dict[str, OpsItem] = {}

    def add(self, item: OpsItem) -> None:
        """Keep a new item, unless one with the same dedup key is unresolved."""
        self.check_unique(item)
        this_month = sum(
            known.created_time.timetuple()[:2] == item.created_time.timetuple()[:2] for known in self
        )
        if this_month >= MONTHLY_LIMIT:
            raise ServiceError(
                "OpsItemLimitExceededException",
                f"The account created {MONTHLY_LIMIT} OpsItems this month and can create no more.",
                ResourceTypes=["OpsItem"],
                Limit=MONTHLY_LIMIT,
                LimitType="OpsItemsPerMonth",
            )
        self._by_id[item.id] = item

    def check_unique(self, item: OpsItem) -> None:
        """Refuse an item that another unresolved item already stands for."""
        for known in self:
            if (
                known is not item
                and item.dedup_key is not None
                and known.dedup_key == item.dedup_key
                and known.status in UNRESOLVED
            ):
                raise ServiceError(
                    "OpsItemAlreadyExistsException",
                    f"The OpsItem {known.id} has the same deduplication string and is not resolved.",
                    OpsItemId=known.id,
                )

    def get(self, item_id: str) -> OpsItem:
        """Return an item."""
        if item_id not in self._by_id:
            raise ServiceError("OpsItemNotFoundException", f"There is no OpsItem {item_id}.")
        return self._by_id[item_id]

    def delete(self, item_id: str) -> OpsItem | None:
        """Forget an item and its history; one that is not there is gone already."""
        self.changes = [change for change in self.changes if change.ops_item_id != item_id]
        return self._by_id.pop(item_id, None)

    def __contains__(self, item_id: str) -> bool:
        """Say whether there is such an item."""
        return item_id in self._by_id

    def __iter__(self) -> Iterator[OpsItem]:
        """Iterate over the items, the newest first."""
        return reversed(list(self._by_id.values()))


_stores_lock = threading.Lock()


def ops_items_of(backend: SimpleSystemManagerBackend) -> OpsItems:
    """Return the OpsItems of a backend; a reset of moto empties it, and these with it."""
    with _stores_lock:
        if "ops_items" not in vars(backend):
            backend.ops_items = OpsItems()
        return backend.ops_items
