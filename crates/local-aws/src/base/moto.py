os.environ["MOTO_PORT"] = str(port)

from moto.server import DomainDispatcherApplication, create_backend_app
from moto.moto_server.werkzeug_app import MotoRequestHandler
from moto.s3.responses import S3Response
from werkzeug.serving import make_server

# moto names the root element of this one answer after the operation; AWS and its SDKs do not.
answer = S3Response.get_bucket_versioning


def get_bucket_versioning(self):
    status, headers, body = answer(self)
    return status, headers, body.replace("GetBucketVersioningResponse", "VersioningConfiguration")


S3Response.get_bucket_versioning = get_bucket_versioning

app = DomainDispatcherApplication(create_backend_app)
make_server(
    "127.0.0.1", port, app, threaded=True, request_handler=MotoRequestHandler, fd=listener.fileno()
).serve_forever()
