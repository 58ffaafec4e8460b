"""Convert the deliveries of export queues between messages and values."""

from typing import Final

from google.protobuf.duration_pb2 import Duration

from engine.rpc.convert.fields import Problems, members_of, numbers_of
from server.exports.queue import (
    BodyEncoding,
    Delivery,
    Email,
    Folder,
    Ftp,
    ObjectStorage,
    Provider,
    Security,
    Sftp,
    WebHook,
)
from tillcore.v1 import export_delivery_pb2 as pb

_BODIES: Final = numbers_of(BodyEncoding, pb.ExportBodyEncoding, "EXPORT_BODY_ENCODING")
_SECURITIES: Final = numbers_of(Security, pb.ExportSecurity, "EXPORT_SECURITY")
_PROVIDERS: Final = numbers_of(Provider, pb.ExportStorageProvider, "EXPORT_STORAGE_PROVIDER")

_BODY_OF: Final = members_of(_BODIES)
_SECURITY_OF: Final = members_of(_SECURITIES)
_PROVIDER_OF: Final = members_of(_PROVIDERS)

_NS_PER_SECOND: Final = 10**9
_METHOD: Final = "POST"
_SUBJECT: Final = "{queue} {key}"
_SFTP_PORT: Final = 22
_TIMEOUT_NS: Final = 15 * _NS_PER_SECOND


def delivery_from_proto(message: pb.ExportDelivery, path: str, problems: Problems) -> Delivery:
    """Return the delivery of a message; what is absent has its default."""
    match message.WhichOneof("kind"):
        case "web_hook":
            return _web_hook(message.web_hook, f"{path}.web_hook", problems)
        case "email":
            return _email(message.email, f"{path}.email", problems)
        case "ftp":
            return _ftp(message.ftp, f"{path}.ftp", problems)
        case "sftp":
            return _sftp(message.sftp)
        case "object_storage":
            return _object_storage(message.object_storage, f"{path}.object_storage", problems)
        case "folder":
            folder = message.folder
            return Folder(directory=folder.directory, file_name=folder.file_name)
        case _:
            problems.required(path, "a delivery")
            return Folder()


def delivery_to_proto(delivery: Delivery) -> pb.ExportDelivery:
    """Return the message of a delivery."""
    match delivery:
        case WebHook():
            seconds, nanos = divmod(delivery.timeout_ns, _NS_PER_SECOND)
            hook = pb.ExportWebHook(
                url=delivery.url,
                method=delivery.method,
                headers=delivery.headers,
                body=_BODIES[delivery.body],
                timeout=Duration(seconds=seconds, nanos=nanos),
            )
            return pb.ExportDelivery(web_hook=hook)
        case Email():
            return pb.ExportDelivery(email=_email_to_proto(delivery))
        case Ftp():
            ftp = pb.ExportFtp(
                host=delivery.host,
                port=delivery.port,
                security=_SECURITIES[delivery.security],
                username=delivery.username,
                directory=delivery.directory,
                file_name=delivery.file_name,
            )
            return pb.ExportDelivery(ftp=ftp)
        case Sftp():
            sftp = pb.ExportSftp(
                host=delivery.host,
                port=delivery.port,
                username=delivery.username,
                host_key=delivery.host_key,
                directory=delivery.directory,
                file_name=delivery.file_name,
            )
            return pb.ExportDelivery(sftp=sftp)
        case ObjectStorage():
            storage = pb.ExportObjectStorage(
                provider=_PROVIDERS[delivery.provider],
                bucket=delivery.bucket,
                prefix=delivery.prefix,
                object_name=delivery.object_name,
                region=delivery.region,
                endpoint=delivery.endpoint,
                account=delivery.account,
            )
            return pb.ExportDelivery(object_storage=storage)
        case Folder():
            folder = pb.ExportFolder(directory=delivery.directory, file_name=delivery.file_name)
            return pb.ExportDelivery(folder=folder)


def _web_hook(message: pb.ExportWebHook, path: str, problems: Problems) -> WebHook:
    timeout_ns = _TIMEOUT_NS
    if message.HasField("timeout"):
        timeout_ns = message.timeout.seconds * _NS_PER_SECOND + message.timeout.nanos
    return WebHook(
        url=message.url,
        method=message.method or _METHOD,
        headers=dict(message.headers),
        body=problems.choice(path, "body", message.body, _BODY_OF, BodyEncoding.RAW),
        timeout_ns=timeout_ns,
    )


def _email(message: pb.ExportEmail, path: str, problems: Problems) -> Email:
    return Email(
        recipients=tuple(message.recipients),
        sender=message.sender,
        subject=message.subject or _SUBJECT,
        text=message.text,
        file_name=message.file_name,
        host=message.host,
        port=message.port,
        security=_security(message.security, path, problems),
        username=message.username,
    )


def _email_to_proto(email: Email) -> pb.ExportEmail:
    return pb.ExportEmail(
        recipients=email.recipients,
        sender=email.sender,
        subject=email.subject,
        text=email.text,
        file_name=email.file_name,
        host=email.host,
        port=email.port,
        security=_SECURITIES[email.security],
        username=email.username,
    )


def _ftp(message: pb.ExportFtp, path: str, problems: Problems) -> Ftp:
    return Ftp(
        host=message.host,
        port=message.port,
        security=_security(message.security, path, problems),
        username=message.username,
        directory=message.directory,
        file_name=message.file_name,
    )


def _sftp(message: pb.ExportSftp) -> Sftp:
    return Sftp(
        host=message.host,
        port=message.port or _SFTP_PORT,
        username=message.username,
        host_key=message.host_key,
        directory=message.directory,
        file_name=message.file_name,
    )


def _object_storage(
    message: pb.ExportObjectStorage, path: str, problems: Problems
) -> ObjectStorage:
    return ObjectStorage(
        provider=problems.choice(path, "provider", message.provider, _PROVIDER_OF),
        bucket=message.bucket,
        prefix=message.prefix,
        object_name=message.object_name,
        region=message.region,
        endpoint=message.endpoint,
        account=message.account,
    )


def _security(number: int, path: str, problems: Problems) -> Security:
    return problems.choice(path, "security", number, _SECURITY_OF, Security.STARTTLS)
