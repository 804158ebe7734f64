# Only local-aws may ask the emulator: it adds a secret to each request that no other process of this machine has. The
# emulator is not shown it, so that it can neither write it down nor hand it on. And
# the emulator starts no processes but those of services that were named: what it would run is code that somebody put
# into a function or a job.
import hmac

secret = os.environ.pop("LOCAL_AWS_SECRET", "")
executions = set(filter(None, os.environ.pop("LOCAL_AWS_EXECUTIONS", "").split(",")))
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
            shown = [(key, value) for key, value in scope["headers"] if key.lower() != name]
            return await app({**scope, "headers": shown}, receive, send)
        if scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008})
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return guarded


def guarded_wsgi(app):
    def guarded(environ, start_response):
        if knows_secret(environ.pop("HTTP_X_LOCAL_AWS_SECRET", "")):
            return app(environ, start_response)
        start_response("403 Forbidden", [("Content-Length", "0")])
        return [b""]

    return guarded


# The modules of the emulators that run somebody's code, and the service whose it is.
RUNS_CODE_OF = {"ministack.services.lambda_svc": "lambda", "ministack.services.glue": "glue"}
PROCESSES = ("subprocess.Popen", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system")


def callers():
    frame = sys._getframe(2)
    while frame:
        yield frame.f_globals.get("__name__")
        frame = frame.f_back


def refuse_processes(event, arguments):
    if event not in PROCESSES:
        return
    services = {RUNS_CODE_OF[name] for name in callers() if name in RUNS_CODE_OF}
    if services & executions:
        return
    service = min(services, default="functions")
    raise PermissionError(f"local-aws runs no code of {service}: `--allow-execution {service}` asks for it")


def start_no_processes():
    sys.addaudithook(refuse_processes)
