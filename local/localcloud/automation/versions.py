"""Versions of documents: what moto leaves out of them."""

import functools
from typing import Any

from moto.ssm.exceptions import InvalidDocument, InvalidDocumentVersion
from moto.ssm.models import Document, Documents
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.errors import ServiceError
from localcloud.model import operation
from localcloud.paging import UnknownToken, page


def install() -> None:
    """Give moto's documents their versions."""
    SimpleSystemManagerResponse.list_document_versions = list_document_versions
    Documents.find = _finding_versions(Documents.find)
    Documents.delete = _delete_versions


@operation("ListDocumentVersions")
def list_document_versions(response: SimpleSystemManagerResponse, request: dict[str, Any]) -> dict[str, Any]:
    """List the versions of a document, the newest first."""
    documents = response.ssm_backend._get_documents(request["Name"])
    newest_first = sorted(documents.versions.values(), key=_number, reverse=True)
    try:
        versions, token = page(newest_first, request)
    except UnknownToken as error:
        raise ServiceError("InvalidNextToken", f"The token {error} is not valid.") from error
    members = {"DocumentVersions": [_describe(version, documents) for version in versions]}
    return {**members, **({"NextToken": token} if token else {})}


def _describe(document: Document, documents: Documents) -> dict[str, Any]:
    return {
        "Name": document.name,
        "DocumentVersion": document.document_version,
        "CreatedDate": document.created_date,
        "IsDefaultVersion": document.document_version == documents.default_version,
        "DocumentFormat": document.document_format,
        "Status": document.status,
        **({"VersionName": document.version_name} if document.version_name else {}),
    }


def _number(document: Document) -> int:
    return int(document.document_version)


def _finding_versions(original: Any) -> Any:
    @functools.wraps(original)
    def find(self: Documents, document_version: str | None = None, *args: Any, **kwargs: Any) -> Any:
        if document_version == "$DEFAULT":
            document_version = None
        try:
            return original(self, document_version, *args, **kwargs)
        except InvalidDocument as error:
            # The document is there, only this version of it is not.
            raise InvalidDocumentVersion("The document version is not valid or does not exist.") from error

    return find


def _delete_versions(self: Documents, *versions: str) -> None:
    """Delete them; moto takes version 9 for a later one than 10."""
    for version in versions:
        self.versions.pop(version, None)
    if self.versions and self.latest_version not in self.versions:
        self.latest_version = max(self.versions, key=int)
