import asyncio

import ministack.app as ministack_app
from hypercorn.asyncio import serve
from hypercorn.config import Config

app = ministack_app.app
# A bucket may be called so, and nobody asks for the page there.
ministack_app._HEALTH_PATHS = tuple(path for path in ministack_app._HEALTH_PATHS if path != "/health")

config = Config()
config.bind = [f"fd://{listener.fileno()}"]
config.loglevel = "WARNING"
# Longer than the proxy keeps an idle connection, so that none is closed while a request is on its way.
config.keep_alive_timeout = 3600
start_no_processes()
asyncio.run(serve(guarded_asgi(app_with_jobs), config))
