# Only local-aws may ask the emulator: it adds a secret to each request that no other process of this machine has. And
# the emulator starts no processes: what it would run there is code that somebody put into a function.
import hmac

secret = os.environ.pop("LOCAL_AWS_SECRET", "")
runs_code = os.environ.pop("LOCAL_AWS_EXECUTORS", "") == "1"
SECRET_HEADER = "x-local-aws-secret"


def knows_secret(value):
    return hmac.compare_digest(value.encode("latin-1"), secret.encode())


def guarded_asgi(app):
    async def guarded(scope, receive, send):
        if scope["type"] not in ("http", "websocket"):
            return await app(scope, receive, send)
        name = SECRET_HEADER.encode()
        given = next((value for key, value in scope["headers"] if key.lower() == name), b"")
        if knows_secret(given.decode("latin-1")):
            return await app(scope, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return guarded


def guarded_wsgi(app):
    def guarded(environ, start_response):
        if knows_secret(environ.get("HTTP_X_LOCAL_AWS_SECRET", "")):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Length", "0")])
        return [b""]

    return guarded


def refuse_processes(event, _arguments):
    if event in ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system"):
        raise PermissionError("local-aws runs no code of functions; `--executors` asks for it")


def start_no_processes():
    if not runs_code:
        sys.addaudithook(refuse_processes)
