"""Versions of documents: what moto leaves out of them, in the API and in CloudFormation."""

import functools
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.ssm.exceptions import InvalidDocument, InvalidDocumentVersion
from moto.ssm.models import Document, Documents, SimpleSystemManagerBackend, ssm_backends
from moto.ssm.responses import SimpleSystemManagerResponse

from localcloud.errors import ServiceError
from localcloud.model import operation
from localcloud.paging import UnknownToken, page


def install() -> None:
    """Give moto's documents their versions."""
    SimpleSystemManagerResponse.list_document_versions = list_document_versions
    Documents.find = _finding_versions(Documents.find)
    Documents.delete = _delete_versions
    Document.update_from_cloudformation_json = classmethod(_updated_by(Document))


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


def _updated_by(document_class: type[Document]) -> Any:
    moto_update = document_class.update_from_cloudformation_json.__func__

    def update(
        cls: type[Document],
        original_resource: Document,
        new_resource_name: str,
        cloudformation_json: dict[str, Any],
        account_id: str,
        region_name: str,
    ) -> Document:
        properties = cloudformation_json["Properties"]
        name = original_resource.name
        if properties.get("Name", name) != name:
            return moto_update(
                cls, original_resource, new_resource_name, cloudformation_json, account_id, region_name
            )
        if properties.get("UpdateMethod") != "NewVersion":
            raise ValidationError(
                message="CloudFormation cannot update a stack when a custom-named resource requires "
                f"replacing. Rename {name} and update the stack again, "
                "or give it the UpdateMethod NewVersion."
            )
        return _add_version(ssm_backends[account_id][region_name], name, properties)

    return update


def _add_version(backend: SimpleSystemManagerBackend, name: str, properties: dict[str, Any]) -> Document:
    """Make the content the new default version, as CloudFormation does, if it is new."""
    documents: Documents = backend._documents[name]
    if tags := {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}:
        backend.add_tags_to_resource("Document", name, tags)
    before = documents.get_latest_version()
    latest = Document(
        account_id=backend.account_id,
        name=name,
        version_name=properties.get("VersionName"),
        content=properties["Content"],
        document_type=before.document_type,
        document_format=properties.get("DocumentFormat", "JSON"),
        requires=properties.get("Requires"),
        attachments=properties.get("Attachments"),
        target_type=properties.get("TargetType"),
        document_version=str(_number(before) + 1),
    )
    if latest.content_json != before.content_json:
        documents.add_new_version(latest)
    documents.update_default_version(documents.latest_version)
    return documents.get_default_version()
