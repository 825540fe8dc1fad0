"""Resource Groups Tagging API: what it finds is not asked about one by one."""

from __future__ import annotations

from localcloud.permissions.actions.operation import on_anything

OPERATIONS = {"GetResources": on_anything("tag:GetResources")}
