import hashlib

os.environ["MOTO_PORT"] = str(port)

from moto.server import DomainDispatcherApplication, create_backend_app
from moto.moto_api._internal import urls as control_pages
from moto.moto_server.werkzeug_app import MotoRequestHandler
from moto.s3.models import FakeKey
from moto.s3.responses import S3Response
from werkzeug.serving import make_server


def named(original, wrong, right):
    def answer(self, *rest):
        status, headers, body = original(self, *rest)
        return status, headers, body.replace(wrong, right)

    return answer


# moto names the root element of these answers after the operation; AWS and its SDKs do not.
for operation, wrong, right in [
    ("get_bucket_versioning", "GetBucketVersioningResponse", "VersioningConfiguration"),
    ("list_parts", "ListPartsResponse", "ListPartsResult"),
    ("list_multipart_uploads", "ListMultipartUploadsResponse", "ListMultipartUploadsResult"),
]:
    setattr(S3Response, operation, named(getattr(S3Response, operation), wrong, right))

# Under a KMS key an ETag is no MD5. Objects are copied for lists, so that it must follow from what stays the same.
plain_etag = FakeKey.etag.fget


def opaque_etag(self):
    plain = plain_etag(self)
    if not (self.encryption or "").startswith("aws:kms"):
        return plain
    digest, dash, parts = plain.strip('"').partition("-")
    of = f"{self.bucket_name}/{self.name}/{self._version_id}/{self.last_modified}/{digest}"
    return f'"{hashlib.md5(of.encode()).hexdigest()}{dash}{parts}"'


FakeKey.etag = property(opaque_etag)

# It would write requests down, with the keys and bodies that are in them, and send them again.
for path in [path for path in control_pages.url_paths if "/recorder/" in path]:
    del control_pages.url_paths[path]

app = guarded_wsgi(DomainDispatcherApplication(create_backend_app))
start_no_processes()
make_server(
    "127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler, fd=listener.fileno()
).serve_forever()
