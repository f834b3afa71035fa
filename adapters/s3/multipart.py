import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import BotoCoreError, ClientError

from application.errors import StorageUnavailable

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import CompletedPartTypeDef, UploadPartOutputTypeDef

logger = logging.getLogger("service_server.object_store")


class Condition(TypedDict, total=False):
    """What must be so for an object to be stored: with `IfNoneMatch="*"`, that none has the key."""

    IfNoneMatch: str


class _Target(TypedDict):
    Bucket: str
    Key: str


def upload_in_parts(
    client: "S3Client", bucket: str, key: str, parts: Iterable[bytes], content_type: str, condition: Condition
) -> None:
    """Store an object part by part, on the caller's thread: memory holds one part.

    boto3's own way of doing so does not pass conditions on.
    """
    target: _Target = {"Bucket": bucket, "Key": key}
    upload = client.create_multipart_upload(**target, ContentType=content_type).get("UploadId")
    if upload is None:
        raise StorageUnavailable("it does not take objects in parts")
    try:
        sent = [
            _completed(number, client.upload_part(**target, UploadId=upload, PartNumber=number, Body=part))
            for number, part in enumerate(parts, start=1)
        ]
        client.complete_multipart_upload(
            **target, UploadId=upload, MultipartUpload={"Parts": sent}, **condition
        )
    except BaseException:
        _abort(client, target, upload)
        raise


def _completed(number: int, answer: "UploadPartOutputTypeDef") -> "CompletedPartTypeDef":
    part: CompletedPartTypeDef = {"PartNumber": number, "ETag": answer.get("ETag", "")}
    if "ChecksumCRC32" in answer:
        part["ChecksumCRC32"] = answer["ChecksumCRC32"]
    return part


def _abort(client: "S3Client", target: _Target, upload: str) -> None:
    """Have no parts left that would be paid for."""
    try:
        client.abort_multipart_upload(**target, UploadId=upload)
    except (BotoCoreError, ClientError) as error:
        logger.warning("the parts of object '%s' could not be removed: %s", target["Key"], error)
