# LocalStack's runtime on the listening socket that is bound already.
os.environ.update(
    GATEWAY_SERVER="hypercorn",
    GATEWAY_LISTEN=f"127.0.0.1:{port}",
    # URLs in answers lead through the proxy.
    LOCALSTACK_HOST=f"127.0.0.1:{os.environ['GATEWAY_PORT']}",
    HOME=folder,
    TMPDIR=folder,
    FILESYSTEM_ROOT=folder,
    ACTIVATE_PRO="0",
    DISABLE_EVENTS="1",
    DISABLE_CORS_HEADERS="1",
    DNS_ADDRESS="0",
    # Its services ask one another without the network, where the secret would be wanted.
    IN_MEMORY_CLIENT="1",
    SKIP_SSL_CERT_DOWNLOAD="1",
)

from localstack.runtime.server import hypercorn


class Listening(hypercorn.Config):
    bind = property(lambda self: [f"fd://{listener.fileno()}"], lambda self, value: None)
    # Longer than the proxy keeps an idle connection.
    keep_alive_timeout = 3600


hypercorn.Config = Listening
serve = hypercorn.serve
hypercorn.serve = lambda app, *rest, **more: serve(guarded_asgi(app), *rest, **more)

from localstack.runtime.main import main

main()
